"""Rows as a picture: how many times longer, or more, each library needs than this one; matplotlib only when asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quickstudy import runs
from quickstudy.bench.libraries import LIBRARIES, LOOP, OURS
from quickstudy.bench.rows import Row

NAME = "speed.svg"
MARKS = dict(zip((LOOP, *LIBRARIES), "x^svD<P", strict=True))


def draw(rows: Sequence[Row], folder: Path) -> Path:
    """Write the picture of ``rows`` into ``folder``: its path."""
    from matplotlib.figure import Figure

    shown = [row for row in rows if row["measure"] != "share" and "way" in row["libraries"][OURS]]
    figure = Figure(figsize=(8, 1.6 + 0.45 * len(shown)), layout="constrained")
    panel = figure.subplots()
    for library in (LOOP, *LIBRARIES):
        _dots(panel, shown, library)
    panel.axvline(1, color="#2a5bd0", linewidth=2, label=f"{OURS}, on every line at 1")
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.set_yticks(range(len(shown)), [row["work"] for row in shown])
    panel.set_ylim(max(len(shown), 1) - 0.5, -0.5)
    panel.set_xlabel(f"times the time (memory-50: the memory) of {OURS}; to the left of 1 is better than it")
    panel.grid(axis="x", alpha=0.3)
    panel.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.suptitle(_where(rows), fontsize=9)
    path = folder / NAME
    runs.write_atomic(path, lambda temporary: figure.savefig(temporary, format="svg"))
    return path


def _dots(panel: Any, rows: Sequence[Row], library: str) -> None:
    at, line = [], []
    for number, row in enumerate(rows):
        found, measure = row["libraries"].get(library, {}), row["measure"]
        if measure in found:
            at.append(found[measure]["median"] / row["libraries"][OURS][measure]["median"])
            line.append(number)
    if at:
        panel.scatter(at, line, marker=MARKS[library], s=36, label="plain loop" if library == LOOP else library)


def _where(rows: Sequence[Row]) -> str:
    """The machines of the rows, in words."""
    machines = {
        f"{row['machine']['cpu']}, {row['machine']['threads']} threads, {row['machine']['device']}" for row in rows
    }
    return "; ".join(sorted(machines))
