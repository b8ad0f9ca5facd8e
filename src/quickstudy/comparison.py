"""Learners side by side on the same episodes: who is better for certain, how soon, at what cost, and how robustly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import quickstudy
from quickstudy.contender import Asked, Entrant, Measured, enter, measure
from quickstudy.errors import UserError, unknown
from quickstudy.evaluation import Difference, Evaluation, differences
from quickstudy.learners.base import Learner
from quickstudy.runs import Run
from quickstudy.scoring import Episodes
from quickstudy.settings import checked
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import HIGHER, Split, TaskFamily, check_counts
from quickstudy.tasks.vision.shift import KINDS, Kind, Shift, Where

SHARED = ("tasks", "split", "way", "shot", "query", "episodes", "units", "seed", "metric", "manifest", "device")
"""What all evaluations of a comparison agree in."""

Progress = Callable[[str, str, int, int], None]
"""Called before each part of the work: whose it is, what it is, how many parts are done, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Learners from the best score to the worst."""

    rows: list[Measured]
    ranks: list[tuple[int, int]]
    """Of each row the best and the worst place that the paired intervals leave open; 1 is the first."""
    differences: list[Difference]
    """Of every pair by name, the better one first."""
    side_episodes: int
    """So many of the episodes, the first ones, were also met along curves, with shifts and with the clock."""
    shift_on: Where

    @property
    def first(self) -> Evaluation:
        """That of the best; the others are of the same episodes."""
        return self.rows[0].evaluation

    @property
    def higher_is_better(self) -> bool:
        return self.first.metric in HIGHER

    def to_json(self) -> dict[str, Any]:
        """One object, ready for ``json.dumps``."""
        shared = {name: getattr(self.first, name) for name in SHARED}
        asked = {"side_episodes": self.side_episodes, "shift_on": self.shift_on, "version": quickstudy.__version__}
        rows = [
            {"name": row.name, "rank": list(rank)} | row.evaluation.to_json() | plain(row)
            for row, rank in zip(self.rows, self.ranks, strict=True)
        ]
        for row in rows:
            del row["evaluation"]
        pairs = [plain(pair) | {"told_apart": told_apart(pair)} for pair in self.differences]
        return shared | asked | {"rows": rows, "differences": pairs}


def plain(value: Any) -> Any:
    """``value`` as JSON: dataclasses and named tuples become objects, numbers that JSON does not have null."""
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: None if isinstance(item, Evaluation) else plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def compare(
    contenders: Sequence[Run | Path | str | Learner],
    tasks: str | TaskFamily | None = None,
    *,
    split: Split = "test",
    way: int = 5,
    shot: int = 1,
    query: int = 15,
    episodes: int = 1000,
    seed: int = 0,
    side_episodes: int = 200,
    shifts: Sequence[str] | str | None = None,
    shift_on: Where = "query",
    shift_to: Sequence[str | TaskFamily] | str = (),
    device: str = "auto",
    progress: Progress | None = None,
) -> Comparison:
    """Judge several runs, or learners, on the same held-out tasks.

    Args:
        contenders: runs, the paths of their folders, or learners; one alone is judged on its own.
        tasks: a family or its name; by default that of the training, if it is the same for all.
        split, way, shot, query, episodes, seed: which episodes, see ``Episodes``.
        side_episodes: how many of them, the first ones, for each point of a curve, each shift, and the clock.
        shifts: kinds of change (``tasks/vision/shift.py``), in one string with commas between them; by default all
            that the inputs can have.
        shift_on: query or all: what is changed.
        shift_to: further families, in one string with commas between them: the same learners on their tasks, as many of
            ``side_episodes``, beside the changes of the inputs.
        device: auto, cpu, cuda or mps.
        progress: called before each part of the work.

    Raises UserError, before the first one is judged, for contenders that do not do these tasks, or were trained on
    them.
    """
    check_counts(**{"side-episodes": side_episodes})
    entrants = enter(contenders)
    family = load_tasks(common_tasks(entrants) if tasks is None else tasks)
    which = checked(Episodes(split=split, way=way, shot=shot, query=query, episodes=episodes, seed=seed))
    if family.spec.kind == "regression":
        which = replace(which, way=0)
    asked = Asked(
        family=family,
        which=which,
        side=replace(which, episodes=min(side_episodes, episodes)),
        shifts=shift_names(shifts, family),
        shift_on=shift_on,
        shift_to=shift_families(shift_to, family),
        device=device,
    )
    for entrant in entrants:
        entrant.check(asked)
    rows = list(_measure_all(entrants, asked, progress or (lambda name, what, done, total: None)))
    return ranked(rows, asked)


def _measure_all(entrants: Sequence[Entrant], asked: Asked, progress: Progress) -> list[Measured]:
    total = sum(entrant.parts(asked) for entrant in entrants)
    done = iter(range(total))
    return [
        measure(entrant, asked, lambda what, name=entrant.name: progress(name, what, next(done), total))  # type: ignore[misc]
        for entrant in entrants
    ]


def ranked(rows: Sequence[Measured], asked: Asked) -> Comparison:
    """``rows`` from the best to the worst, their paired differences, and the places that those leave open."""
    better = -1 if asked.family.spec.higher_is_better else 1
    rows = sorted(rows, key=lambda row: better * row.evaluation.mean)
    pairs = [
        Difference(first.name, second.name, pair.mean, pair.ci95)
        for (first, second), pair in zip(
            combinations(rows, 2), differences([row.evaluation for row in rows]), strict=True
        )
    ]
    return Comparison(
        rows=rows,
        ranks=places([row.name for row in rows], pairs),
        differences=pairs,
        side_episodes=asked.side.episodes,
        shift_on=asked.shift_on,
    )


def told_apart(difference: Difference) -> bool:
    """Whether the 95 % interval of a paired difference leaves out zero."""
    return abs(difference.mean) > difference.ci95


def places(names: Sequence[str], pairs: Sequence[Difference]) -> list[tuple[int, int]]:
    """The best and worst place of each of ``names``, where in ``pairs`` the better one is first.

    Nobody is certainly behind one from whom he cannot be told apart: the best place is one more than the number of
    those that are better for certain, the worst is the number of all but those that are worse for certain.
    """
    certain = [pair for pair in pairs if told_apart(pair)]
    return [
        (
            1 + sum(pair.second == name for pair in certain),
            len(names) - sum(pair.first == name for pair in certain),
        )
        for name in names
    ]


def common_tasks(entrants: Sequence[Entrant]) -> str:
    """The tasks that all were built for; UserError where there are several or none."""
    names = sorted({entrant.learner.spec.name for entrant in entrants})
    if not names:
        raise UserError("there is nothing to compare. Give at least one run, or a learner.")
    if len(names) > 1:
        raise UserError(f"these runs were trained on different tasks ({', '.join(names)}). Choose some with --tasks.")
    return names[0]


def shift_names(shifts: Sequence[str] | str | None, family: TaskFamily) -> list[Kind]:
    """The kinds of shift that are asked for; UserError for one that there is not, or not for such inputs."""
    if shifts is None:
        return [kind for kind in KINDS if kind == "noise" or len(family.spec.shape) == 3]
    names = [name.strip() for name in (shifts.split(",") if isinstance(shifts, str) else shifts)]
    for name in names:
        if name and name not in KINDS:
            raise unknown("kind of shift", name, KINDS)
    chosen = [kind for kind in KINDS if kind in names]
    for kind in chosen:
        Shift(family, kind=kind)
    return chosen


def shift_families(names: Sequence[str | TaskFamily] | str, family: TaskFamily) -> list[TaskFamily]:
    """The families that are asked for; UserError for one that is judged by another metric than ``family``."""
    found = [load_tasks(name) for name in (names.split(",") if isinstance(names, str) and names else names)]
    for one in found:
        if one.spec.metric != family.spec.metric:
            raise UserError(
                f"{one.spec.name} is judged by {one.spec.metric}, and {family.spec.name} by {family.spec.metric}: what "
                f"is left of a score cannot be said. Compare on {one.spec.name} with --tasks."
            )
    return found
