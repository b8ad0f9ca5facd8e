"""What is known of meta-gradients of one kind: that nothing they do is forbidden, and how they are batched fastest."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from quickstudy.devices import synchronise
from quickstudy.inner import batch as batching
from quickstudy.inner import choosing
from quickstudy.inner.fingerprint import UnknownError
from quickstudy.inner.modules import Loss, dependent, described
from quickstudy.inner.outer import Outer
from quickstudy.inner.quicker import quicker
from quickstudy.inner.recorded import form
from quickstudy.inner.rules import Params
from quickstudy.inner.side_effects import watched

RECORD_AT = 30
"""The call of a kind at which it is tried whether a recording is faster: it takes seconds to make."""
COMPILE_AFTER = choosing.WORTH_COMPILING
"""Seconds spent on calls of a kind after which compiled is tried, once: translating takes half a minute."""


@dataclass
class Known:
    """Of the calls of a kind, whose net and losses were seen to do nothing that they must not."""

    how: batching.How | None = None
    """The fastest way of batching, where that was asked for."""
    calls: int = 0
    spent: float = 0.0
    """Seconds of all calls so far; infinite once it has been tried whether compiled is faster."""


MOST = 256
"""Kinds that are known at once; the oldest is looked at again."""
KNOWN: OrderedDict[Hashable, Known] = OrderedDict()


def meta_gradient(learner: Outer, tasks: Any, how: batching.How | Literal["auto"]) -> tuple[Tensor, Params]:
    """Losses [T] and the gradient of their mean, batched as asked or as was fastest for calls of this kind.

    Raises UserError for what the net and the losses may not do.
    """
    # what was written down was looked at before, and small nets take as long to be told apart as to be computed with
    if how != "auto" and (found := batching.replayed(learner, tasks, 0.0, how)) is not None:
        return found
    kind = _kind(learner, tasks)
    known = KNOWN.get(kind)
    if known is None:
        computing: Any = quicker(learner)  # an Outer too, for it is no Sequential
        _look(computing, tasks)
        known = KNOWN[kind] = Known()
        if len(KNOWN) > MOST:
            KNOWN.popitem(last=False)
    if how == "auto":
        return _fastest(learner, tasks, known)
    return batching.meta_gradient(learner, tasks, 0.0, how, inside=True)


def forget() -> None:
    """All that is known of any kind of call; recordings stay."""
    KNOWN.clear()


def _fastest(learner: Outer, tasks: Any, known: Known) -> tuple[Tensor, Params]:
    def run(how: batching.How) -> tuple[Tensor, Params]:
        return batching.meta_gradient(learner, tasks, 0.0, how, inside=True)

    def fastest() -> batching.How:
        return choosing.fastest(run, learner, next(learner.parameters()).device, calls=1)

    known.calls += 1
    if known.how is None:
        known.how = fastest()
    if known.calls == RECORD_AT:
        known.how, _ = choosing.or_faster(run, known.how, "recorded")
    if COMPILE_AFTER < known.spent < math.inf and known.how == "recorded":
        known.spent = math.inf
        known.how, _ = choosing.or_faster(run, "recorded", "compiled")
    start = time.perf_counter()
    try:
        found = run(known.how)
    except UnknownError:  # what could be recorded until now cannot any more
        known.how = fastest()
        found = run(known.how)
    synchronise(found[0].device)
    known.spent += time.perf_counter() - start
    return found


def _kind(learner: Outer, tasks: Any) -> Hashable:
    """What decides which way is fastest: net, losses, shapes of tasks, steps and threads."""
    inner, leaves, parts = learner.inner, list[Tensor](), list[Hashable]()
    tree = form(tasks, leaves)
    _read(learner, parts)
    shapes = tuple([(leaf.shape, leaf.dtype, leaf.device) for leaf in leaves])
    settings = tuple(inner.rule.hyper), inner.steps, inner.gradient, inner.by_step
    return tree, shapes, tuple(parts), _code(inner.loss), _code(learner.loss), settings, torch.get_num_threads()


def _read(module: nn.Module, parts: list[Hashable]) -> None:
    """Every part and what its parameters are, for ``parts``; PyTorch's own walks take five times as long."""
    parts.append((type(module), module.training))
    # what is switched on or off, as dropout by its share; how much of it is another matter
    parts += [bool(value) for value in vars(module).values() if type(value) in _NUMBERS]
    for value in module._parameters.values():
        if value is not None:
            parts.append((value.shape, value.dtype, value.device, value.requires_grad))
    for part in module._modules.values():
        if part is not None:
            _read(part, parts)


_NUMBERS = (bool, int, float)


def _code(loss: Loss) -> Hashable:
    """What a loss computes, by which it is known again where it is written in the call."""
    inside: Any = loss
    while isinstance(inside, partial):
        inside = inside.func
    code: Hashable = getattr(inside, "__code__", None)
    return code or type(inside).__qualname__


def _look(learner: Outer, tasks: Any) -> None:
    """UserError for what a forward pass of each loss on the first task shows to be wrong.

    It is of the net that will compute: convolutions in another layout have buffers of their own, which for Conv4 were a
    quarter of the memory of fifty recomputed steps.
    """
    support, query, key = batching.take(tasks, 0)
    inner, mine = learner.inner, key if learner.inner.keyed else None
    loss, start, given = described(inner.module, inner.loss, inner.batches(support), inner.adapts, mine)
    params = {name: value.detach().requires_grad_() for name, value in start.items()}

    def backward(value: Tensor) -> None:
        torch.autograd.grad(value, [*params.values()], allow_unused=True)

    first = support[0] if inner.by_step and support else support
    passes = {"support": (inner.loss, first), "query": (learner.loss, query)}
    with torch.enable_grad(), watched(inner.module, passes):
        if inner.steps:
            backward(loss(params, given(0)))
        backward(dependent(learner.judge(params, query, key), "outer loss"))
