"""A submission for sealed tasks, judged by the same ``metric`` that is handed to hosts."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import torch

import quickstudy
from quickstudy import runs
from quickstudy.challenge import measure, metric, run, seal
from quickstudy.challenge.rank import SEALED
from quickstudy.errors import UserError, reason
from quickstudy.intervals import cell

ID = "id"
NONE = {"mean": None, "ci95": None}
"""What a table of answers says nothing of."""


def table(path: Path) -> dict[str, list[str]]:
    """Columns of a CSV file; UserError, with the line, for one that has not as many cells as columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table ({reason(error)}). Expected CSV in UTF-8.") from error
    if not rows:
        raise UserError(f"{path} is empty. Expected a header, {ID},answer, and a row for each id.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise UserError(
                f"{path}, line {number} has {len(row)} cells and the header {len(rows[0])}. Mend that line."
            )
    return {name: [row[at] for row in rows[1:]] for at, name in enumerate(rows[0])}


def judge(submission: Path, solution: Path, name: str = "") -> dict[str, Any]:
    """The row of a submission. UserError for one that is not right, or a solution that is none."""
    true = table(solution)
    if missing := [column for column in seal.SOLUTION if column not in true]:
        raise UserError(
            f"{solution} has no column {', '.join(missing)}; it is no solution that `challenge seal` wrote."
        )
    manifest = read_manifest(solution.parent / "manifest.json")
    try:
        found = metric.judged(true, table(submission), ID)
    except metric.ParticipantVisibleError as error:
        raise UserError(f"{submission}: {error}") from error
    blocks = [block_row(known, found[known["name"]]) for known in manifest["blocks"]]
    return {
        "format": run.FORMAT,
        "challenge": manifest["challenge"],
        "suite": manifest["suite"],
        "entry": name or submission.stem,
        "form": SEALED,
        "command": "",
        "seed": manifest["seed"],
        "version": quickstudy.__version__,
        "created": runs.now(),
        "tasks": sum(len(block["scores"]) for block in blocks),
        "score": run.together([block["score"] for block in blocks]),
        "area_by_examples": NONE,
        "area_by_time": NONE,
        "memory_mb": None,
        "training_s": None,
        "breaks_the_rules": False,
        "budget": {},
        "blocks": blocks,
    }


def block_row(known: dict[str, Any], tasks: list[tuple[str, str, float, float]]) -> dict[str, Any]:
    """One block of the row, its tasks in the order of the plan: that of the solution is by id."""
    scaled = torch.tensor([value for _, _, value, _ in tasks], dtype=torch.float64)
    raw = torch.tensor([value for _, _, _, value in tasks], dtype=torch.float64)
    units = torch.tensor([int(unit) for _, unit, _, _ in tasks])
    return {
        "tasks": known["tasks"],
        "metric": known["metric"],
        "manifest": known["manifest"],
        "episodes": len(tasks),
        "answered": len(tasks),
        "ended": None,
        "about": {},
        "units": len(units.unique()),
        "raw": cell(raw, units),
        "score": cell(scaled, units),
        "scores": measure.listed(scaled),
        "unit_ids": units.tolist(),
        "curve": {"points": [], "area": NONE, "areas": None},
        "time": {"area": NONE, "areas": None, "holds": False},
    }


def read_manifest(path: Path) -> dict[str, Any]:
    """What was sealed; UserError where it is not beside the solution, or of a newer version."""
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if found["format"] > seal.FORMAT:
            raise UserError(f"{path} was sealed by quickstudy {found['version']}. Upgrade this one.")
        if not all({"name", "tasks", "metric", "manifest"} <= {*block} for block in found["blocks"]):
            raise KeyError("blocks")
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is missing or damaged ({reason(error)}). Keep it beside the solution.") from error
    return found
