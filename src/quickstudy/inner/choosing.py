"""Which way of batching is fastest here, for a net and tasks of given shapes: by measurement."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from quickstudy.devices import synchronise
from quickstudy.inner import batch
from quickstudy.inner.batch import How
from quickstudy.inner.playing import convolves_on_cpu

T = TypeVar("T")
FEW, MOST = 5, 25
"""Rounds of measurements: those that make sure of a difference, and those after which none matters."""
SECONDS, PATIENCE = 4.0, 10.0
"""Of measurements, after ``FEW`` rounds and before them."""
FAR, CLOSE, ALIKE = 1.5, 1.25, 1.1
"""How many times slower than the fastest a way is that is left out: before ``FEW`` rounds, and from then on;
and the slowest in any round, where it does not matter which is taken."""
WORTH_RECORDING = 10.0
"""Seconds of work that pay for making a recording."""
WORTH_COMPILING = 60.0
"""Seconds of work, after recording, that pay for compiling it."""


def fastest(
    run: Callable[[How], object], module: nn.Module, device: torch.device, calls: float, patience: float = PATIENCE
) -> How:
    """The way of batching that is fastest for ``calls`` calls of ``run`` here, by measurement.

    ``patience`` is how many seconds a comparison of slow ways may take, beyond two calls of each.

    Whole-batch vmap of convolutions with per-task weights is 2 to 7 times slower than a loop on a CPU, and is tried
    there only if chunks of it are faster than that. A recording takes seconds to make and a compiled one half a minute;
    they are tried if the calls would take ``WORTH_RECORDING`` and ``WORTH_COMPILING``.
    """
    singly = convolves_on_cpu(module)
    candidates: list[How] = ["vmap", "loop"]
    if device.type == "cpu":
        candidates = ["chunks", "threads", "loop"] if singly else ["vmap", "chunks", "threads", "loop"]
        if torch.get_num_threads() == 1:
            candidates.remove("threads")
    how, took = _quickest(run, _able(run, candidates), patience)
    if singly and how == "chunks":
        how, took = or_faster(run, how, "vmap", patience)
    for other, worth in (("recorded", WORTH_RECORDING), ("compiled", WORTH_COMPILING)):
        if calls * took > worth:
            how, took = or_faster(run, how, batch.check(other), patience)
    return how


def or_faster(run: Callable[[How], object], how: How, other: How, patience: float = PATIENCE) -> tuple[How, float]:
    """``other`` where that can be done and is faster than ``how``, and the seconds of a call."""
    try:
        for _ in range(2):  # a recording is made by the first call, and made faster by the second (interpreted.py)
            run(other)
    except Exception:  # some of PyTorch's are assertions
        return how, _time(run, how)
    return _quickest(run, [how, other], patience)


def _quickest(run: Callable[[How], object], candidates: Sequence[How], patience: float) -> tuple[How, float]:
    """The one with the shortest call, and the seconds of that.

    In rounds, each of which begins with another way, and by the median of what a way takes beside the others of its
    round: other work here comes and goes, and meets those alike. Ways that are clearly behind are measured no more.
    """
    times: dict[How, list[float]] = {how: [] for how in candidates}
    left, rounds, start, spent, seconds = list(candidates), 0, time.perf_counter(), 0.0, min(SECONDS, patience)
    while rounds < FEW or (len(left) > 1 and rounds < MOST and spent <= seconds):
        for how in turned(left, rounds):
            times[how].append(_time(run, how))
        rounds, spent = rounds + 1, time.perf_counter() - start
        if rounds > 1 and (rounds >= FEW or spent > seconds / 4):
            behind = _behind({how: times[how] for how in left})
            left = [how for how in left if behind[how] <= (CLOSE if rounds >= FEW else FAR)]
            alike = rounds >= FEW and _alike([times[how] for how in left])
            if len(left) == 1 or alike or spent > patience:
                break
    behind = _behind({how: times[how] for how in left})
    how = min(left, key=behind.__getitem__)
    return how, min(times[how])


def _alike(times: Sequence[list[float]]) -> bool:
    """Whether all ways took the same, by and large, in every round."""
    return all(max(found) <= ALIKE * min(found) for found in zip(*times, strict=True))


def turned(several: Sequence[T], number: int) -> list[T]:
    """``several`` in their order, another one first in each round."""
    first = number % max(len(several), 1)
    return [*several[first:], *several[:first]]


def _behind(times: dict[How, list[float]]) -> dict[How, float]:
    """How many times slower than the fastest each is: the median over rounds of its share of a round."""
    rounds = [sum(found) for found in zip(*times.values(), strict=True)]
    shares = {
        how: statistics.median(mine / every for mine, every in zip(found, rounds, strict=True))
        for how, found in times.items()
    }
    return {how: share / min(shares.values()) for how, share in shares.items()}


def _able(run: Callable[[How], object], candidates: Sequence[How]) -> list[How]:
    """Those that can do it at all, now warmed up: some modules cannot be vectorised."""
    able: list[How] = []
    refused: Exception = RuntimeError()
    for how in candidates:
        try:
            run(how)
            able.append(how)
        except Exception as error:  # some of PyTorch's are assertions
            refused = error
    if not able:
        raise refused
    return able


def _time(run: Callable[[How], object], how: How) -> float:
    start = time.perf_counter()
    for device in {leaf.device for leaf in pytree.tree_leaves(run(how)) if isinstance(leaf, Tensor)}:
        synchronise(device)
    return time.perf_counter() - start
