"""What a prediction of glucose starts from: a record of sensor, meals and boluses, seen at one moment.

    x = now, changes since 5, 10, ..., 120 minutes ago, carbs and boluses of the last 6 hours in bins, time of day
    y = change from now in 30 and in 60 minutes

Nothing of an input is later than its moment. What was before the record's beginning counts as never eaten or given,
and the sensor's first value as the one before.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from quickstudy.sim.glucose import MINUTES
from quickstudy.tasks.glucose.lives import DAY, Records

AHEAD = (30, 60)
"""Minutes."""
STEPS = tuple(minutes // MINUTES for minutes in AHEAD)
LAGS = 24
EDGES = tuple(range(0, 121, 10)) + tuple(range(150, 361, 30))
"""Minutes ago between which carbs and boluses are added up."""
LEVEL, SPREAD = 140.0, 50.0
CHANGE = 30.0
GRAMS, UNITS = 40.0, 5.0
SCALE = torch.tensor([20.0, 35.0])
"""mg/dL: the units of y, which are about as far as glucose moves in that time."""
BRIDGED = 20 // MINUTES
"""Steps from one reading to the next that are filled."""
LEAD = 6
"""Steps of a record before its first moment to predict from."""


def names() -> tuple[str, ...]:
    """What each number of x is."""
    bins = [f"{near} to {far} min ago" for near, far in pairwise(EDGES)]
    return (
        "glucose now",
        *(f"change since {MINUTES * lag} min ago" for lag in range(1, LAGS + 1)),
        *(f"carbs {one}" for one in bins),
        *(f"bolus {one}" for one in bins),
        "sine of the time of day",
        "cosine of the time of day",
    )


class Windows:
    """Inputs and answers of P people at any moments of their records."""

    def __init__(self, records: Records, start: Tensor) -> None:
        """``start`` [P] int64: the step of the day at which each record begins."""
        self.start = start
        self.seen = records.glucose.isfinite()
        self.glucose = carried(records.glucose)
        self.carbs, self.insulin = (_summed(part) for part in (records.carbs, records.insulin))

    @property
    def steps(self) -> int:
        return self.glucose.shape[1]

    def inputs(self, who: Tensor, at: Tensor, first: Tensor) -> Tensor:
        """[T, n, 67] for people ``who`` [T] at steps ``at`` [T, n] of records that begin at step ``first`` [T]."""
        row, begin = who.view(-1, 1, 1), first.view(-1, 1, 1)
        back = at.unsqueeze(-1) - torch.arange(LAGS + 1)
        level = self.glucose[row, torch.maximum(back, begin)]
        now = level[..., :1]
        # an event of the present step is known: bins end after it
        edge = torch.maximum(at.unsqueeze(-1) + 1 - torch.tensor(EDGES) // MINUTES, begin)
        carbs, insulin = (
            total[row, edge[..., :-1]] - total[row, edge[..., 1:]] for total in (self.carbs, self.insulin)
        )
        turn = (2 * math.pi / DAY) * ((at + self.start[who].unsqueeze(-1)) % DAY)
        parts = [
            (now - LEVEL) / SPREAD,
            (now - level[..., 1:]) / CHANGE,
            carbs.float() / GRAMS,
            insulin.float() / UNITS,
            torch.stack([turn.sin(), turn.cos()], -1),
        ]
        return torch.cat(parts, -1)

    def answers(self, who: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """y [T, n, 2], and where [T, n] the sensor spoke now and at both times."""
        row, later = who.view(-1, 1, 1), at.unsqueeze(-1) + torch.tensor((0, *STEPS))
        level = self.glucose[row, later]
        return (level[..., 1:] - level[..., :1]) / SCALE, self.seen[row, later].all(-1)


def now(x: Tensor) -> Tensor:
    """[...] mg/dL from inputs [..., 67]."""
    return x[..., 0] * SPREAD + LEVEL


def bridged(glucose: Tensor) -> Tensor:
    """[steps] with gaps filled linearly where the readings around them are at most ``BRIDGED`` steps apart."""
    there, place = glucose.isfinite(), torch.arange(len(glucose))
    before = torch.where(there, place, -1).cummax(0).values
    after = torch.where(there, place, len(glucose)).flip(0).cummin(0).values.flip(0)
    fills = ~there & (before >= 0) & (after < len(glucose)) & (after - before <= BRIDGED)
    left, right = before.clamp(min=0), after.clamp(max=len(glucose) - 1)
    share = (place - left) / (right - left).clamp(min=1)
    return torch.where(fills, glucose[left] + share * (glucose[right] - glucose[left]), glucose)


def carried(values: Tensor) -> Tensor:
    """[P, steps] with each NaN replaced by the last value before it, at the beginning by the first one after."""
    there = values.isfinite()
    place = torch.where(there, torch.arange(values.shape[1]), -1).cummax(1).values
    place = torch.where(place < 0, there.long().argmax(1, keepdim=True), place)
    return values.gather(1, place).nan_to_num(LEVEL)


def _summed(values: Tensor) -> Tensor:
    """[P, steps + 1] float64: the sum of what was before each step."""
    return torch.nn.functional.pad(values.double().cumsum(1), (1, 0))
