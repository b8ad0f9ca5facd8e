"""The cross-entropy method: search by drawing many tries, and drawing the next ones around the best of them.

    x ~ N(m, diag(s^2)) within [-1, 1],   m, s <- those of the best fifth, with some of the old ones

Rubinstein (1999), "The cross-entropy method for combinatorial and continuous optimization".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from quickstudy.sim.gaits import Array

KEEP = 0.3
"""Share of the old mean and spread in the new ones."""
LEAST = 0.02
"""Added to the spread at every turn, so that it never ends."""


class Tried(NamedTuple):
    """Everything that a search has tried, in order."""

    x: Array
    """[n, numbers]."""
    worth: Array
    """[n], the more the better."""


def search(
    worth: Callable[[Array], Array],
    numbers: int,
    *,
    tries: int,
    each: int,
    seed: int,
    start: Array | None = None,
    spread: float = 0.6,
    only: Array | None = None,
) -> Tried:
    """Look for a row of ``numbers`` from -1 to 1 of which ``worth`` is most, ``each`` tries at a time.

    ``only`` [numbers] of 0 and 1 holds those at 0 that are not searched.
    """
    rng = np.random.default_rng(seed)
    mean = np.zeros(numbers) if start is None else np.array(start, float)
    deviation = np.full(numbers, spread)
    tried, found = [], []
    for _ in range(tries // each):
        x = np.clip(mean + deviation * rng.standard_normal((each, numbers)), -1, 1)
        x = x if only is None else x * only
        value = worth(x)
        best = x[np.argsort(-value, kind="stable")[: max(each // 5, 2)]]
        mean = KEEP * mean + (1 - KEEP) * best.mean(0)
        deviation = KEEP * deviation + (1 - KEEP) * best.std(0) + LEAST
        tried.append(x)
        found.append(value)
    return Tried(np.concatenate(tried), np.concatenate(found))
