"""The reference workload: what time is counted in, so that a fast machine is no advantage.

Matrix products, small tensor operations and plain Python, in the proportions of a small net that adapts; timed in
seconds of the processor, so that other work on the machine matters little. Drift between before and after an entry says
how far the entry's own times can be trusted.
"""

from __future__ import annotations

import os
import platform
import time
from statistics import median
from typing import Any, NamedTuple

import torch

from quickstudy.devices import on_threads, processor

STANDARD = 0.0015
"""Seconds that the workload takes on the machine in whose seconds times are given."""
ROUNDS = 60
MOST_DRIFT = 0.10


class Reference(NamedTuple):
    """Seconds of the workload before and after an entry."""

    before: float
    after: float

    @property
    def drift(self) -> float:
        """Share by which the slower is slower than the faster."""
        return max(self) / min(self) - 1

    @property
    def holds(self) -> bool:
        """Whether times in between can be compared with others'."""
        return self.drift <= MOST_DRIFT

    @property
    def scale(self) -> float:
        """What a second on this machine is, in seconds of the standard one."""
        return STANDARD / ((self.before + self.after) / 2)


def workload() -> float:
    """A fixed piece of work; its value only keeps it from being left out."""
    found = torch.full((128, 128), 0.01)
    for _ in range(12):
        found = torch.tanh(found @ found + 0.1)
    total = 0.0
    for number in range(20_000):
        total += number * 0.5
    return float(found.sum()) + total


def reference() -> float:
    """Median seconds of the workload, on one thread."""
    with on_threads(1):
        workload()
        return median(_timed() for _ in range(ROUNDS))


def _timed() -> float:
    start = time.thread_time()
    workload()
    return time.thread_time() - start


def machine() -> dict[str, Any]:
    """What rows say of the machine."""
    return {"cpu": processor(), "cores": os.cpu_count(), "system": platform.platform()}
