"""``quickstudy list``: the registries, and the runs below ./runs."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import tyro

from quickstudy import learners, runs
from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.errors import UserError
from quickstudy.nets import BACKBONES
from quickstudy.settings import flag
from quickstudy.tasks import FAMILIES, WRAPPERS

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to list."""

    what: tyro.conf.Positional[Literal["learners", "tasks", "backbones", "runs"]]
    """learners, tasks, backbones or runs."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """A JSON array of objects."""


def main(args: list[str]) -> int:
    """Run the verb."""
    if not args:
        raise UserError("say what to list: quickstudy list learners, tasks, backbones or runs.")
    flags = parse(Flags, args, prog="quickstudy list", description="List learners, task families, backbones or runs.")
    rows = {"learners": all_learners, "tasks": all_tasks, "backbones": all_backbones, "runs": all_runs}[flags.what]()
    if flags.json:
        output.print_json(rows)
    elif rows:
        columns = [name for name in rows[0] if name != "error"]
        output.print_table(columns, [[cell(row[name]) for name in columns] for row in rows])
        for row in rows:
            if row.get("error"):
                print(f"\n{row['name']}: {row['error']}")
    else:
        print(f"no runs in {runs.RUNS.absolute()}. Make one: quickstudy train protonet --tasks glyphs")
    return 0


def cell(value: object) -> str:
    """A value as a table shows it."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


def all_learners() -> list[Row]:
    """Name, kinds of task and settings of each learner."""
    rows = []
    for name, (_, line) in learners.LEARNERS.items():
        made = learners.learner_class(name)
        settings = [flag(field.name) for field in fields(made.Config)]
        rows.append({"name": name, "about": line, "kinds": list(made.traits.kinds), "settings": settings})
    return rows


def all_tasks() -> list[Row]:
    """Name and options of each task family, and of what can be wrapped around one."""
    rows = [{"name": name, "about": line, "options": options(place)} for name, (place, line) in FAMILIES.items()]
    return rows + [
        {"name": f"FAMILY+{name}", "about": line, "options": options(place)} for name, (place, line) in WRAPPERS.items()
    ]


def options(place: str) -> list[str]:
    """``field=default`` of each option of a family."""
    module, _, attribute = place.partition(":")
    parameters = inspect.signature(getattr(import_module(module), attribute)).parameters.values()
    return [f"{one.name}={one.default}" for one in parameters if one.kind is one.KEYWORD_ONLY]


def all_backbones() -> list[Row]:
    """Name of each backbone."""
    return [{"name": name, "about": line} for name, (_, line) in BACKBONES.items()]


def all_runs() -> list[Row]:
    """Each run below ./runs; one that cannot be read is listed as damaged."""
    if not runs.RUNS.is_dir():
        return []
    return [describe(run) for path in sorted(runs.RUNS.iterdir()) if path.is_dir() for run in run_folders(path)]


def run_folders(path: Path) -> list[Path]:
    """A folder, or the runs in it where it is one of several runs, as the demo makes it."""
    inside = sorted(card.parent for card in path.glob("*/run.json"))
    return [path] if (path / runs.CARD).exists() or not inside else inside


def describe(path: Path) -> Row:
    """A run as a row."""
    row: Row = dict.fromkeys(("name", "learner", "tasks", "state", "step", "steps", "metric", "val", "error"))
    row |= {"name": path.relative_to(runs.RUNS).as_posix(), "state": "damaged"}
    try:
        run = runs.load(path)
        step, best = measured(path, f"val_{run.spec.metric}", run.spec.higher_is_better)
        finished = (path / runs.WEIGHTS).exists()
        row |= {"learner": run.learner_name, "tasks": run.spec.name, "steps": run.training.get("steps")}
        row |= {"metric": run.spec.metric, "step": step, "val": best, "state": "finished" if finished else "unfinished"}
    except UserError as error:
        row["error"] = str(error)
    return row


def measured(path: Path, name: str, higher: bool) -> tuple[int, float | None]:
    """The last logged step and the best value of the metric ``name``; UserError for a damaged file."""
    try:
        lines = [json.loads(line) for line in (path / runs.METRICS).read_text(encoding="utf-8").splitlines()]
        values = [line[name] for line in lines if name in line]
        best = (max if higher else min)(values) if values else None
        return (int(lines[-1]["step"]) if lines else 0), best
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path / runs.METRICS} is missing or damaged ({error!r}).") from error
