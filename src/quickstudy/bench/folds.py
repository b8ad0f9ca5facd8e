"""Learners over several partitions of the same people: each is trained anew on every partition, and judged on those it
has not met.

Learners of a partition meet the same tasks, so their differences are paired. In regression a task's unit is a person,
who counts once however many partitions test him; where classes are drawn, every episode of every partition counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import quickstudy
from quickstudy import runs
from quickstudy.bench.ladder import Column, Ladder, Refused, trained
from quickstudy.errors import UserError
from quickstudy.evaluation import Evaluation, evaluate
from quickstudy.intervals import finite, interval
from quickstudy.tasks import load as load_tasks

Say = Callable[[str], None]
Cell = dict[str, Any]
KEPT = ("way", "shot", "query", "episodes", "seed", "metric", "adapt_ms", "predict_ms", "parameters", "device")
"""Of the first partition's evaluation, for the row."""


@dataclass(frozen=True, kw_only=True)
class Folds:
    """What is compared, and where it goes."""

    tasks: str
    """Family with its options, without the partition."""
    partitions: Sequence[int]
    against: Sequence[str]
    """Learners, of those that are compared, from whom differences are taken."""
    ladder: Ladder
    """How each partition is trained and judged; its folder of runs has one below it for each partition."""

    def of(self, partition: int) -> Ladder:
        """The ladder of one partition."""
        family = load_tasks(f"{self.tasks}:partition={partition}")
        return replace(self.ladder, family=family, runs=self.ladder.runs / f"partition-{partition}")


def measure(folds: Folds, say: Say) -> tuple[list[Path], list[Refused]]:
    """Train and judge what is missing, then write the rows: their files, and the learners that have none."""
    refused: dict[str, Refused] = {}
    for partition in folds.partitions:
        ladder = folds.of(partition)
        for name in [name for name in ladder.learners if name not in refused]:
            missing = [column for column in ladder.columns if not is_judged(ladder, name, column)]
            try:
                if missing:
                    judge(ladder, name, missing, say)
            except UserError as error:
                refused[name] = Refused(name, str(error))
                say(f"{name}: {error}")
    kept = [name for name in folds.ladder.learners if name not in refused]
    against = [name for name in folds.against if name not in refused]
    return list(write_rows(replace(folds, against=against, ladder=replace(folds.ladder, learners=kept)))), [
        *refused.values()
    ]


def is_judged(ladder: Ladder, name: str, column: Column) -> bool:
    """Whether its scores on the episodes that are asked for are there."""
    path = scores_file(ladder, name, column)
    return path.is_file() and runs.read_tensors(path)[1]["asked"] == asked(ladder)


def asked(ladder: Ladder) -> dict[str, int]:
    """What decides the episodes beside family and column."""
    return {"episodes": ladder.episodes, "query": ladder.query, "seed": ladder.seed}


def judge(ladder: Ladder, name: str, missing: Sequence[Column], say: Say) -> None:
    """Train ``name`` unless that is done, and keep its score on every episode of the ``missing`` columns."""
    run = trained(ladder, name, say)
    for column in missing:
        found = evaluate(
            run,
            ladder.family,
            way=column.way or 5,
            shot=column.shot,
            query=ladder.query,
            episodes=ladder.episodes,
            seed=ladder.seed,
            device=ladder.config.device,
        )
        scores = {found.metric: found.scores, **found.other_scores}
        tensors = {f"score/{metric}": value for metric, value in scores.items()}
        told = note(found) | {"asked": asked(ladder)}
        runs.write_tensors(scores_file(ladder, name, column), tensors | {"units": found.unit_ids}, told)
        ci95 = finite(found.ci95)
        say(f"{ladder.family.spec.name}: {name} {column}: {found.metric} {found.mean:.4f} +- {ci95 or math.nan:.4f}")


def note(found: Evaluation) -> Cell:
    """What a row says beside its scores."""
    value = found.to_json()
    return {key: value[key] for key in (*KEPT, "tasks", "manifest", "training")}


def scores_file(ladder: Ladder, name: str, column: Column) -> Path:
    """Where the scores of a learner on one partition's episodes are kept."""
    return ladder.runs / "scores" / f"{name}-{column}.safetensors"


def write_rows(folds: Folds) -> Iterator[Path]:
    """A row for each learner and column, over all partitions."""
    ladders = {partition: folds.of(partition) for partition in folds.partitions}
    for column in folds.ladder.columns:
        every = {
            name: [runs.read_tensors(scores_file(ladder, name, column)) for ladder in ladders.values()]
            for name in folds.ladder.learners
        }
        for name, found in every.items():
            others = {other: every[other] for other in folds.against if other != name}
            path = folds.ladder.out / f"{name}-{column}.json"
            runs.write_json(path, row(folds, name, found, others))
            yield path


def row(folds: Folds, name: str, found: list[Any], others: Mapping[str, list[Any]]) -> Cell:
    """What the scores of all partitions say together."""
    notes = [told for _, told in found]
    scores = joined(found, folds)
    units = scores.pop("units")
    told: Cell = {key: notes[0][key] for key in KEPT}
    return {
        "learner": name,
        "tasks": folds.tasks,
        "partitions": list(folds.partitions),
        **told,
        "units": len(units.unique()),
        "scores": {metric: cell(values, units) for metric, values in scores.items()},
        "by_partition": {
            metric: [float(part[f"score/{metric}"].double().nanmean()) for part, _ in found] for metric in scores
        },
        "minus": {other: dict(differences(scores, joined(theirs, folds))) for other, theirs in others.items()},
        "manifests": [one["manifest"] for one in notes],
        "training": notes[0]["training"],
        "cpu_s": [one["training"].get("cpu_s") for one in notes],
        "version": quickstudy.__version__,
    }


def joined(found: list[Any], folds: Folds) -> dict[str, Tensor]:
    """Scores and units of all partitions in one row of episodes."""
    names = [name for name in found[0][0] if name != "units"]
    drawn = found[0][1]["way"] > 0  # units are numbers of episodes, which begin anew in each partition
    units = [part["units"] + (number * folds.ladder.episodes if drawn else 0) for number, (part, _) in enumerate(found)]
    return {name.removeprefix("score/"): torch.cat([part[name] for part, _ in found]) for name in names} | {
        "units": torch.cat(units)
    }


def differences(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Iterator[tuple[str, Cell]]:
    """Of each metric that both have, on the same episodes."""
    for metric, values in mine.items():
        if metric in theirs and len(values) != len(theirs[metric]):
            raise UserError("these learners were judged on different episodes. Delete the scores of one, and repeat.")
        if metric in theirs:
            yield metric, cell(values - theirs[metric], theirs["units"])


def cell(values: Tensor, units: Tensor) -> Cell:
    """Mean and interval over the units that have such a score."""
    there = values.isfinite()
    if not bool(there.any()):
        return {"mean": None, "ci95": None}
    mean, ci95 = interval(values[there], units[there])
    return {"mean": mean, "ci95": finite(ci95)}
