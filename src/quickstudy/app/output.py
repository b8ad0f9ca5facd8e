"""What verbs print: tables for people, JSON for programs, plain words for numbers."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

PERCENT = ("accuracy", "top10", "recall10", "coverage90")
"""Metrics that are shares."""
PROSE = 24
"""Longest cell of a column that is never wrapped."""


def print_json(value: Any) -> None:
    """One JSON value on stdout; numbers that JSON does not have become null."""
    print(json.dumps(finite(value), indent=1, allow_nan=False))


def finite(value: Any) -> Any:
    """``value`` with None for every number that is not finite."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """A table on stdout: drawn with rich on a terminal, aligned columns of plain text elsewhere."""
    if not sys.stdout.isatty():
        print("\n".join(([title] if title else []) + aligned(columns, rows)))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        prose = max((len(row[number]) for row in rows), default=0) > PROSE
        table.add_column(column, no_wrap=number > 0 and not prose, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with every column as wide as its longest cell."""
    table = [columns, *rows]
    widths = [max(len(row[at]) for row in table) for at in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def score(metric: str, mean: float | None, ci95: float | None) -> str:
    """A score with its interval: shares in percent; a dash where it is no number, as of a learner that failed."""
    if mean is None or not math.isfinite(mean):
        return "-"
    percent = metric in PERCENT
    scale, digits, unit = (100.0, 2, " %") if percent else (1.0, 3, "")
    margin = "" if ci95 is None or not math.isfinite(ci95) else f" ± {scale * ci95:.{digits}f}"
    return f"{round(scale * mean, digits) + 0.0:.{digits}f}{margin}{unit}"  # no minus before nothing


def count(number: int | None, one: str, many: str = "") -> str:
    """``1 step``, ``2 steps``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Seconds in words: ``42 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
