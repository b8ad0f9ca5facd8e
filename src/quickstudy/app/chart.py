"""Evaluations as a picture: scores with their intervals, and each curve with its band; matplotlib only when asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quickstudy import runs
from quickstudy.errors import UserError
from quickstudy.evaluation import Evaluation

KINDS = ("png", "svg", "pdf")


def check_name(path: Path) -> None:
    """UserError unless ``path`` names a kind of picture that can be written."""
    if kind_of(path) not in KINDS:
        raise UserError(f"--plot is {path}; its name must end in .png, .svg or .pdf.")


def kind_of(path: Path) -> str:
    """png for curves.PNG."""
    return path.suffix.removeprefix(".").lower()


def draw(rows: Sequence[Evaluation], path: Path) -> None:
    """Write a picture of ``rows`` to ``path``."""
    from matplotlib.figure import Figure

    curves = [name for name in rows[0].curves if any(row.curves[name] for row in rows)]
    figure = Figure(figsize=(4.5 * (1 + len(curves)), 3.6), layout="constrained")
    panels = figure.subplots(1, 1 + len(curves), squeeze=False)[0]
    draw_scores(panels[0], rows)
    for panel, curve in zip(panels[1:], curves, strict=True):
        draw_curve(panel, rows, curve)
    first = rows[0]
    way = f"{first.way}-way " if first.way else ""
    figure.suptitle(f"{first.tasks}, {first.split}: {way}{first.shot}-shot, {first.episodes} episodes", fontsize=10)
    runs.write_atomic(path, lambda temporary: figure.savefig(temporary, format=kind_of(path), dpi=150))


def draw_scores(panel: Any, rows: Sequence[Evaluation]) -> None:
    """One bar a run."""
    names = [Path(row.run).name or row.learner for row in rows]
    panel.barh(range(len(rows)), [row.mean for row in rows], xerr=[known(row.ci95) for row in rows], height=0.6)
    panel.set_yticks(range(len(rows)), names)
    panel.invert_yaxis()
    panel.set_xlabel(f"{rows[0].metric}, mean ± 95 % interval")


def draw_curve(panel: Any, rows: Sequence[Evaluation], curve: str) -> None:
    """One line a run, with its band."""
    for row in rows:
        points = row.curves[curve]
        at = [point.at for point in points]
        mean = [point.mean for point in points]
        panel.plot(at, mean, marker="o", markersize=3, label=Path(row.run).name or row.learner)
        low = [point.mean - known(point.ci95) for point in points]
        high = [point.mean + known(point.ci95) for point in points]
        panel.fill_between(at, low, high, alpha=0.2)
    panel.set_xlabel({"shots": "shots", "steps": "gradient steps", "ways": "ways"}[curve])
    panel.set_ylabel(rows[0].metric)
    panel.grid(alpha=0.3)
    if len(rows) > 1:
        panel.legend(fontsize=8)


def known(ci95: float) -> float:
    """0 where one unit gives no interval."""
    return ci95 if math.isfinite(ci95) else 0.0
