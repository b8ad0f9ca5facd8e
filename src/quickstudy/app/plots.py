"""Plots of a comparison as SVG that belongs into a page: text stays text, and colours are the page's own.

matplotlib draws with one placeholder for each colour, which then becomes a CSS variable (``--ink``, ``--line-1``), so
that one drawing serves a light page and a dark one.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from quickstudy.app import panels
from quickstudy.app.panels import Style
from quickstudy.calibration import Calibration

NAMED = ("paper", "tile", "ink", "muted", "rule", "good", "bad", "trained", "untrained")
STYLE = Style(*(f"#0000{number:02x}" for number in range(0xA0, 0xA0 + len(NAMED))))
LINES = 8
"""Colours of lines; more lines than that differ by marker and dashes."""
COLOURS = tuple(f"#0000{number:02x}" for number in range(0xC0, 0xC0 + LINES))
MARKERS = "os^DvPX*p<>h"
SYMBOLS = "●■▲◆▼✚✖★⬟◀▶⬢"
"""What stands for the markers in a text."""
SMALL = 0.72 * panels.WIDTH
"""Width of a plot of which there are three side by side, in inches."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.5, 1.5)))


Point = tuple[float, float]
"""A cost and a score."""


class Line(NamedTuple):
    """Scores along an axis, with their intervals."""

    number: int
    """Of the learner: its colour, marker and dashes."""
    at: Sequence[float]
    mean: Sequence[float]
    ci95: Sequence[float]


def curve(
    lines: Sequence[Line], x_label: str, y_label: str, levels: Sequence[Line] = (), *, small: bool = False
) -> str:
    """Lines with their bands, the paler the more there are; ``levels`` have one score each, the same everywhere."""
    figure, panel = panels.plot(x_label, y_label, STYLE)
    if small:
        figure.set_size_inches(SMALL, 0.8 * SMALL)
    at = sorted({x for line in lines for x in line.at})
    for line in lines:
        _draw(panel, line, band=min(0.14, 0.5 / len(lines)))
    for level in levels:
        panel.plot(
            (at[0], at[-1]), (level.mean[0],) * 2, color=colour(level.number), linewidth=1.6, linestyle=DASHES[2]
        )
    if 1 < len(at) <= 8:
        panel.set_xticks(at, [f"{x:g}" for x in at])
    _percent(panel, y_label)
    return to_svg(figure, f"{y_label} by {x_label}")


def scores(named: Sequence[tuple[str, float, float]], label: str) -> str:
    """One interval a learner, in the order given from top to bottom."""
    figure = panels.blank(panels.WIDTH, 0.75 + 0.34 * len(named), STYLE, layout="constrained")
    panel = figure.subplots()
    panels.decorate(panel, label, "", STYLE)
    for number, (_, mean, ci95) in enumerate(named):
        look = {"color": colour(number), "marker": MARKERS[number % len(MARKERS)], "markersize": 7}
        panel.errorbar([mean], [number], xerr=[known(ci95)], linewidth=2.4, capsize=4, **look)
    panel.set_yticks(range(len(named)), [name for name, *_ in named])
    panel.tick_params(axis="y", colors=STYLE.ink)
    panel.set_ylim(len(named) - 0.4, -0.6)
    panel.margins(x=0.12)
    _percent(panel, label, axis="x")
    return to_svg(figure, f"{label} of each learner with its interval")


