"""Trial and error on many grounds at once: each try is chosen by what a learner has made of the tries before it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from quickstudy.control.acquisition import Rule, wanted
from quickstudy.inner import batch
from quickstudy.learners.base import Adapted, Gaussian, Learner, Prediction
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples
from quickstudy.tasks.robots.strides import risk


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

    @property
    def unit(self) -> Tensor:
        """[] metres a second of a standard unit."""


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
    grounds = len(choices.speed)
    chance = _chance(choices, seed)
    which = torch.zeros(grounds, 0, dtype=torch.int64)
    for _ in range(tries):
        value = chance
        if learner is not None and rule != "random":
            felt = choices.y[..., 0].gather(-1, which)
            best = torch.cat([choices.still.expand(grounds, 1), felt], -1).amax(-1)
            value = wanted(_believed(learner, choices, which), best, rule, chance)
        which = _and_next(which, value)
    return Trials(which, choices.speed.gather(-1, which))


@torch.no_grad()
def commanded(learner: Learner | None, choices: Choices, asked: Tensor, *, tries: int, seed: int = 0) -> Tensor:
    """[T, tries + 1] how far, in metres a second, the gait that is chosen after so many tries on each of T grounds is
    off the speed ``asked`` [T].

    Each try is of the candidate that is believed to come nearest, and none is tried twice. What was tried is known, and
    is chosen where nothing is believed to come nearer. Without a learner any candidate is tried, and the nearest of
    those chosen.
    """
    chance = _chance(choices, seed)
    which = torch.zeros(len(asked), 0, dtype=torch.int64)
    off = (choices.speed - asked.unsqueeze(-1)).abs()
    missed = []
    for _ in range(tries + 1):
        value = chance + float(off.max()) ** 2  # more than that of any that was tried
        if learner is not None:
            found = _believed(learner, choices, which)
            mean = (found[0][..., 0] - choices.still) * choices.unit
            spread = found.std[..., 0] * choices.unit if isinstance(found, Gaussian) else torch.zeros_like(mean)
            value = risk(mean, spread, asked.unsqueeze(-1))
        chosen = value.scatter(-1, which, off.gather(-1, which).square()).argmin(-1, keepdim=True)
        missed.append(off.gather(-1, chosen))
        which = _and_next(which, -value)
    return torch.cat(missed, -1)


def _chance(choices: Choices, seed: int) -> Tensor:
    """[T, G] from 0 to 1."""
    grounds, count = choices.speed.shape
    return draw.uniform(draw.keys(torch.arange(grounds), "trials", seed), count, "ties")


def _and_next(which: Tensor, value: Tensor) -> Tensor:
    """Tries ``which`` [T, tries], and of all others the one with most ``value`` [T, G]."""
    return torch.cat([which, value.scatter(-1, which, -torch.inf).argmax(-1, keepdim=True)], -1)


def _believed(learner: Learner, choices: Choices, which: Tensor) -> Prediction:
    """Of every candidate, given what was felt of the tries ``which`` [T, tries]."""
    grounds, count = choices.speed.shape
    felt = choices.y[torch.arange(grounds).unsqueeze(-1), which]
    support = Examples(choices.x[which], felt, torch.ones(which.shape, dtype=torch.bool))
    x, there = choices.x.expand(grounds, -1, -1), torch.ones(grounds, count, dtype=torch.bool)
    return predicted(learner.eval(), support, x, there, batch.usual(learner))


def predicted(learner: Learner, support: Examples, x: Tensor, mask: Tensor, how: batch.How) -> Prediction:
    """Predictions for ``x`` [T, G, numbers], given each ground's own ``support``."""
    adapted: Adapted = batch.map_tasks(lambda own, given: own.adapt(given), learner, (support,), how)
    found: Prediction = batch.map_tasks(lambda own, *asked: own.predict(*asked), learner, (adapted, x, mask), how)
    return found


def tries_until(best: Tensor, goal: Tensor) -> Tensor:
    """[T] how many tries it took to reach ``goal`` [T]; one more than there were where it was not reached."""
    return (best < goal.unsqueeze(-1)).sum(-1) + 1
