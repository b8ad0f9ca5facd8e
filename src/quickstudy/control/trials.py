"""Trial and error on many grounds at once: each try is chosen by what a learner has made of the tries before it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from quickstudy.control.acquisition import Rule, wanted
from quickstudy.inner import batch
from quickstudy.learners.base import Adapted, Learner, Prediction
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples


class Choices(Protocol):
    """What may be tried on T grounds, and what would be felt."""

    @property
    def x(self) -> Tensor:
        """[G, numbers] candidates."""

    @property
    def y(self) -> Tensor:
        """[T, G, outcomes] in standard units; the first is to be large."""

    @property
    def speed(self) -> Tensor:
        """[T, G] the first in metres a second, 0 where the body falls."""

    @property
    def still(self) -> Tensor:
        """[] standing still, in standard units."""


class Trials(NamedTuple):
    """Tries in order."""

    which: Tensor
    """[T, tries] numbers of the candidates."""
    speed: Tensor
    """[T, tries] of each, in metres a second."""

    @property
    def best(self) -> Tensor:
        """[T, tries] after each try; standing still is 0."""
        return self.speed.cummax(-1).values.clamp(min=0)


@torch.no_grad()
def trials(
    learner: Learner | None, choices: Choices, *, tries: int, rule: Rule = "improvement", seed: int = 0
) -> Trials:
    """``tries`` tries on each of T grounds, none of them twice; without a learner any."""
    grounds, count = choices.speed.shape
    chance = draw.uniform(draw.keys(torch.arange(grounds), "trials", seed), count, "ties")
    row = torch.arange(grounds).unsqueeze(-1)
    which = torch.zeros(grounds, 0, dtype=torch.int64)
    x = choices.x.expand(grounds, -1, -1)
    there = torch.ones(grounds, count, dtype=torch.bool)
    if learner is not None:
        learner.eval()
    for _ in range(tries):
        value = chance
        if learner is not None and rule != "random":
            y = choices.y[row, which]
            support = Examples(choices.x[which], y, torch.ones(which.shape, dtype=torch.bool))
            best = torch.cat([choices.still.expand(grounds, 1), y[..., 0]], -1).amax(-1)
            value = wanted(predicted(learner, support, x, there, batch.usual(learner)), best, rule, chance)
        value = value.scatter(-1, which, -torch.inf)
        which = torch.cat([which, value.argmax(-1, keepdim=True)], -1)
    return Trials(which, choices.speed.gather(-1, which))


def predicted(learner: Learner, support: Examples, x: Tensor, mask: Tensor, how: batch.How) -> Prediction:
    """Predictions for ``x`` [T, G, numbers], given each ground's own ``support``."""
    adapted: Adapted = batch.map_tasks(lambda own, given: own.adapt(given), learner, (support,), how)
    found: Prediction = batch.map_tasks(lambda own, *asked: own.predict(*asked), learner, (adapted, x, mask), how)
    return found


def tries_until(best: Tensor, goal: Tensor) -> Tensor:
    """[T] how many tries it took to reach ``goal`` [T]; one more than there were where it was not reached."""
    return (best < goal.unsqueeze(-1)).sum(-1) + 1
