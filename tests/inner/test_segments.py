"""Many recomputed steps in segments: the gradient of the steps, in memory that hardly grows."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from quickstudy import inner
from quickstudy.cost import LiveTensors
from quickstudy.inner import segments
from quickstudy.inner.unroll import Gradient

STEPS = segments.FROM + 3
every_kind = pytest.mark.parametrize("gradient", ["mixed", "recomputed"])


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.LayerNorm(6), nn.Linear(6, 1)).double()


def loss(net: inner.modules.Net, batch: tuple[Tensor, Tensor]) -> Tensor:
    return (net(batch[0]) - batch[1]).square().mean()


def points(seed: int, tasks: int = 3) -> tuple[Tensor, Tensor]:
    drawn = torch.randn(tasks, 5, 3, generator=torch.Generator().manual_seed(seed)).double()
    return drawn[..., :2], drawn[..., 2:]


@every_kind
@pytest.mark.parametrize("how", ["loop", "vmap"])
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_segments_give_the_gradient_of_all_steps(rule: str, how: str, gradient: Gradient) -> None:
    """Of parameters, and of a rate of each step."""
    found = {}
    for kind in ("exact", gradient):
        rates = inner.PerStep(torch.linspace(0.02, 0.05, STEPS).double().requires_grad_())
        settings: Any = {"rule": inner.RULES[rule](rates), "steps": STEPS, "gradient": kind, "how": how}
        found[kind] = inner.meta_grad(net(), loss, points(0), points(1), **settings)
    torch.testing.assert_close(found[gradient].losses, found["exact"].losses, rtol=1e-12, atol=0)
    torch.testing.assert_close(found[gradient].params, found["exact"].params, rtol=1e-9, atol=1e-12)
    rates = [found[kind].hyper["rate"].values for kind in (gradient, "exact")]
    torch.testing.assert_close(*rates, rtol=1e-9, atol=1e-12)


@every_kind
def test_batches_that_change_by_step_and_the_trace(gradient: Gradient) -> None:
    every = points(2, STEPS)
    traces, grads = [], []
    for kind in ("exact", gradient):
        module = net()
        adapted, trace = inner.adapt(
            module, loss, lambda step: (every[0][step], every[1][step]), rule=inner.sgd(0.1), steps=STEPS, gradient=kind
        )
        outer = loss(inner.bound(module, adapted), (every[0][0], every[1][0]))
        traces.append(trace.losses)
        grads.append(torch.autograd.grad(outer, list(module.parameters())))
    torch.testing.assert_close(*traces)
    torch.testing.assert_close(*grads, rtol=1e-9, atol=1e-12)


@every_kind
def test_a_second_derivative_of_the_meta_gradient_is_not_lost(gradient: Gradient) -> None:
    if gradient == "mixed":
        pytest.skip("a forward-mode derivative ends the chain of reverse ones")
    found = []
    for kind in ("exact", gradient):
        module = net()
        own = list(module.parameters())
        adapted, _ = inner.adapt(
            module, loss, tuple(part[0] for part in points(0)), rule=inner.sgd(0.1), steps=STEPS, gradient=kind
        )
        outer = loss(inner.bound(module, adapted), tuple(part[1] for part in points(1)))
        grads = torch.autograd.grad(outer, own, create_graph=True)
        found.append(torch.autograd.grad(torch.stack([value.square().sum() for value in grads]).sum(), own))
    torch.testing.assert_close(*found, rtol=1e-8, atol=1e-10)


def held(gradient: Gradient, steps: int) -> int:
    """Largest sum of bytes alive during a meta-gradient of one task."""
    module, (x, y) = net(), points(0)
    with LiveTensors() as live:
        adapted, _ = inner.adapt(module, loss, (x[0], y[0]), rule=inner.sgd(0.01), steps=steps, gradient=gradient)
        torch.autograd.grad(loss(inner.bound(module, adapted), (x[1], y[1])), list(module.parameters()))
    return live.peak


@every_kind
def test_memory_grows_by_two_square_roots(gradient: Gradient) -> None:
    """From 16 to 100 steps by 2 (10 - 4) sets of parameters, and gradients where those are kept, not by 84."""
    params = sum(value.nbytes for value in net().parameters())
    assert held(gradient, 100) - held(gradient, 16) < 30 * params
    assert held("exact", 100) - held("exact", 16) > 84 * 3 * params
