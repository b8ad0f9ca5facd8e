"""How much memory a meta-gradient takes, known before it is taken.

One task is gone through on PyTorch's meta device, where tensors have shapes and no numbers, and what autograd would
keep for the way back is added up. Nothing is computed and nothing allocated.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from quickstudy.devices import room
from quickstudy.errors import UserError

SURE = 5_000
"""Times its inputs and parameters that a task never takes in an inner step: what fits even so is not looked at."""
KEPT: dict[Hashable, int | None] = {}


def check(
    module: nn.Module, task: Any, progress: float, tasks: int, at_once: int, rest: int, ways: dict[str, int]
) -> None:
    """UserError if ``at_once`` tasks like ``task`` would not fit into the memory of its device.

    ``tasks`` are to be done in all, ``rest`` more bytes are held meanwhile, and there are other ``ways`` to batch them,
    each with its number at once. A loss that looks at numbers cannot be
    gone through without them, and is let pass.
    """
    leaves = [leaf for leaf in pytree.tree_leaves(task) if isinstance(leaf, Tensor)]
    state = [*module.parameters(), *module.buffers()]
    there = room(state[0].device if state else leaves[0].device)
    if at_once * SURE * sum(value.nbytes for value in [*leaves, *state]) < there:
        return
    settings = ("steps", "gradient", "config")
    key = tuple((type(part), *(repr(getattr(part, name, None)) for name in settings)) for part in module.modules())
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in [*leaves, *state])
    if (key, shapes) not in KEPT:
        KEPT[key, shapes] = kept_bytes(module, task, progress)
    one = KEPT[key, shapes]
    if one is None or (needed := at_once * one + rest) <= there:
        return
    fits = int((there - rest) // max(one, 1))
    fitting = [f"{way} ({number} at once)" for way, number in ways.items() if number <= min(fits, at_once - 1)]
    advice = (
        f"{fits} at once would fit: hand over {fits} a call and take the mean"
        + (f", or batch them as {' or '.join(fitting)}" if fitting else "")
        if fits
        else "not even one at once would fit: take fewer inner steps, a smaller net or fewer examples"
    )
    raise UserError(
        f"{at_once} of {tasks} tasks at once take about {needed / 1e9:.1f} GB, {one / 1e9:.2f} GB each, and there are "
        f"{there / 1e9:.1f} GB. {advice}; or take gradient=recomputed, which keeps next to nothing of a step."
    )


def kept_bytes(module: nn.Module, task: Any, progress: float) -> int | None:
    """Bytes that autograd keeps of one task's loss; None if that cannot be found out without numbers."""
    blank = {name: value.detach().to("meta") for name, value in module.named_buffers()}
    for name, value in module.named_parameters():
        blank[name] = value.detach().to("meta").requires_grad_(value.requires_grad)
    kept: weakref.WeakSet[_Kept] = weakref.WeakSet()

    def keep(value: Tensor) -> _Kept:
        held = _Kept(value)
        kept.add(held)
        return held

    empty = pytree.tree_map(lambda leaf: leaf.to("meta"), task)
    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda held: held.value):
            loss = functional_call(module, blank, (empty, progress))
    except (RuntimeError, NotImplementedError, TypeError):
        return None
    storages = {(storage := held.value.untyped_storage())._cdata: storage.nbytes() for held in kept}
    del loss  # and with it what was kept
    return sum(storages.values())


class _Kept:
    """A tensor for as long as the graph that keeps it is there."""

    def __init__(self, value: Tensor) -> None:
        self.value = value
