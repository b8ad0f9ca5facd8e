"""Recordings of meta-gradients (recorded.py) found again: of all tasks at once, or of a task, played for each."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from quickstudy.inner.fingerprint import fingerprint
from quickstudy.inner.quicker import CONVOLUTIONS
from quickstudy.inner.recorded import is_recorded, play
from quickstudy.inner.trees import size, take

Gradients = dict[str, Tensor]


class Moment(NamedTuple):
    """Where in its course a training is, as a recording has it."""

    given: tuple[Tensor, ...]
    """Progress, where it is a tensor like any other."""
    stage: Hashable
    """What the loss makes of it, where it decides by it what to compute."""


class Written(NamedTuple):
    """What a recording is made of, or found by."""

    now: Moment
    known: Hashable
    """What it depends on beside its tensors, which are the objects in ``kept``."""
    kept: list[Any]
    compiled: bool


def moment_of(module: nn.Module, progress: float) -> Moment | None:
    """None where what is computed changes from step to step."""
    stage: Callable[[float], Hashable] | None = getattr(module, "stage", None)
    if stage is None:
        return Moment((torch.tensor(progress, device=next(module.parameters()).device),), None)
    now = stage(progress)
    return None if now is None else Moment((), now)


def written_of(module: nn.Module, progress: float, compiled: bool) -> Written | None:
    """How a recording of ``module`` is found; None where what is computed changes from step to step."""
    now = moment_of(module, progress)
    if now is None:
        return None
    kept = list[Any]()
    return Written(now, (fingerprint(module, kept), now.stage), kept, compiled)


def played(module: nn.Module, params: Gradients, batch: Any, written: Written) -> tuple[Tensor, Gradients] | None:
    """Losses [T] and mean gradients by playing what was recorded; None if nothing was."""
    given = written.now.given
    found: tuple[Tensor, Gradients] | None = play((params, batch, *given), written.known, written.compiled)
    if found is None and not written.compiled and convolves_on_cpu(module):
        return played_singly(params, batch, written)
    return found


def is_full(batch: Any) -> bool:
    """Whether no example of any task is padding."""
    return all(bool(leaf.all()) for leaf in pytree.tree_leaves(batch) if leaf.dtype == torch.bool)


def played_singly(params: Gradients, batch: Any, written: Written) -> tuple[Tensor, Gradients] | None:
    """A playback for each task, on one thread a core; None if there is no recording of such a task."""
    known, given = (written.known, is_full(batch)), written.now.given
    if not is_recorded((params, take(batch, 0), *given), known):
        return None
    threads = min(torch.get_num_threads(), size(batch))

    def work(first: int) -> list[tuple[Tensor, Gradients] | None]:
        if threads > 1:
            torch.set_num_threads(1)
        return [play((params, take(batch, i), *given), known, False) for i in range(first, size(batch), threads)]

    if threads == 1:
        dealt = [work(0)]
    else:
        with ThreadPoolExecutor(threads) as pool:
            dealt = list(pool.map(work, range(threads)))
    played = [dealt[i % threads][i // threads] for i in range(size(batch))]
    found = [one for one in played if one is not None]
    if len(found) < len(played):
        return None
    with torch.no_grad():
        sums = [values.clone() for values in found[0][1].values()]
        for _, grads in found[1:]:
            torch._foreach_add_(sums, list(grads.values()))
        torch._foreach_div_(sums, len(found))
        return torch.stack([loss for loss, _ in found]), dict(zip(found[0][1], sums, strict=True))


def convolves_on_cpu(module: nn.Module) -> bool:
    """Whether tasks go through ``module`` one by one fastest."""
    return convolves(module) and all(value.device.type == "cpu" for value in module.parameters())


def convolves(module: nn.Module) -> bool:
    """Whether there are convolutions in ``module``."""
    return any(isinstance(part, CONVOLUTIONS) for part in module.modules())
