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
from typing import Any, NamedTuple

import torch
from torch import Tensor

import quickstudy
from quickstudy import runs
from quickstudy.bench.ladder import Column, Ladder, Refused, judged, trained
from quickstudy.errors import UserError
from quickstudy.evaluation import Evaluation
from quickstudy.intervals import cell, finite
from quickstudy.tasks import load as load_tasks

Say = Callable[[str], None]
Cell = dict[str, Any]
KEPT = ("way", "shot", "query", "episodes", "seed", "metric", "adapt_ms", "predict_ms", "parameters", "device")
"""Of the first partition's evaluation, for the row."""
ORACLE = "oracle"


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

    def runs(self, partition: int) -> Path:
        """Where the runs of one partition are."""
        return self.ladder.runs / f"partition-{partition}"

    def missing(self, partition: int, name: str) -> list[Column]:
        """Columns of which the scores of learner ``name``, on the episodes that are asked for, are not there."""
        paths = {column: scores_file(self.runs(partition), name, column) for column in self.ladder.columns}
        return [
            column
            for column, path in paths.items()
            if not path.is_file() or runs.read_note(path).get("asked") != asked(self.ladder)
        ]

    def of(self, partition: int) -> Ladder:
        """The ladder of one partition."""
        family = load_tasks(f"{self.tasks}:partition={partition}")
        return replace(self.ladder, family=family, runs=self.runs(partition))


class Scores(NamedTuple):
    """Of one learner on the episodes of all partitions, in order."""

    by_metric: dict[str, Tensor]
    """[episodes] each; NaN for a task that does not have it."""
    units: Tensor
    sizes: list[int]
    """Episodes of each partition."""
    oracle: Tensor | None
    """[episodes] the metric of the best possible answer, where the family knows it and all scores have it."""


def measure(folds: Folds, say: Say) -> tuple[list[Path], list[Refused]]:
    """Train and judge what is missing, then write the rows: their files, and the learners that have none."""
    refused: dict[str, Refused] = {}
    for partition in folds.partitions:
        missing = {name: folds.missing(partition, name) for name in folds.ladder.learners if name not in refused}
        if not any(missing.values()):
            continue
        ladder = folds.of(partition)
        for name in filter(missing.get, missing):
            try:
                judge(ladder, name, missing[name], say)
            except UserError as error:
                refused[name] = Refused(name, str(error))
                say(f"{name}: {error}")
    kept = [name for name in folds.ladder.learners if name not in refused]
    against = [name for name in folds.against if name not in refused]
    rows = write_rows(replace(folds, against=against, ladder=replace(folds.ladder, learners=kept)))
    return list(rows), list(refused.values())


def asked(ladder: Ladder) -> dict[str, int]:
    """What decides the episodes beside family and column."""
    return {"episodes": ladder.episodes, "query": ladder.query, "seed": ladder.seed}


def judge(ladder: Ladder, name: str, missing: Sequence[Column], say: Say) -> None:
    """Train ``name`` unless that is done, and keep its score on every episode of the ``missing`` columns."""
    run = trained(ladder, name, say)
    for column in missing:
        found = judged(ladder, run, column)
        scores = {found.metric: found.scores, **found.other_scores}
        tensors = {f"score/{metric}": value for metric, value in scores.items()}
        tensors |= {} if found.oracle_scores is None else {ORACLE: found.oracle_scores}
        told = note(found) | {"asked": asked(ladder)}
        runs.write_tensors(scores_file(ladder.runs, name, column), tensors | {"units": found.unit_ids}, told)
        ci95 = finite(found.ci95)
        say(f"{ladder.family.spec.name}: {name} {column}: {found.metric} {found.mean:.4f} +- {ci95 or math.nan:.4f}")


def note(found: Evaluation) -> Cell:
    """What a row says beside its scores."""
    value = found.to_json()
    return {key: value[key] for key in (*KEPT, "tasks", "manifest", "training")}


def scores_file(place: Path, name: str, column: Column) -> Path:
    """Where, below a partition's runs, the scores of a learner on its episodes are kept."""
    return place / "scores" / f"{name}-{column}.safetensors"


def write_rows(folds: Folds) -> Iterator[Path]:
    """A row for each learner and column, over all partitions."""
    places = [folds.runs(partition) for partition in folds.partitions]
    for column in folds.ladder.columns:
        read = {
            name: [runs.read_tensors(scores_file(place, name, column)) for place in places]
            for name in folds.ladder.learners
        }
        scores = {name: joined(found, folds) for name, found in read.items()}
        for name, found in read.items():
            path = folds.ladder.out / f"{name}-{column}.json"
            runs.write_json(path, row(folds, name, [told for _, told in found], scores))
            yield path


def row(folds: Folds, name: str, notes: Sequence[Cell], scores: Mapping[str, Scores]) -> Cell:
    """What the ``scores`` of learner ``name`` on all partitions say together, and beside those of the others."""
    mine, first = scores[name], notes[0]
    return {
        "learner": name,
        "tasks": folds.tasks,
        "partitions": list(folds.partitions),
        **{key: first[key] for key in KEPT},
        "units": len(mine.units.unique()),
        "scores": {metric: cell(values, mine.units) for metric, values in mine.by_metric.items()},
        ORACLE: None if mine.oracle is None else cell(mine.oracle, mine.units),
        "by_partition": {
            metric: [finite(float(part.double().nanmean())) for part in values.split(mine.sizes)]
            for metric, values in mine.by_metric.items()
        },
        "minus": {other: dict(differences(mine, scores[other])) for other in folds.against if other != name},
        "manifests": [one["manifest"] for one in notes],
        "training": first["training"],
        "cpu_s": [one["training"].get("cpu_s") for one in notes],
        "version": quickstudy.__version__,
    }


def joined(found: Sequence[tuple[dict[str, Tensor], Cell]], folds: Folds) -> Scores:
    """Scores and units of all partitions, one after the other."""
    parts = [part for part, _ in found]
    names = [name for name in parts[0] if name.startswith("score/")]
    drawn = found[0][1]["way"] > 0  # units are numbers of episodes, which begin anew in each partition
    units = [part["units"] + (number * folds.ladder.episodes if drawn else 0) for number, part in enumerate(parts)]
    by_metric = {name.removeprefix("score/"): torch.cat([part[name] for part in parts]) for name in names}
    oracle = torch.cat([part[ORACLE] for part in parts]) if all(ORACLE in part for part in parts) else None
    return Scores(by_metric, torch.cat(units), [len(part["units"]) for part in parts], oracle)


def differences(mine: Scores, theirs: Scores) -> Iterator[tuple[str, Cell]]:
    """Of each metric that both have, on the same episodes."""
    for metric, values in mine.by_metric.items():
        other = theirs.by_metric.get(metric)
        if other is not None and len(values) != len(other):
            raise UserError("these learners were judged on different episodes. Delete the scores of one, and repeat.")
        if other is not None:
            yield metric, cell(values - other, theirs.units)
