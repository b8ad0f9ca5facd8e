"""Scores on one scale, and areas under the curves of learning.

    bounded = max((score - chance) / (best - chance), -1)
    scaled = (bounded - level) / (1 - level)

0 is what chance, or the mean predictor, has, and 1 is perfect, or the family's oracle. Of an accuracy chance is one
over the task's own ways; of other metrics chance and best are means over all tasks, for with its own as the unit an
easy task's small error would count for more than all others.

Bounded, for an error has no bound, and one answer that went far astray would decide a whole row. The level is what
chance has in the mean when it is bounded likewise, so that whoever answers with the mean has 0 after all; of an
accuracy it is 0. A curve over examples has one level, of all its points.

The areas are means of the scaled score over a logarithmic axis, so that being right with one example, or after a
hundredth of the time, is worth as much as any other factor:

    by examples   shots from the first to the last of the curve, trapezoids between
    by time       from 1 ms to the budget; until an entry's first answer a task has what chance has, and then what its
                  last answer until there has
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.errors import UserError

WORST = -1.0
"""Least that a task is worth, bounded."""
FROM = 0.001
"""Seconds at which the axis of time begins."""
MOMENTS = 13
"""Points of the curve over time."""
LEAST_SPAN = 1e-9


class Scale(NamedTuple):
    """What a metric has at 0 and at 1, for each task [episodes]."""

    chance: Tensor
    best: Tensor
    level: float = 0.0

    def __call__(self, values: Tensor) -> Tensor:
        """``values`` [episodes] of the metric on the scale."""
        return levelled(self.bounded(values), self.level)

    def bounded(self, values: Tensor) -> Tensor:
        """``values`` [episodes] before the level is taken off."""
        return ((values.double() - self.chance) / (self.best - self.chance)).clamp(min=WORST)

    def of(self, episode: int, value: float) -> float:
        """One task's ``value`` on the scale."""
        one = Scale(self.chance[episode], self.best[episode], self.level)
        return float(one(torch.tensor(value, dtype=torch.float64)))


def levelled(bounded: Tensor, level: float) -> Tensor:
    """``bounded`` scores when chance has ``level`` of them."""
    return (bounded - level) / (1 - level)


def scale(chance: Tensor, best: Tensor, tasks: str) -> Scale:
    """The scale of tasks whose chance and best [episodes] are known, its level 0; UserError where they are the same."""
    if bool((best - chance).abs().min() < LEAST_SPAN):
        raise UserError(f"chance is as good as the best in these tasks of {tasks}. Ask for more, or harder, ones.")
    return Scale(chance.double(), best.double())


def alike(values: Tensor) -> Tensor:
    """The mean of those ``values`` [episodes] that are there, for every task."""
    return torch.full_like(values, float(values[values.isfinite()].mean()))


def by_examples(shots: Sequence[int], values: Tensor) -> Tensor:
    """[episodes] area of scaled ``values`` [points, episodes] over the logarithm of ``shots``."""
    if len(shots) == 1:
        return values[0]
    at = torch.tensor([math.log(shot) for shot in shots], dtype=torch.float64)
    width = (at[1:] - at[:-1]).unsqueeze(-1)
    return ((values[1:] + values[:-1]) / 2 * width).sum(0) / (at[-1] - at[0])


def by_time(steps: Sequence[tuple[float, float]], before: float, budget: float) -> float:
    """Area of one task: scaled scores from ``steps`` (seconds, score) on, ``before`` until the first."""
    whole = math.log(budget / FROM)
    total, at, now = 0.0, 0.0, before
    for seconds, value in steps:
        place = min(max(math.log(max(seconds, FROM) / FROM), at), whole)
        total += now * (place - at)
        at, now = place, value
    return (total + now * (whole - at)) / whole


def moments(budget: float) -> list[float]:
    """Seconds at which the curve over time is told, evenly on a logarithmic axis from 1 ms to ``budget``."""
    return [FROM * (budget / FROM) ** (number / (MOMENTS - 1)) for number in range(MOMENTS)]


def at(steps: Sequence[tuple[float, float]], before: float, moment: float) -> float:
    """What one task has at ``moment``: the scaled score of the last of ``steps`` until then."""
    return next((value for seconds, value in reversed(steps) if seconds <= moment), before)
