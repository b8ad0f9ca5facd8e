"""Pictures of meta-learning: episodes with their answers, curves, waves before and after adaptation.

Every function draws one panel from plain values and returns it as PNG; the same call with ``DARK`` gives it for a dark
page. matplotlib is used through its objects alone, so nothing here changes the state of a program around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from quickstudy.app import panels
from quickstudy.app.panels import LETTERS, LIGHT, PITCH, Style

ASKED_AT = 1.4
"""Where the rows of queries begin."""
DASHES = (":", (0, (5, 1, 1, 1)), (0, (4, 1.5)), "-")
"""Of the answers after more and more steps, so that they differ without colour too."""


class Episode(NamedTuple):
    """An episode of characters, and what the learner takes its queries for."""

    support: Tensor
    """[way, H, W]: one example of each class, ink 1 on 0."""
    query: Tensor
    """[way, n, H, W]: queries by their true class."""
    guess: Tensor
    """[way, n] int64: the class that each is taken for."""


class Wave(NamedTuple):
    """A task of one number in and one out, and the answers of a net that adapts to it."""

    x: Tensor
    """[n] sorted."""
    truth: Tensor
    """[n]."""
    support: Tensor
    """[shot, 2]: the points it may learn from."""
    after: Mapping[int, Tensor]
    """[n] answers after so many gradient steps; up to four."""


class Line(NamedTuple):
    """One line of a curve with its band."""

    label: str
    at: Sequence[float]
    mean: Sequence[float]
    ci95: Sequence[float]
    trained: bool = True


def episode(shown: Episode, style: Style = LIGHT) -> bytes:
    """The support on top, a column a class; below it the queries, with a tick, or a cross and the wrong answer."""
    way, rows = shown.guess.shape
    bottom = ASKED_AT + rows * PITCH
    figure, panel = panels.canvas((-0.5, way * PITCH), (bottom, -0.46), style)
    for column in range(way):
        panels.write(panel, (column * PITCH + 0.5, -0.2), LETTERS[column], style.ink, size=14, weight="bold")
        panels.tile(panel, shown.support[column], (column * PITCH, 0), style.ink, style)
        for row in range(rows):
            place = (column * PITCH, ASKED_AT + row * PITCH)
            panels.answer(panel, shown.query[column, row], place, column, int(shown.guess[column, row]), style)
    panel.plot([0, way * PITCH - 0.16], [1.2, 1.2], color=style.rule, linewidth=1.2)
    panels.write(panel, (-0.28, 0.5), "shown once", style.muted, rotation=90)
    panels.write(panel, (-0.28, (ASKED_AT + bottom - 0.16) / 2), "asked about", style.muted, rotation=90)
    return panels.to_png(figure)


def curves(lines: Sequence[Line], x_label: str, y_label: str, *, percent: bool = False, style: Style = LIGHT) -> bytes:
    """Lines with 95 % bands over a common axis; the first and last value of each are written beside it."""
    figure, panel = panels.plot(x_label, y_label, style)
    for line in lines:
        colour = style.trained if line.trained else style.untrained
        look = {"marker": "o" if line.trained else "s", "linestyle": "-" if line.trained else "--"}
        panel.plot(line.at, line.mean, color=colour, linewidth=2.2, markersize=6, label=line.label, **look)
        low = [mean - ci95 for mean, ci95 in zip(line.mean, line.ci95, strict=True)]
        high = [mean + ci95 for mean, ci95 in zip(line.mean, line.ci95, strict=True)]
        panel.fill_between(line.at, low, high, color=colour, alpha=0.18, linewidth=0)
        for end in {0, len(line.at) - 1}:
            text = f"{100 * line.mean[end]:.0f} %" if percent else f"{line.mean[end]:.2f}"
            off = (0, 9 if end or line.mean[-1] <= line.mean[0] else -18)
            spot = (line.at[end], line.mean[end])
            panel.annotate(text, spot, off, textcoords="offset points", ha="center", color=colour, fontsize=11)
    panel.margins(x=0.07, y=0.16)
    if percent:
        panel.set_ylim(0, 1.08)
        panel.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    else:
        panel.set_ylim(bottom=0)
    if len(lines) > 1:
        panels.legend_above(panel, style)
    return panels.to_png(figure)


def wave(shown: Wave, trained: bool, style: Style = LIGHT) -> bytes:
    """The true wave, the support points, and the answers after more and more gradient steps."""
    figure, panel = panels.plot("x", "y", style)
    _draw_wave(panel, shown, trained, style)
    low, high = float(shown.truth.min()), float(shown.truth.max())
    room = 0.35 * (high - low)
    panel.set_ylim(low - room, high + room)
    panels.legend_above(panel, style)
    return panels.to_png(figure)


def banner(characters: Episode, shown: Wave, style: Style = LIGHT) -> bytes:
    """Both kinds of task in one picture of 1600 x 600 pixels."""
    figure = panels.blank(16, 6, style)
    left = figure.add_axes((0.02, 0.03, 0.45, 0.83))
    left.set_axis_off()
    _draw_asked(left, characters, style)
    right = figure.add_axes((0.52, 0.17, 0.455, 0.67))
    panels.decorate(right, "", "", style)
    _draw_wave(right, shown, True, style)
    right.set_ylim(*(1.2 * float(shown.truth.abs().max()) * sign for sign in (-1, 1)))
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.08), "ncols": 6}
    panels.ink_legend(right.legend(fontsize=13, frameon=False, columnspacing=1.2, handlelength=1.7, **place), style)
    heading = {"color": style.ink, "fontsize": 20, "weight": "bold", "va": "center"}
    figure.text(0.02, 0.92, f"{len(characters.support)} new characters from one example each", **heading)
    figure.text(0.5, 0.92, f"A new wave from {len(shown.support)} points", **heading)
    return panels.to_png(figure, dpi=100)


def _draw_asked(panel: Any, shown: Episode, style: Style) -> None:
    """A row a class: its example, and beside it what the learner takes other drawings of it for."""
    way, each = shown.guess.shape
    for row in range(way):
        panels.write(panel, (-0.4, row * PITCH + 0.5), LETTERS[row], style.ink, size=19, weight="bold")
        panels.tile(panel, shown.support[row], (0, row * PITCH), style.ink, style)
        for column in range(each):
            place = (1.9 + column * PITCH * 1.25, row * PITCH)
            panels.answer(panel, shown.query[row, column], place, row, int(shown.guess[row, column]), style, named=True)
    middle = 1.9 + (each * PITCH * 1.25 - 0.25 * PITCH) / 2
    panels.write(panel, (0.5, -0.3), "shown once", style.muted, size=14)
    panels.write(panel, (middle, -0.3), "what it takes other drawings for", style.muted, size=14)
    panel.plot([1.45, 1.45], [0, way * PITCH - 0.16], color=style.rule, linewidth=1.5)
    panel.set(xlim=(-0.7, 2.3 + each * PITCH * 1.25), ylim=(way * PITCH - 0.06, -0.5))
    panel.set_anchor("W")


def _draw_wave(panel: Any, shown: Wave, trained: bool, style: Style) -> None:
    panel.plot(shown.x, shown.truth, color=style.ink, alpha=0.22, linewidth=9, solid_capstyle="round", label="truth")
    colour = style.trained if trained else style.untrained
    for number, (steps, answers) in enumerate(shown.after.items()):
        name = "before" if steps == 0 else f"{steps} step{'s' if steps > 1 else ''}"
        look = {"color": style.muted if steps == 0 else colour, "alpha": 0.62 + 0.38 * number / len(shown.after)}
        panel.plot(shown.x, answers, linestyle=DASHES[number], linewidth=2.4, label=name, **look)
    look = {"marker": "^", "s": 95, "color": style.ink, "edgecolors": style.paper, "linewidths": 1.2, "zorder": 5}
    panel.scatter(*shown.support.T, label="points given", **look)
