"""Means over units and their 95 % confidence intervals.

A task is the unit of chance: the interval is Student's over units (episodes where classes are drawn, otherwise
patients, users or places, whose repeats are averaged first). A task that has no such score, where no order of its items
is better than another for instance, has NaN and is left out. Infinity stays: it is the score of a learner that failed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Interval(NamedTuple):
    """A mean and the half-width of its 95 % confidence interval."""

    mean: float
    ci95: float


def interval(values: Tensor, units: Tensor) -> Interval:
    """Mean over units of the mean of each unit's values, and the half-width of Student's 95 % interval.

    NaN where no task has a score.
    """
    there = ~values.isnan()
    if not bool(there.any()):
        return Interval(math.nan, math.inf)
    values, units = values[there], units[there]
    _, which = units.unique(return_inverse=True)
    sums = torch.zeros(int(which.max()) + 1, dtype=torch.float64)
    means = sums.index_add(0, which, values.double()) / torch.bincount(which)
    if len(means) < 2:
        return Interval(float(means.mean()), math.inf)
    return Interval(float(means.mean()), student(len(means) - 1) * float(means.std()) / math.sqrt(len(means)))


def where_told(values: Tensor, units: Tensor) -> Interval | None:
    """``interval``; None where no task has a score."""
    return None if bool(values.isnan().all()) else interval(values, units)


def cell(values: Tensor, units: Tensor) -> dict[str, float | None]:
    """``interval`` as rows of results have it: None for what is no finite number."""
    mean, ci95 = interval(values, units)
    return {"mean": finite(mean), "ci95": finite(ci95)}


def finite(value: float) -> float | None:
    """``value``, or None where it is none, as the interval of one unit: JSON knows no infinity."""
    return value if math.isfinite(value) else None


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
