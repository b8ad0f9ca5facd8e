"""The fused step of normalisation, pooling and ReLU, against the operations that it stands for."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.nets import fused
from quickstudy.nets.layout import in_layout
from quickstudy.nets.norm import KINDS, Norm

CHANNELS, SIDE, EPS = 6, 7, 1e-5
Step = Callable[[Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor, Tensor]]
every_pool = pytest.mark.parametrize("pool", [1, 2, 3])


def plain(z: Tensor, weight: Tensor, bias: Tensor, pool: int) -> tuple[Tensor, Tensor, Tensor]:
    var, mean = torch.var_mean(z, (0, 2, 3), correction=0)
    scale = weight * torch.rsqrt(var + EPS)
    x = (z - mean.view(-1, 1, 1)) * scale.view(-1, 1, 1) + bias.view(-1, 1, 1)
    return F.relu(F.max_pool2d(x, pool) if pool > 1 else x), mean, var


def quick(z: Tensor, weight: Tensor, bias: Tensor, pool: int) -> tuple[Tensor, Tensor, Tensor]:
    return fused.norm_pool_relu(z, weight, bias, pool, EPS)


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """A map, and weights of either sign: with a negative one a pool takes the smallest."""
    return numbers(4, CHANNELS, SIDE, SIDE), torch.tensor([1.0, -1, 2, -0.5, 0.3, -2]).double(), numbers(CHANNELS)


def two_orders(step: Step, inputs: tuple[Tensor, ...], pool: int) -> list[Tensor]:
    """Results, first derivatives along fixed directions, and the derivatives of a scalar made of those."""
    torch.manual_seed(1)
    out = step(*inputs, pool)
    along = [torch.randn_like(value) for value in out]
    weights = [torch.randn_like(value) for value in inputs]

    def first(*values: Tensor) -> tuple[Tensor, ...]:
        _, pull = torch.func.vjp(lambda *given: step(*given, pool), *values[:3])
        return tuple(pull((values[3], *along[1:])))

    def scalar(*values: Tensor) -> Tensor:
        pairs = zip(first(*values), weights, strict=True)
        return torch.stack([(one * other).sum() for one, other in pairs]).sum()

    arguments = (*inputs, along[0])
    return [*out, *first(*arguments), *torch.func.grad(scalar, (0, 1, 3))(*arguments)]


@every_pool
@pytest.mark.parametrize("channels_last", [False, True])
def test_two_derivatives_are_exact(inputs: tuple[Tensor, Tensor, Tensor], pool: int, channels_last: bool) -> None:
    z, weight, bias = inputs
    z = in_layout(z) if channels_last else z
    expected, found = (two_orders(step, (z, weight, bias), pool) for step in (plain, quick))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@every_pool
def test_tasks_in_one_call_are_tasks_one_by_one(pool: int) -> None:
    maps, weights, bias = numbers(3, 4, CHANNELS, SIDE, SIDE), numbers(3, CHANNELS), numbers(CHANNELS)

    def task(z: Tensor, weight: Tensor) -> list[Tensor]:
        return two_orders(quick, (z, weight, bias), pool)

    together = torch.func.vmap(task, randomness="same")(maps, weights)
    for number in range(3):
        for one, other in zip(together, two_orders(plain, (maps[number], weights[number], bias), pool), strict=True):
            torch.testing.assert_close(one[number], other, rtol=1e-11, atol=1e-12)


@every_pool
def test_a_third_derivative_is_exact_too(inputs: tuple[Tensor, Tensor, Tensor], pool: int) -> None:
    inputs = tuple(value.requires_grad_() for value in inputs)

    def third(step: Step) -> tuple[Tensor, ...]:
        y, mean, var = step(*inputs, pool)
        value = y.square().sum() + (mean * var).sum()
        for _ in range(2):
            grads = torch.autograd.grad(value, inputs, create_graph=True)
            value = torch.stack([grad.sin().sum() for grad in grads]).sum()
        return torch.autograd.grad(value, inputs)

    for one, other in zip(third(quick), third(plain), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@every_pool
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_pool_relu_is_the_norm_then_the_pool_then_relu(kind: str, padded: bool, pool: int) -> None:
    norm = Norm(CHANNELS, kind).double()
    if kind != "none":
        with torch.no_grad():
            norm.weight.normal_()
            norm.bias.normal_()
    x, mask = numbers(5, CHANNELS, SIDE, SIDE), torch.tensor([True] * 4 + [not padded])
    for given in (None, {".mean": numbers(CHANNELS), ".var": numbers(CHANNELS).square()}):
        for training in (True, False):
            norm.train(training)
            found, expected_found = {}, {}
            expected = norm(x, mask, given, expected_found)
            expected = F.relu(F.max_pool2d(expected, pool) if pool > 1 else expected)
            torch.testing.assert_close(norm.pool_relu(x, mask, given, found, pool), expected)
            torch.testing.assert_close(found, expected_found)


def test_forward_mode_goes_another_way(inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    """In its own thread only."""
    norm, mask = Norm(CHANNELS, "task").double(), torch.ones(4, dtype=torch.bool)
    z = inputs[0]

    def step(z: Tensor) -> Tensor:
        return norm.pool_relu(z, mask, None, {}, 2)

    direction = torch.randn_like(z)
    with fused.unfused():
        assert not fused.allowed()
        _, tangent = torch.func.jvp(step, (z,), (direction,))
    assert fused.allowed()
    step_size = 1e-6
    around = (step(z + step_size * direction) - step(z - step_size * direction)) / (2 * step_size)
    torch.testing.assert_close(tangent, around, rtol=1e-6, atol=1e-8)
