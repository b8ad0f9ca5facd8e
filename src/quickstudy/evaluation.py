"""Adaptability on held-out tasks: the score with its interval, and what it costs to get it.

A task is the unit of chance: the 95 % interval is Student's over units (episodes where classes are drawn, otherwise
patients, users or places, whose repeats are averaged first).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners.base import Learner
from quickstudy.tasks.base import Split, Task, TaskFamily, check_counts

EXAMPLES = 512
"""Examples that go through a net at once on a CPU: more no longer fit its caches."""


class Interval(NamedTuple):
    """A mean and the half-width of its 95 % confidence interval."""

    mean: float
    ci95: float


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


def batches(family: TaskFamily, which: Episodes, size: int) -> Iterator[Task]:
    """The episodes of ``which`` in order, ``size`` at a time."""
    for first in range(0, which.episodes, size):
        index = torch.arange(first, min(first + size, which.episodes))
        yield family.sample(
            which.split, index, way=which.way, shot=which.shot, query=which.query, seed=which.seed
        )


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
) -> Scored:
    """Adapt to every episode's support and judge the query; ``steps`` overrides the learner's inner steps."""
    check_counts(episodes=which.episodes)
    check_fits(learner, family)
    how = how or default_how(learner)
    values, units, clock = [], [], {"adapt": 0.0, "predict": 0.0}
    digest = hashlib.sha256(json.dumps(description(family, which), sort_keys=True).encode())
    was_training = learner.training
    learner.eval()
    for drawn in batches(family, which, tasks_at_once(learner, which)):
        for integers in (drawn.classes, drawn.unit, drawn.key):
            digest.update(integers.contiguous().numpy().tobytes())
        task = drawn.to(device)
        start = time.perf_counter()
        adapted = batch.map_tasks(lambda own, support: own.adapt(support, steps), learner, (task.support,), how)
        clock["adapt"] += time.perf_counter() - start

        def predict(x: Tensor, mask: Tensor, adapted: Any = adapted) -> Any:
            start = time.perf_counter()
            answer = batch.map_tasks(lambda own, *task: own.predict(*task), learner, (adapted, x, mask), how)
            clock["predict"] += time.perf_counter() - start
            return answer

        values.append(next(iter(family.score(predict, task).values())).cpu())
        units.append(drawn.unit)
    learner.train(was_training)
    each = 1000 / which.episodes
    return Scored(
        torch.cat(values), torch.cat(units), clock["adapt"] * each, clock["predict"] * each, digest.hexdigest()[:16]
    )


def default_how(learner: Learner) -> batch.How:
    """Without meta-gradients there is little to choose: convolutions with weights of their own go on threads."""
    convolutional = any(isinstance(part, torch.nn.Conv2d) for part in learner.modules())
    on_cpu = all(value.device.type == "cpu" for value in learner.parameters())
    return "threads" if learner.traits.gradient and convolutional and on_cpu else "vmap"


def description(family: TaskFamily, which: Episodes) -> dict[str, Any]:
    """What decides the episodes, as JSON."""
    return {
        "tasks": family.spec.name,
        "fingerprint": family.spec.fingerprint,
        "split": which.split,
        "way": which.way,
        "shot": which.shot,
        "query": which.query,
        "episodes": which.episodes,
        "seed": which.seed,
    }


def check_fits(learner: Learner, family: TaskFamily) -> None:
    """UserError unless ``learner`` takes the inputs of ``family``."""
    mine, theirs = learner.spec, family.spec
    if mine.kind != theirs.kind or mine.outputs != theirs.outputs:
        raise UserError(f"the learner was trained for {mine.kind} ({mine.name}), and {theirs.name} is {theirs.kind}.")
    if mine.shape != theirs.shape:
        raise UserError(
            f"the learner takes inputs of shape {mine.shape} ({mine.name}), and those of {theirs.name} have shape "
            f"{theirs.shape}. Images can be asked for in another size, for example {theirs.name}:size={mine.shape[-1]}."
        )


def interval(values: Tensor, units: Tensor) -> Interval:
    """Mean over units of the mean of each unit's values, and the half-width of Student's 95 % interval."""
    _, which = units.unique(return_inverse=True)
    sums = torch.zeros(int(which.max()) + 1, dtype=torch.float64)
    means = sums.index_add(0, which, values.double()) / torch.bincount(which)
    if len(means) < 2:
        return Interval(float(means.mean()), math.inf)
    return Interval(float(means.mean()), student(len(means) - 1) * float(means.std()) / math.sqrt(len(means)))


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t: Abramowitz and Stegun (1964), 26.7.5; exact to 0.1 % from 4 degrees on."""
    if freedom <= 3:
        return (12.7062, 4.3027, 3.1824)[freedom - 1]
    z = 1.959963985
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))
