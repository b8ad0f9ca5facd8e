"""The row of a work: what its JSON file holds."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import quickstudy
from quickstudy import runs
from quickstudy.bench import libraries
from quickstudy.bench.contest import Comparison, Standing
from quickstudy.bench.libraries import OURS
from quickstudy.bench.works import WORKS
from quickstudy.devices import processor
from quickstudy.errors import UserError

Row = dict[str, Any]


def row(done: Comparison) -> Row:
    """Everything about a comparison that is kept.

    ``ratio`` says how many times better this library is than the best of the others, with the smallest and the largest
    of the rounds; ``ratio_to_loop`` than the plain loop, which is no library. Both are None where there is nothing to
    compare with.
    """
    work = WORKS[done.work]
    loop, ours, *rivals = done.standings
    best = min((one for one in rivals if one.values), key=lambda one: statistics.median(one.values), default=None)
    return {
        "work": done.work,
        "says": work.says,
        "tasks": done.source,
        "measure": work.measure,
        "goal": work.goal,
        "ratio": ratio(ours, best, work.measure == "share"),
        "best": best and best.library,
        "ratio_to_loop": ratio(ours, loop, work.measure == "share"),
        "libraries": {one.library: standing(one, work.measure) for one in (ours, loop, *rivals)},
        **done.facts,
        "rounds": max(len(one.values) for one in done.standings),
        "seed": done.settings.seed,
        "machine": machine(done.settings.threads, done.settings.device),
        "versions": versions([one.library for one in rivals]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def standing(one: Standing, measure: str) -> dict[str, Any]:
    """A library's values, or why it has none."""
    rejected = {"rejected": one.rejected} if one.rejected else {}
    if not one.values:
        return {"refused": one.refused, **rejected}
    return {"way": one.way, measure: spread(one.values), **one.errors[one.way], "repeats": one.repeats, **rejected}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(ours: Standing, other: Standing | None, more_is_better: bool) -> dict[str, float] | None:
    """How many times better ours is, round by round; None where one of both has no values."""
    if other is None or not ours.values or not other.values:
        return None
    pairs = list(zip(ours.values, other.values, strict=True))
    return spread([a / b for a, b in pairs] if more_is_better else [b / a for a, b in pairs])


def machine(threads: int, device: str) -> dict[str, Any]:
    """What it was measured on."""
    found = {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.system(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "device": device,
    }
    return found | ({"gpu": torch.cuda.get_device_name(device)} if device.startswith("cuda") else {})


def versions(names: Sequence[str]) -> dict[str, str | None]:
    """Of Python, torch, this library and ``names``; None for what is not installed."""
    own = {"python": platform.python_version(), "torch": torch.__version__, OURS: quickstudy.__version__}
    return own | {name: libraries.version(name) for name in names}


def write(found: Row, folder: Path) -> Path:
    """Into its file in ``folder``."""
    path = folder / f"{found['work']}.json"
    runs.write_json(path, found)
    return path


def read(folder: Path) -> list[Row]:
    """All rows in ``folder``, in the order of the table of works; files that are no rows are passed over."""
    found = []
    for name in WORKS:
        path = folder / f"{name}.json"
        if path.is_file():
            try:
                found.append(json.loads(path.read_text(encoding="utf-8")))
            except ValueError as error:
                raise UserError(f"{path} is no row of this command ({error}). Delete it, or measure again.") from error
    return found
