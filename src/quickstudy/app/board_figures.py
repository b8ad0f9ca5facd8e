"""What is drawn below a table of a leaderboard: score against costs, and curves by shots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from quickstudy.app import board_families, board_plots
from quickstudy.app.board_plots import Curve, Dot
from quickstudy.app.board_tables import Table
from quickstudy.app.markup import figure, gallery

BEST = 5
"""Entries whose curves are drawn."""


def plots(one: Table, slugs: Mapping[str, str]) -> str:
    """Score against costs, and curves by shots."""
    dots = {
        "milliseconds to adapt and answer": [(row, row.adapt_ms) for row in one.rows],
        "seconds of training": [(row, row.training_s) for row in one.rows],
    }
    drawn = []
    for axis, costs in dots.items():
        known = [
            Dot(row.name, slugs[row.name], cost, row.score.mean, not board_families.partly(row))
            for row, cost in costs
            if cost and row.score.mean is not None and row.inductive
        ]
        if len(known) > 1:
            drawn.append(figure(f"{words(one)} against {axis}", board_plots.front(known, axis, one.metric, one.higher)))
    return gallery([*drawn, *shots(one)])


def words(one: Table) -> str:
    """The metric, as a heading begins."""
    return escape(one.metric.capitalize())


def shots(one: Table) -> list[str]:
    """Curves of the best, a plot for each family."""
    families = dict.fromkeys(name for row in one.rows for name in row.curves)
    drawn = []
    colours: dict[str, int] = {}
    for family in families:
        known = [(row.name, points(row.curves[family])) for row in one.rows if row.curves.get(family) and row.inductive]
        chosen = sorted(
            ((name, some) for name, some in known if some), key=lambda each: each[1][-1][1] * (-1 if one.higher else 1)
        )[:BEST]
        lines = [Curve(name, colour(colours, name, [one for one, _ in chosen]), some) for name, some in chosen]
        title = f"{words(one)} by examples, {escape(family)}"
        title += f": the best {len(lines)}" if len(lines) > 1 else ""
        drawn.append(figure(title, board_plots.curves(lines, "examples", one.metric)))
    return drawn


def colour(colours: dict[str, int], name: str, beside: Sequence[str]) -> int:
    """An entry's, the same in all plots of a table as far as there are colours, and no other's in one plot."""
    if name not in colours:
        taken = {colours[one] for one in beside if one in colours}
        least = len(colours) % board_plots.COLOURS
        free = [(least + more) % board_plots.COLOURS for more in range(board_plots.COLOURS)]
        colours[name] = next((number for number in free if number not in taken), least)
    return colours[name]


def points(curve: Sequence[Mapping[str, Any]]) -> list[tuple[float, float, float]]:
    """Where, score and interval of those points that have a score."""
    return [(one["at"], one["mean"], one["ci95"] or 0.0) for one in curve if one["mean"] is not None]
