"""Graphs that the tracer writes compute what their function does, by the operations that PyTorch's own tracer finds."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F

from quickstudy.inner.tracing import traced

HELD = torch.arange(4.0)
TABLE = torch.ones(4)


def double_backward(x: Tensor, w: Tensor) -> list[Tensor]:
    w = w.detach().requires_grad_()
    with torch.enable_grad():
        loss = F.cross_entropy(F.layer_norm(torch.tanh(x @ w), [4]), torch.arange(len(x)) % 4)
        (first,) = torch.autograd.grad(loss, w, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), w)
    return [loss.detach(), first.detach(), second]


def transformed(x: Tensor, w: Tensor) -> list[Tensor]:
    def loss(w: Tensor, row: Tensor) -> Tensor:
        return F.softplus(row @ w).mean()

    def after(w: Tensor, row: Tensor) -> Tensor:
        return loss(w - 0.1 * grad(loss)(w, row), row)

    return [vmap(grad(after), (None, 0))(w, x)]


def written(x: Tensor, w: Tensor) -> list[Tensor]:
    """In place: into a constant of the function's own, into a view, and into what an argument was copied to."""
    own, copy = torch.tensor([1.0, 2.0, 3.0, 4.0]), x.clone()
    own.add_(w[0])
    copy[:, 1].mul_(2.0)
    return [own, copy, own * copy]


def with_others(x: Tensor, w: Tensor) -> list[Tensor]:
    """A tensor that was there before, one that comes out as it went in, one of several, one that knows its value."""
    scale = torch.tensor(2.0).item()
    return [x + HELD, w, x.sort(1).indices, torch.full_like(x, scale), HELD, x[:, HELD > 1], x[[0, 2]]]


FUNCTIONS = [double_backward, transformed, written, with_others]


def leaves(seed: int = 0) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(5, 4, generator=draw), torch.randn(4, 4, generator=draw)]


def play(function: Callable[..., list[Tensor]]) -> fx.GraphModule:
    graph, held, _ = traced(function, leaves())
    return fx.GraphModule(held, graph)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_graph_computes_the_same_of_other_tensors(function: Callable[..., list[Tensor]]) -> None:
    graph = play(function)
    for seed in (0, 1, 1, 2):  # twice the same: a playback leaves nothing behind
        with torch.no_grad():
            found = graph(*leaves(seed))
        assert all(map(torch.equal, found, function(*leaves(seed))))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_operations_are_those_of_pytorchs_tracer(function: Callable[..., list[Tensor]]) -> None:
    def operations(graph: fx.Graph) -> list[object]:
        return [node.target for node in graph.nodes if node.op == "call_function"]

    graph, _, _ = traced(function, leaves())
    assert operations(graph) == operations(make_fx(function)(*leaves()).graph)


def test_what_is_held_is_what_was_there_and_not_a_copy() -> None:
    _, held, _ = traced(lambda x: [x + TABLE, x * TABLE], leaves()[:1])
    assert [value.data_ptr() for value in held.buffers()] == [TABLE.data_ptr()]


@pytest.mark.parametrize(
    "looks",
    [
        lambda x: [x * float(x.sum())],
        lambda x: [x if x[0, 0] > 0 else -x],
        lambda x: [x[x > 0].mean()],
        lambda x: [x.nonzero()],
    ],
)
def test_a_function_that_looks_at_numbers_is_refused(looks: Callable[[Tensor], list[Tensor]]) -> None:
    with pytest.raises(RuntimeError, match="decides what is done next"):
        traced(looks, leaves()[:1])
