"""Many inner steps of which only every so many-th is kept: memory of about two square roots of their number.

What went into a segment of steps is kept; its backward pass takes the steps once more, each as a step that is itself
recomputed, so that the parameters in between are there for one segment at a time (Chen, Xu, Zhang, Guestrin 2016,
"Training Deep Nets with Sublinear Memory Cost", section 4.2). It costs one more forward and backward pass a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from quickstudy.inner import reverse
from quickstudy.inner.recompute import Loss, keep, recall, recomputed_step, replaced
from quickstudy.inner.rules import Params, Rule, State

FROM = 12
"""Steps from which segments pay: for fewer the parameters of each are a small part of what a step takes."""


class Parts(NamedTuple):
    """Of a segment, everything that is not differentiated."""

    loss: Loss
    rule: Rule
    first: int
    """Number of its first step."""
    mixed: bool
    spec: pytree.TreeSpec
    """How the leaves make (params, state, hyper, what each step is given)."""

    def steps(self, leaves: Sequence[Any], take: Callable[..., tuple[Params, State, Tensor]]) -> tuple[Any, Any, Any]:
        """Parameters and state after the last step, and the loss before each, where ``take`` takes one."""
        params, state, hyper, givens = pytree.tree_unflatten(list(leaves), self.spec)
        rule, losses = self.rule._replace(hyper=hyper), []
        for number, given in enumerate(givens, self.first):
            params, state, loss = take(self.loss, rule, params, state, given, number)
            losses.append(loss.detach())
        return params, state, torch.stack(losses)


def _constant_step(
    loss: Loss, rule: Rule, params: Params, state: State, given: Any, number: int
) -> tuple[Params, State, Tensor]:
    grads, value = reverse.gradient(loss, params, given, graph=False)
    return *rule.update(rule.hyper, grads, state, params, number), value


class Segment(torch.autograd.Function):
    """(parts, *leaves) -> leaves of parameters and state after the last step, then the losses."""

    generate_vmap_rule = True

    @staticmethod
    def forward(parts: Parts, *leaves: Any) -> tuple[Tensor, ...]:
        params, state, losses = parts.steps(leaves, _constant_step)
        return (*pytree.tree_leaves((params, state)), losses)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.parts, *leaves = inputs
        ctx.mark_non_differentiable(output[-1])
        keep(ctx, leaves, ())

    @staticmethod
    def backward(ctx: Any, *adjoints: Tensor) -> tuple[Tensor | None, ...]:
        (leaves, _), parts = recall(ctx), ctx.parts
        wanted = [at for at, needed in enumerate(ctx.needs_input_grad[1:]) if needed]

        def take(
            loss: Loss, rule: Rule, params: Params, state: State, given: Any, number: int
        ) -> tuple[Params, State, Tensor]:
            return recomputed_step(loss, rule, params, state, given, number, parts.mixed)

        def again(*values: Tensor) -> list[Tensor]:
            params, state, _ = parts.steps(replaced(leaves, wanted, values), take)
            return list(pytree.tree_leaves((params, state)))

        with sdpa_kernel(SDPBackend.MATH):
            values = reverse.pull(again, [leaves[at] for at in wanted], adjoints[:-1])
        found = dict(zip(wanted, values, strict=True))
        return (None, *(found.get(at) for at in range(len(leaves))))


def descend(
    loss: Loss, params: Params, rule: Rule, steps: int, given: Callable[[int], Any], mixed: bool
) -> tuple[Params, Tensor]:
    """``params`` after ``steps`` updates, and the loss [steps] before each."""
    state, losses = rule.init(params), []
    size = math.isqrt(steps - 1) + 1
    for first in range(0, steps, size):
        givens = [given(number) for number in range(first, min(first + size, steps))]
        leaves, spec = pytree.tree_flatten((params, state, rule.hyper, givens))
        with sdpa_kernel(SDPBackend.MATH):
            parts = Parts(loss, rule._replace(hyper={}), first, mixed, spec)  # no tensor may hide in there
            made = Segment.apply(parts, *leaves)  # type: ignore[no-untyped-call]
        params, state = pytree.tree_unflatten(list(made[:-1]), pytree.tree_structure((params, state)))
        losses.append(made[-1])
    return params, torch.cat(losses)