def front(groups: Sequence[Sequence[Point]], best: Sequence[Point], x_label: str, label: str) -> str:
    """Score against a cost: the points of each learner, its own way to adapt first, and the Pareto front."""
    figure, panel = panels.plot(x_label, label, STYLE)
    panel.plot(*zip(*best, strict=True), color=STYLE.rule, linewidth=9, drawstyle="steps-post", zorder=1)
    for number, points in enumerate(groups):
        own, *others = points
        look = {"color": colour(number), "marker": MARKERS[number % len(MARKERS)], "linestyle": "none"}
        if others:
            panel.plot(*zip(*others, strict=True), color=colour(number), linewidth=1.2, alpha=0.6)
            panel.plot(*zip(*others, strict=True), markersize=4, **look)
        panel.plot(*own, markersize=10, markeredgecolor=STYLE.paper, zorder=4, **look)
    panel.set_xscale("log")
    panel.margins(x=0.1, y=0.12)
    low, high = panel.get_xlim()
    decades = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    if len(decades) > 1:
        panel.set_xticks([10.0**decade for decade in decades], [f"{10.0**decade:g}" for decade in decades])
    else:
        ticks = [x for x in (y * 10.0**d for d in range(-4, 6) for y in (1, 2, 5)) if low <= x <= high]
        panel.set_xticks(ticks, [f"{x:g}" for x in ticks])
    panel.set_xticks([], minor=True)
    _percent(panel, label)
    return to_svg(figure, f"{label} against {x_label}")


def reliability(judged: Calibration, number: int, name: str) -> str:
    """Accuracy by confidence as bars, and with the temperature as points; the diagonal is what it should be."""
    figure = panels.blank(SMALL, SMALL, STYLE, layout="constrained")
    panel = figure.subplots()
    panels.decorate(panel, "confidence", "share of right answers", STYLE)
    width, most = 1 / len(judged.bins), max(one.answers for one in judged.bins)
    for place, one in enumerate(judged.bins):
        look = {"width": 0.9 * width, "color": colour(number), "alpha": 0.2 + 0.7 * one.answers / most}
        panel.bar([(place + 0.5) * width] * bool(one.answers), [one.accuracy] * bool(one.answers), **look)
    panel.plot([0, 1], [0, 1], color=STYLE.muted, linewidth=1.2, linestyle=DASHES[1])
    there = [one for one in judged.bins_after if one.answers]
    points = [one.confidence for one in there], [one.accuracy for one in there]
    panel.plot(*points, color=STYLE.ink, marker="o", markersize=5, linewidth=1.4)
    panel.set(xlim=(0, 1), ylim=(0, 1.02))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    return to_svg(figure, f"reliability diagram of {name}")


def colour(number: int) -> str:
    """Of the learner ``number``."""
    return COLOURS[number % LINES]


def known(ci95: float) -> float:
    """0 where one unit gives no interval."""
    return ci95 if math.isfinite(ci95) else 0.0


def _draw(panel: Any, line: Line, band: float) -> None:
    look: dict[str, Any] = {"color": colour(line.number), "linestyle": DASHES[line.number // LINES % len(DASHES)]}
    panel.plot(line.at, line.mean, marker=MARKERS[line.number % len(MARKERS)], markersize=6, linewidth=2.2, **look)
    low = [mean - known(ci95) for mean, ci95 in zip(line.mean, line.ci95, strict=True)]
    high = [mean + known(ci95) for mean, ci95 in zip(line.mean, line.ci95, strict=True)]
    panel.fill_between(line.at, low, high, color=look["color"], alpha=band, linewidth=0)


def _percent(panel: Any, label: str, axis: str = "y") -> None:
    """Accuracies are read in percent."""
    if label == "accuracy":
        from matplotlib.ticker import FuncFormatter

        getattr(panel, f"{axis}axis").set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))


def to_svg(figure: Any, title: str) -> str:
    """An ``<svg>`` element as wide as its place."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.family": ["DejaVu Sans"]}):
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=False)
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.S)  # would hold for the whole page
    text = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", text)  # of parts that nothing refers to; a page may have them once
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)  # in the page's own font
    text = re.sub(r"font-family: [^;\"]*;?", "", text)
    opening = f'<svg role="img" aria-label="{escape(title)}" viewBox='
    text = re.sub(r"<svg .*?viewBox=", lambda found: opening, text, count=1, flags=re.S)
    text = re.sub(r'("[\d. ]+") [^>]*?>', r"\1>", text, count=1, flags=re.S)
    for name, placeholder in zip(NAMED, vars(STYLE).values(), strict=True):
        text = text.replace(placeholder, f"var(--{name})")
    for number, placeholder in enumerate(COLOURS, 1):
        text = text.replace(placeholder, f"var(--line-{number})")
    return text.replace("xlink:href", "href")
