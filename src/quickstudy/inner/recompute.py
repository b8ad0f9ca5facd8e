"""An inner step that leaves no graph behind: what went into it is kept, and its backward pass takes it once more.

    phi' = U(phi, g)   with   g = grad L(phi, d)
    a, the adjoint of phi', gives p and u, the adjoints of phi and g through U alone
    adjoint of phi = p + H u,   adjoint of d = (d grad L / d d)^T u                              (H: Hessian of L)

``recomputed`` takes H u in reverse over reverse, as unrolling does (Chen, Xu, Zhang, Guestrin 2016, "Training Deep Nets
with Sublinear Memory Cost", with one segment a step). ``mixed`` takes it in forward over reverse: one jvp of grad L
along u gives both products, for second derivatives are symmetric, and never holds the graph of a graph (Kemaev et al.
2025, "Scalable Meta-Learning via Mixed-Mode Differentiation"). Either way memory grows with the number of steps by the
parameters alone, not by what the net computes in between.

Only arguments are differentiated: parameters, state, the rule's numbers and ``given``. What a loss closes over is not.
A loss that draws random numbers would meet other ones the second time: it has to hash them from a key (dropout.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vjp
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from quickstudy.inner import reverse
from quickstudy.inner.forward import derivative
from quickstudy.inner.rules import Params, Rule, State

Loss = Callable[[Params, Any], Tensor]
Leaves = list[Any]


class Parts(NamedTuple):
    """Of a step, everything that is not differentiated."""

    loss: Loss
    rule: Rule
    number: int
    mixed: bool
    spec: pytree.TreeSpec
    """How the leaves make (params, state, hyper, given)."""

    def tree(self, leaves: Sequence[Any]) -> tuple[Params, State, Any, Any]:
        params, state, hyper, given = pytree.tree_unflatten(list(leaves), self.spec)
        return params, state, hyper, given

    def update(self, grads: Params, leaves: Sequence[Any]) -> tuple[Params, State]:
        params, state, hyper, _ = self.tree(leaves)
        return self.rule.update(hyper, grads, state, params, self.number)

    def gradient(self, leaves: Sequence[Any]) -> Params:
        params, _, _, given = self.tree(leaves)
        return reverse.gradient(self.loss, params, given, graph=True)[0]

    def of_loss(self, leaves: Sequence[Any]) -> Tensor:
        params, _, _, given = self.tree(leaves)
        return self.loss(params, given)

    def first_given(self, leaves: Sequence[Any]) -> int:
        """Where the leaves of ``given`` begin; those of the parameters come first of all."""
        return len(leaves) - len(pytree.tree_leaves(self.tree(leaves)[3]))


def keep(ctx: Any, leaves: Leaves, more: Sequence[Tensor]) -> None:
    """Save ``leaves``, tensors or not, and ``more`` tensors for the backward pass."""
    ctx.tensors = [isinstance(leaf, Tensor) for leaf in leaves]
    ctx.others = [leaf for leaf, tensor in zip(leaves, ctx.tensors, strict=True) if not tensor]
    ctx.save_for_backward(*(leaf for leaf, tensor in zip(leaves, ctx.tensors, strict=True) if tensor), *more)


def recall(ctx: Any) -> tuple[Leaves, list[Tensor]]:
    """What ``keep`` saved."""
    saved, others = list(ctx.saved_tensors), list(ctx.others)
    leaves = [saved.pop(0) if tensor else others.pop(0) for tensor in ctx.tensors]
    return leaves, saved


class Step(torch.autograd.Function):
    """(parts, *leaves) -> leaves of new parameters and state, then the gradients, then the loss."""

    generate_vmap_rule = True

    @staticmethod
    def forward(parts: Parts, *leaves: Any) -> tuple[Tensor, ...]:
        params, _, _, given = parts.tree(leaves)
        grads, value = reverse.gradient(parts.loss, params, given, graph=False)
        # as tensors of their own, for a rule may keep one as it is, and what is kept has a derivative
        alone = [value.detach() for value in grads.values()]
        return (*pytree.tree_leaves(parts.update(grads, leaves)), *alone, value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        parts, *leaves = inputs
        first = -1 - len(parts.tree(leaves)[0])
        grads = output[first:-1]
        ctx.mark_non_differentiable(*output[first:])
        ctx.parts = parts
        keep(ctx, leaves, grads if parts.mixed else ())  # recomputed finds them again

    @staticmethod
    def backward(ctx: Any, *adjoints: Tensor) -> tuple[Tensor | None, ...]:
        leaves, saved = recall(ctx)
        parts: Parts = ctx.parts
        names = parts.tree(leaves)[0].keys()
        wanted = [at for at, needed in enumerate(ctx.needs_input_grad[1:]) if needed]
        of_outputs = adjoints[: -1 - len(names)]
        with sdpa_kernel(SDPBackend.MATH):
            if parts.mixed:
                values = _mixed(parts, leaves, dict(zip(names, saved, strict=True)), wanted, of_outputs)
            else:
                values = _recomputed(parts, leaves, wanted, of_outputs)
        found = dict(zip(wanted, values, strict=True))
        return (None, *(found.get(at) for at in range(len(leaves))))


def replaced(leaves: Leaves, wanted: Sequence[int], values: Sequence[Tensor]) -> Leaves:
    """``leaves`` with ``values`` at the places ``wanted``."""
    new = dict(zip(wanted, values, strict=True))
    return [new.get(at, leaf) for at, leaf in enumerate(leaves)]


def _recomputed(parts: Parts, leaves: Leaves, wanted: Sequence[int], adjoints: Sequence[Tensor]) -> Sequence[Tensor]:
    def step(*values: Tensor) -> Leaves:
        now = replaced(leaves, wanted, values)
        return list(pytree.tree_leaves(parts.update(parts.gradient(now), now)))

    return reverse.pull(step, [leaves[at] for at in wanted], adjoints)


def _mixed(
    parts: Parts, leaves: Leaves, grads: Params, wanted: Sequence[int], adjoints: Sequence[Tensor]
) -> Sequence[Tensor]:
    def update(grads: Params, *values: Tensor) -> Leaves:
        return list(pytree.tree_leaves(parts.update(grads, replaced(leaves, wanted, values))))

    _, pull = vjp(update, grads, *(leaves[at] for at in wanted))  # type: ignore[misc]
    along, *adjoint = pull(list(adjoints))
    params = range(len(grads))
    seen = [at for at in wanted if at in params or at >= parts.first_given(leaves)]
    if not seen:
        return adjoint

    def gradient(values: Leaves) -> Leaves:
        now = replaced(leaves, params, values)
        return grad(lambda chosen: parts.of_loss(replaced(now, seen, chosen)))([now[at] for at in seen])

    products = derivative(gradient, [leaves[at] for at in params], list(along.values()))
    added = dict(zip(seen, products, strict=True))
    return [value + added[at] if at in added else value for at, value in zip(wanted, adjoint, strict=True)]


def recomputed_step(
    loss: Loss, rule: Rule, params: Params, state: State, given: Any, number: int, mixed: bool
) -> tuple[Params, State, Tensor]:
    """New parameters and state, and the loss before; nothing else is kept of the step but its inputs."""
    leaves, spec = pytree.tree_flatten((params, state, rule.hyper, given))
    made = Step.apply(  # type: ignore[no-untyped-call]
        Parts(loss, rule._replace(hyper={}), number, mixed, spec),
        *leaves,  # no tensor may hide in there
    )
    after = pytree.tree_structure((params, state))
    new, kept = pytree.tree_unflatten(list(made[: after.num_leaves]), after)
    return new, kept, made[-1]
