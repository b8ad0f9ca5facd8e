"""Scores of a learner on described episodes: adapt to each support, judge each query."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from quickstudy.devices import synchronise
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners.base import Adapted, Learner, Logits, Prediction
from quickstudy.tasks.base import SHARES, KnowsTheBest, Split, Task, TaskFamily, check_counts, check_room
from quickstudy.tasks.tabular.columns import Rows

EXAMPLES = 512
"""Examples that go through a net at once on a CPU: more no longer fit its caches."""


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """Which episodes: a pure description, so that two learners can be judged on the same ones."""

    split: Split = "test"
    """train, val or test."""
    way: int = 5
    """Classes in an episode; ignored in regression."""
    shot: int = 1
    """Support examples of each class, or of a task."""
    query: int = 15
    """Query examples of each class, or of a task."""
    episodes: int = 1000
    """How many episodes."""
    seed: int = 0
    """Seed of the episodes."""


class Scored(NamedTuple):
    """Scores of ``Episodes``, one by one: NaN for a task that has no such score, the worst there is, 0 of a share and
    infinity of an error, for one that was answered by what is no finite number."""

    values: Tensor
    """[episodes] the family's primary metric."""
    units: Tensor
    """[episodes] int64."""
    adapt_ms: float
    """Mean time of adaptation of a task in batches."""
    predict_ms: float
    manifest: str
    """Hash of which episodes these were."""
    oracle: Tensor | None = None
    """[episodes] the metric of the best possible answer, where the family knows it."""
    others: Mapping[str, Tensor] = MappingProxyType({})
    """[episodes] each of the family's further metrics."""
    failed: int = 0
    """Episodes that were answered by what is no finite number."""


def batches(family: TaskFamily, which: Episodes, size: int, first: int = 0) -> Iterator[Task]:
    """The episodes of ``which`` in order, from number ``first`` on, ``size`` at a time."""
    check_room(family.spec, size, way=which.way, shot=which.shot, query=which.query)
    for start in range(0, which.episodes, size):
        index = first + torch.arange(start, min(start + size, which.episodes))
        yield family.sample(which.split, index, way=which.way, shot=which.shot, query=which.query, seed=which.seed)


def tasks_at_once(learner: Learner, which: Episodes) -> int:
    """How many episodes to put through ``learner`` together."""
    ways = which.way if learner.spec.kind == "classification" else 1
    return max(1, min(EXAMPLES // max(ways * (which.shot + which.query), 1), which.episodes))


@torch.no_grad()
def score(
    learner: Learner,
    family: TaskFamily,
    which: Episodes,
    *,
    steps: int | None = None,
    how: batch.How | None = None,
    device: torch.device | str = "cpu",
    first: int = 0,
) -> Scored:
    """Adapt to every episode's support and judge the query; ``steps`` overrides the learner's inner steps.

    ``first`` is the number of the first episode, for a part of a longer row.
    """
    check_counts(episodes=which.episodes)
    check_fits(learner, family)
    how = how or batch.usual(learner)
    values: dict[str, list[Tensor]] = {}
    units, draws, best, clock, failed = [], [], [], {"adapt": 0.0, "predict": 0.0}, 0
    was_training = learner.training
    learner.eval()
    for drawn in batches(family, which, tasks_at_once(learner, which), first):
        draws.append(torch.cat([drawn.classes, drawn.unit.unsqueeze(-1), drawn.key.unsqueeze(-1)], -1))
        task = drawn.to(device)
        synchronise(task.key.device)
        start = time.perf_counter()
        adapted = batch.map_tasks(lambda own, support: own.adapt(support, steps), learner, (task.support,), how)
        synchronise(task.key.device)
        clock["adapt"] += time.perf_counter() - start

        lost = torch.zeros(len(task.key), dtype=torch.bool, device=task.key.device)

        def predict(x: Tensor, mask: Tensor, adapted: Any = adapted, lost: Tensor = lost) -> Any:
            start = time.perf_counter()
            answer = batch.map_tasks(_predict, learner, (adapted, x, mask), how)
            synchronise(x.device)
            clock["predict"] += time.perf_counter() - start
            lost |= _lost(answer, mask)
            return answer

        for name, found in family.score(predict, task).items():
            worst = 0.0 if name in SHARES else math.inf
            values.setdefault(name, []).append(torch.where(lost.cpu(), worst, found.cpu()))
        failed += int(lost.sum())
        units.append(drawn.unit)
        if isinstance(family, KnowsTheBest):
            best.append(family.oracle(drawn).cpu())
    learner.train(was_training)
    each = 1000 / which.episodes
    manifest = manifest_hash(family, which, torch.cat(draws))
    oracle = torch.cat(best) if best else None
    primary, *others = ((name, torch.cat(found)) for name, found in values.items())
    spent = clock["adapt"] * each, clock["predict"] * each
    return Scored(primary[1], torch.cat(units), *spent, manifest, oracle, dict(others), failed)


def _lost(answer: Prediction, mask: Tensor) -> Tensor:
    """[T] bool: whether what ``mask`` [T, n] asks for is no number; of numbers, unlike logits, also an infinite one."""
    odd = [leaf.isnan() if isinstance(answer, Logits) else ~leaf.isfinite() for leaf in answer]
    return (torch.stack([leaf.flatten(2).any(-1) for leaf in odd]).any(0) & mask).any(-1)


def _predict(learner: Learner, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
    return learner.predict(adapted, x, mask)


def manifest_hash(family: TaskFamily, which: Episodes, draws: Tensor) -> str:
    """Hash of the description of the episodes and of their integers [episodes, ...]: never of floats."""
    digest = hashlib.sha256(json.dumps(description(family, which), sort_keys=True).encode())
    digest.update(draws.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def description(family: TaskFamily, which: Episodes) -> dict[str, Any]:
    """What decides the episodes, as JSON."""
    return {"tasks": family.spec.name, "fingerprint": family.spec.fingerprint} | asdict(which)


def check_fits(learner: Learner, family: TaskFamily) -> None:
    """UserError unless ``learner`` takes the inputs of ``family``."""
    mine, theirs = learner.spec, family.spec
    if mine.kind != theirs.kind or mine.outputs != theirs.outputs:
        raise UserError(f"the learner was trained for {mine.kind} ({mine.name}), and {theirs.name} is {theirs.kind}.")
    if mine.shape != theirs.shape:
        advice = f"Use tasks like those of {mine.name.partition(':')[0]}."
        if len(mine.shape) == len(theirs.shape) == 3:
            family_name = theirs.name.partition(":")[0]
            advice = f"Images can be had in another size, for example {family_name}:size={mine.shape[-1]}."
        elif isinstance(family, Rows) and len(mine.shape) == 1:
            advice = f"Rows can have other room, here columns={mine.shape[0] // 2}."
        raise UserError(
            f"the learner takes inputs of shape {mine.shape} ({mine.name}), and those of {theirs.name} have shape "
            f"{theirs.shape}. {advice}"
        )
