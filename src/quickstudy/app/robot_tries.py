"""What every robot shows of its tries: a folder for them, a table that grows, and a plot of the error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from quickstudy import runs
from quickstudy.errors import UserError


def make_folder(robot: str, wanted: Path | None) -> Path:
    """A folder for film and plot, by default runs/ROBOT-1 or the next; UserError where something is in it."""
    number = 1
    while wanted is None and (runs.RUNS / f"{robot}-{number}").exists():
        number += 1
    path = wanted or runs.RUNS / f"{robot}-{number}"
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} is there already. Choose another --out, or leave it out.")
    runs.check_writable(path / "tries.json")
    return path


def write_error_plot(path: Path, lines: Mapping[str, Sequence[float]], tries: str, error: str) -> None:
    """Named ``lines`` by the number of ``tries``, as a PNG; one alone needs no name."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 3), layout="constrained")
    panel = figure.subplots()
    several = len(lines) > 1
    for (name, values), colour in zip(lines.items(), ("#3373b3", "#b85c10"), strict=False):
        panel.plot(range(len(values)), values, marker="o", markersize=4 if several else 6, color=colour, label=name)
    panel.set(xlabel=tries, ylabel=error, xticks=range(max(map(len, lines.values()))))
    panel.set_ylim(bottom=0)
    panel.spines[["top", "right"]].set_visible(False)
    if several:
        panel.legend(frameon=False, fontsize=9)
    runs.write_atomic(path, lambda temporary: figure.savefig(temporary, format="png", dpi=150))


def line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One of a table that is shown while it grows."""
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
