"""Gradients of a loss, in reverse mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import grad_and_value, vjp

Params = dict[str, Tensor]


def inside_transform() -> bool:
    """Whether this runs inside vmap, grad or another transform of torch.func."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def gradient(loss: Callable[[Params, Any], Tensor], params: Params, given: Any, graph: bool) -> tuple[Params, Tensor]:
    """Gradient of ``loss(params, given)`` for every parameter, and the loss.

    Both are differentiable if ``graph`` and the mode of the moment say so. What the loss does not use has a gradient
    of zeros. Inside a transform of torch.func the gradient is one too; elsewhere torch.autograd takes it, whose
    nodes cost a fraction of a transform's.
    """
    if inside_transform():
        return grad_and_value(loss)(params, given)
    graph = graph and torch.is_grad_enabled()
    with torch.enable_grad():
        # through a view of its own, for one parameter may have been computed from another
        own = {
            n: value.view_as(value) if graph and value.requires_grad else _leaf(value) for n, value in params.items()
        }
        value = loss(own, given)
        if not value.requires_grad:
            return {name: torch.zeros_like(param) for name, param in params.items()}, value
        grads = torch.autograd.grad(value, [*own.values()], create_graph=graph, materialize_grads=True)
    return dict(zip(own, grads, strict=True)), value


def pull(function: Callable[..., Sequence[Tensor]], at: Sequence[Tensor], adjoints: Sequence[Tensor]) -> list[Tensor]:
    """Adjoints of the arguments ``at`` from those of what ``function(*at)`` returns.

    Differentiable where the mode of the moment asks for it; if not, torch.autograd does it with a fraction of the work.
    """
    if inside_transform() or torch.is_grad_enabled():
        _, back = vjp(function, *at)  # type: ignore[misc]
        return list(back(list(adjoints)))
    with torch.enable_grad():
        own = [_leaf(value) for value in at]
        pairs = [pair for pair in zip(function(*own), adjoints, strict=True) if pair[0].requires_grad]
        if not pairs:
            return [torch.zeros_like(value) for value in at]
        out, into = zip(*pairs, strict=True)
    return list(torch.autograd.grad(out, own, into, materialize_grads=True))


def _leaf(value: Tensor) -> Tensor:
    return value.detach().requires_grad_()
