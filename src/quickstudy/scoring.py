"""Scores of a learner on described episodes: adapt to each support, judge each query."""

from __future__ import annotations

import hashlib
import json
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
from quickstudy.learners.base import Adapted, Learner, Prediction
from quickstudy.tasks.base import KnowsTheBest, Split, Task, TaskFamily, check_counts, check_room
from quickstudy.tasks.columns import Rows

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
    """Scores of ``Episodes``, one by one."""

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
    """[episodes] each of the family's further metrics; NaN for a task that does not have it."""


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
    units, draws, best, clock = [], [], [], {"adapt": 0.0, "predict": 0.0}
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

        def predict(x: Tensor, mask: Tensor, adapted: Any = adapted) -> Any:
            start = time.perf_counter()
            answer = batch.map_tasks(_predict, learner, (adapted, x, mask), how)
            synchronise(x.device)
            clock["predict"] += time.perf_counter() - start
            return answer

        for name, found in family.score(predict, task).items():
            values.setdefault(name, []).append(found.cpu())
        units.append(drawn.unit)
        if isinstance(family, KnowsTheBest):
            best.append(family.oracle(drawn).cpu())
    learner.train(was_training)
    each = 1000 / which.episodes
    manifest = manifest_hash(family, which, torch.cat(draws))
    oracle = torch.cat(best) if best else None
    primary, *others = ((name, torch.cat(found)) for name, found in values.items())
    spent = clock["adapt"] * each, clock["predict"] * each
    return Scored(primary[1], torch.cat(units), *spent, manifest, oracle, dict(others))


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
