"""Which way of batching is fastest here, for a net and tasks of given shapes: by measurement."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn

from quickstudy.errors import UserError
from quickstudy.inner.batch import How, convolves_on_cpu

REPEATS = 5
"""Measurements of each way, at most."""
WORTH_RECORDING = 10.0
"""Seconds of work that pay for making a recording."""


def fastest(
    run: Callable[[How], object], module: nn.Module, device: torch.device, calls: float, seconds: float = 2.0
) -> How:
    """The way of batching that is fastest for ``calls`` calls of ``run`` here, by measurement.

    Whole-batch vmap of convolutions with per-task weights is 2 to 7 times slower than a loop on a CPU, and is not
    tried there. A recording takes seconds to make, and is tried for other nets if the calls would take
    ``WORTH_RECORDING``.
    """
    candidates: list[How] = ["vmap", "loop"]
    small = not convolves_on_cpu(module)
    if device.type == "cpu":
        candidates = ["vmap", "threads", "loop"] if small else ["chunks", "threads", "loop"]
        if torch.get_num_threads() == 1:
            candidates.remove("threads")
    how, took = _quickest(run, _able(run, candidates), seconds)
    if small and calls * took > WORTH_RECORDING:
        return recorded_or(how, run)
    return how


def recorded_or(how: How, run: Callable[[How], object]) -> How:
    """``recorded`` where that can be done and is faster than ``how``."""
    try:
        run("recorded")
    except UserError:
        return how
    return _quickest(run, ["recorded", how], 1.0)[0]


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
    run(how)
    return time.perf_counter() - start
