"""What one adaptation costs: time, floating-point operations, memory."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from quickstudy.devices import synchronise
from quickstudy.inner import batch
from quickstudy.learners.base import Learner
from quickstudy.tasks.base import Task

REPEATS = 20


class Cost(NamedTuple):
    """Of one task on its own, as a user would meet it."""

    adapt_ms: float
    """Median of ``REPEATS`` tasks."""
    adapt_p95_ms: float
    predict_ms: float
    predict_p95_ms: float
    adapt_flops: int
    """Floating-point operations of matrix products and convolutions; a multiplication and an addition are two."""
    adapt_peak_mb: float
    """Largest sum of tensors alive during an adaptation, parameters and support not counted; 1 MB is 10**6 bytes."""


class LiveTensors(TorchDispatchMode):
    """Follows the bytes of every tensor that is made while it is active."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = {storage.data_ptr() for storage in _storages(args)}
        for storage in _storages(made):
            self._follow(storage, given)
        return made

    def _follow(self, storage: torch.UntypedStorage, given: set[int]) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if place in given or place in self.seen or not size:
            return
        self.seen.add(place)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, place, size)

    def _gone(self, place: int, size: int) -> None:
        self.seen.discard(place)
        self.now -= size


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    """Of the tensors in ``tree``: those that transforms wrap have it inside, zero tangents have none."""
    leaves = [torch.func.debug_unwrap(leaf) for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]
    return [leaf.untyped_storage() for leaf in leaves if not torch._is_zerotensor(leaf)]


@torch.no_grad()
def measure(learner: Learner, tasks: Task, steps: int | None) -> Cost:
    """Adapt to and predict each of ``tasks`` (at least two, batched) on its own; one more warms up."""
    singles = [batch.take(tasks, number) for number in range(batch.size(tasks))]
    device = singles[0].key.device

    def adapt(task: Task) -> Any:
        return learner.adapt(task.support, steps)

    states = [adapt(task) for task in singles]
    adapt_times = [_milliseconds(lambda task=task: adapt(task), device) for task in singles]  # type: ignore[misc]
    pairs = list(zip(states, singles, strict=True))
    learner.predict(states[0], singles[0].query.x, singles[0].query.mask)
    predict_times = [
        _milliseconds(lambda s=state, t=task: learner.predict(s, t.query.x, t.query.mask), device)  # type: ignore[misc]
        for state, task in pairs
    ]
    counter = FlopCounterMode(display=False)
    with counter:
        adapt(singles[0])
    with LiveTensors() as live:
        adapt(singles[0])
    return Cost(
        median(adapt_times),
        quantiles(adapt_times, n=20)[-1],
        median(predict_times),
        quantiles(predict_times, n=20)[-1],
        counter.get_total_flops(),
        live.peak / 1e6,
    )


def _milliseconds(run: Callable[[], Any], device: torch.device) -> float:
    synchronise(device)
    start = time.perf_counter()
    run()
    synchronise(device)
    return (time.perf_counter() - start) * 1000
