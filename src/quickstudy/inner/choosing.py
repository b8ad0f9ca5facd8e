"""Which way of batching is fastest here, for a net and tasks of given shapes: by measurement."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from quickstudy.devices import synchronise
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.inner.batch import How
from quickstudy.inner.playing import convolves_on_cpu

REPEATS = 5
"""Measurements of each way, at most."""
WORTH_RECORDING = 10.0
"""Seconds of work that pay for making a recording."""
WORTH_COMPILING = 60.0
"""Seconds of work, after recording, that pay for compiling it."""


def fastest(
    run: Callable[[How], object], module: nn.Module, device: torch.device, calls: float, seconds: float = 2.0
) -> How:
    """The way of batching that is fastest for ``calls`` calls of ``run`` here, by measurement.

    Whole-batch vmap of convolutions with per-task weights is 2 to 7 times slower than a loop on a CPU, and is not
    tried there. A recording takes seconds to make and a compiled one half a minute; they are tried if the calls would
    take ``WORTH_RECORDING`` and ``WORTH_COMPILING``.
    """
    candidates: list[How] = ["vmap", "loop"]
    if device.type == "cpu":
        candidates = ["chunks" if convolves_on_cpu(module) else "vmap", "threads", "loop"]
        if torch.get_num_threads() == 1:
            candidates.remove("threads")
    how, took = _quickest(run, _able(run, candidates), seconds)
    for other, worth in (("recorded", WORTH_RECORDING), ("compiled", WORTH_COMPILING)):
        if calls * took > worth:
            how, took = or_faster(run, how, batch.check(other))
    return how


def or_faster(run: Callable[[How], object], how: How, other: How) -> tuple[How, float]:
    """``other`` where that can be done and is faster than ``how``, and the seconds of a call."""
    try:
        run(other)
    except (RuntimeError, UserError):
        return _quickest(run, [how], 0.0)
    return _quickest(run, [how, other], 1.0)


def _quickest(run: Callable[[How], object], candidates: Sequence[How], seconds: float) -> tuple[How, float]:
    """The one with the shortest call, and the seconds of that; in turn, so that other work here meets all alike."""
    times: dict[How, float] = dict.fromkeys(candidates, math.inf)
    start = time.perf_counter()
    for _ in range(REPEATS):
        for how in candidates:
            times[how] = min(times[how], _time(run, how))
        if time.perf_counter() - start > seconds:
            break
    how = min(candidates, key=times.__getitem__)
    return how, times[how]


def _able(run: Callable[[How], object], candidates: Sequence[How]) -> list[How]:
    """Those that can do it at all, now warmed up: some modules cannot be vectorised."""
    able: list[How] = []
    refused: Exception = RuntimeError()
    for how in candidates:
        try:
            run(how)
            able.append(how)
        except (RuntimeError, UserError) as error:
            refused = error
    if not able:
        raise refused
    return able


def _time(run: Callable[[How], object], how: How) -> float:
    start = time.perf_counter()
    for device in {leaf.device for leaf in pytree.tree_leaves(run(how)) if isinstance(leaf, Tensor)}:
        synchronise(device)
    return time.perf_counter() - start
