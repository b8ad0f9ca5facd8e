"""What PyTorch's interpreter plays is what Python would have played, bit by bit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, fx
from torch.nn import functional as F

from quickstudy.inner.interpreted import interpreted
from quickstudy.inner.tracing import traced

Function = Callable[..., list[Tensor]]


def gradients(x: Tensor, w: Tensor) -> list[Tensor]:
    """Convolutions, their gradients, pooling, reductions, views, integers."""
    w = w.detach().requires_grad_()
    with torch.enable_grad():
        hidden = F.max_pool2d(F.relu(F.conv2d(x, w, padding=1)), 2)
        loss = F.cross_entropy(hidden.mean((2, 3)), torch.arange(len(x)) % w.shape[0])
        (grad,) = torch.autograd.grad(loss, w, create_graph=True)
        (second,) = torch.autograd.grad(grad.square().sum(), w)
    return [loss.detach(), grad.detach(), second]


def with_words(x: Tensor, w: Tensor) -> list[Tensor]:
    """Infinity, a type, a constant of the module."""
    return [x.clamp(max=float("inf")), torch.full_like(x, float("-inf")), x.double() + torch.tensor([1.5]), w.amax()]


def split(x: Tensor, w: Tensor) -> list[Tensor]:
    first, second = x.flatten(1).split([10, x[0].numel() - 10], 1)
    return [first.cumsum(1), second.sort(1).values, (w > 0).sum()]


def graph_of(function: Function, leaves: list[Tensor]) -> fx.GraphModule:
    graph, held, _ = traced(function, leaves)
    return fx.GraphModule(held, graph)


def leaves() -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(4, 1, 8, 8, generator=draw), torch.randn(3, 1, 3, 3, generator=draw)]


@pytest.mark.parametrize("function", [gradients, with_words, split])
def test_it_plays_the_same_without_python(function: Function) -> None:
    graph = graph_of(function, leaves())
    play = interpreted(graph)
    assert play != graph.forward
    for _ in range(4):  # it changes how it works after some calls
        with torch.no_grad():
            expected, found = graph.forward(*leaves()), play(*leaves())
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_threads_may_play_at_once() -> None:
    graph = graph_of(gradients, leaves())
    play, expected = interpreted(graph), gradients(*leaves())

    def work(_: int) -> list[Tensor]:
        with torch.no_grad():
            found: list[Tensor] = play(*leaves())
            return found

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(work, range(40)):
            assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(found, expected, strict=True))


def test_what_it_has_no_words_for_is_left_to_python() -> None:
    def odd(x: Tensor) -> list[Tensor]:
        return [torch.ops.prims.exp(x)]

    graph = graph_of(odd, [torch.ones(3)])
    assert interpreted(graph) == graph.forward
    empty = fx.symbolic_trace(torch.nn.Identity())
    assert torch.equal(interpreted(empty)(torch.ones(2)), torch.ones(2))
