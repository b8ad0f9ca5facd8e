"""What pictures are made of: their colours, characters on tiles, axes, and the way to PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WIDTH = 4.6
"""Of a picture in inches: so narrow that its words can be read on a phone."""
PITCH = 1.16
"""From one tile to the next, where a tile is 1 wide."""


@dataclass(frozen=True)
class Style:
    """Colours of a page."""

    paper: str
    tile: str
    """Behind a character."""
    ink: str
    muted: str
    rule: str
    good: str
    bad: str
    trained: str
    untrained: str


LIGHT = Style("#ffffff", "#f2f4f8", "#1b2330", "#5c6776", "#e1e6ec", "#12795a", "#c01f45", "#2a5bd0", "#b85c10")
DARK = Style("#161b24", "#222a36", "#e9eef5", "#a3afbf", "#303a48", "#4fc592", "#ff8097", "#86abff", "#f2a65a")


def answer(
    panel: Any, image: Tensor, place: tuple[float, float], true: int, guess: int, style: Style, named: bool = False
) -> None:
    """A query with its badge: a tick, or a cross and the class it was taken for; ``named`` always says the class."""
    right = true == guess
    colour = style.good if right else style.bad
    tile(panel, image, place, colour, style, broken=not right)
    said = f" {LETTERS[guess]}" if named or not right else ""
    box = {"boxstyle": "round,pad=0.25", "facecolor": colour, "edgecolor": style.paper, "linewidth": 1.5}
    spot = (place[0] + (1.0 if named else 0.84), place[1] + 0.86)
    write(panel, spot, f"{'✓' if right else '✗'}{said}", style.paper, size=11, weight="bold", bbox=box)


def tile(panel: Any, image: Tensor, place: tuple[float, float], edge: str, style: Style, broken: bool = False) -> None:
    """A character as ink on a rounded tile; ``place`` is its upper left corner."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import FancyBboxPatch

    x, y = place
    look: dict[str, Any] = {"linewidth": 2.2, "linestyle": (0, (3, 1.5))} if broken else {"linewidth": 1.3}
    frame = FancyBboxPatch((x + 0.06, y + 0.06), 0.88, 0.88, boxstyle="round,pad=0.06", **look)
    frame.set(facecolor=style.tile, edgecolor=edge)
    panel.add_patch(frame)
    colour = torch.tensor(to_rgb(style.ink)).expand(*image.shape, 3)
    pixels = torch.cat([colour, image.clamp(0, 1).unsqueeze(-1)], -1)
    panel.imshow(pixels.numpy(), extent=(x, x + 1, y + 1, y), interpolation="bilinear", zorder=2)


def write(panel: Any, place: tuple[float, float], text: str, colour: str, size: float = 12, **look: Any) -> None:
    """Centred; in the font that comes with matplotlib, which has ticks and crosses."""
    look = {"ha": "center", "va": "center", "zorder": 4, "family": "DejaVu Sans"} | look
    panel.text(*place, text, color=colour, fontsize=size, **look)


def blank(width: float, height: float, style: Style, layout: Literal["constrained"] | None = None) -> Any:
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor=style.paper, layout=layout)


def canvas(x: tuple[float, float], y: tuple[float, float], style: Style) -> tuple[Any, Any]:
    """A figure that is all panel, without axes, in the proportions of its limits ``x`` and ``y``."""
    figure = blank(WIDTH, WIDTH * (y[0] - y[1]) / (x[1] - x[0]), style)
    panel = figure.add_axes((0, 0, 1, 1), xlim=x, ylim=y, autoscale_on=False)
    panel.set_axis_off()
    return figure, panel


def plot(x_label: str, y_label: str, style: Style) -> tuple[Any, Any]:
    """A figure with one pair of axes."""
    figure = blank(WIDTH, 3.5, style, layout="constrained")
    panel = figure.subplots()
    decorate(panel, x_label, y_label, style)
    return figure, panel


def decorate(panel: Any, x_label: str, y_label: str, style: Style) -> None:
    """Quiet axes: a grid and labels without a frame."""
    panel.set_facecolor(style.paper)
    panel.set_xlabel(x_label, color=style.muted, fontsize=12)
    panel.set_ylabel(y_label, color=style.muted, fontsize=12)
    panel.tick_params(colors=style.muted, labelsize=11, length=0)
    panel.grid(color=style.rule, linewidth=0.9)
    panel.set_axisbelow(True)
    for spine in panel.spines.values():
        spine.set_visible(False)


def legend_above(panel: Any, style: Style) -> None:
    """What the lines are, above the panel."""
    handles = panel.get_legend_handles_labels()[0]
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": min(len(handles), 3)}
    ink_legend(panel.legend(fontsize=11, frameon=False, borderaxespad=0.3, columnspacing=1.2, **place), style)


def ink_legend(legend: Any, style: Style) -> None:
    """Its words in the page's ink."""
    for text in legend.get_texts():
        text.set_color(style.ink)


def to_png(figure: Any, dpi: int = 165) -> bytes:
    """A PNG with a palette: a third of the size, and it looks the same."""
    from PIL import Image

    drawn, file = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    pixels = Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    pixels.save(file, format="png", optimize=True)
    return file.getvalue()
