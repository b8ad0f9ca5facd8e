"""Exact meta-gradients against higher 0.2.1, in float64: an implementation that shares nothing with this one.

Its Adam adds eps before the correction of the second moment, torch.optim.Adam and ours after it: they are one rule
where eps is 0.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.inner import Rule, adam, batch, meta_grad, sgd

higher: Any = pytest.importorskip("higher", reason="higher is not installed")
TASKS = 3
Batch = tuple[Tensor, Tensor]


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))


def conv() -> nn.Module:
    layers: list[nn.Module] = []
    for before in (1, 4):
        layers += [nn.Conv2d(before, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Tanh(), nn.AvgPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3))


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {"mlp": (mlp, (6,)), "conv": (conv, (1, 8, 8))}
RULES: dict[str, tuple[Rule, Callable[[Any], torch.optim.Optimizer]]] = {
    "sgd": (sgd(0.3), lambda params: torch.optim.SGD(params, lr=0.3)),
    "momentum": (sgd(0.2, momentum=0.9), lambda params: torch.optim.SGD(params, lr=0.2, momentum=0.9)),
    "nesterov": (
        sgd(0.2, momentum=0.9, nesterov=True),
        lambda params: torch.optim.SGD(params, lr=0.2, momentum=0.9, nesterov=True),
    ),
    "adam": (adam(0.02, eps=0.0), lambda params: torch.optim.Adam(params, lr=0.02, eps=0.0)),
}


def loss(net: Callable[..., Any], examples: Batch) -> Tensor:
    x, y = examples
    return F.cross_entropy(net(x), y)


def theirs(
    net: nn.Module, optimizer: torch.optim.Optimizer, supports: Batch, queries: Batch, steps: int
) -> list[Tensor]:
    """The gradient of the mean outer loss, as higher's documentation takes it."""
    net.zero_grad()
    for number in range(TASKS):
        support, query = ((x[number], y[number]) for x, y in (supports, queries))
        with higher.innerloop_ctx(net, optimizer, copy_initial_weights=False) as (patched, stepper):
            for _ in range(steps):
                stepper.step(loss(patched, support))
            (loss(patched, query) / TASKS).backward()
    return [p.grad for p in net.parameters() if p.grad is not None]


@pytest.mark.parametrize("how", ["vmap", "loop"])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NETS)
def test_meta_gradients_are_those_of_higher(name: str, rule: str, steps: int, how: batch.How) -> None:
    torch.manual_seed(0)
    make, shape = NETS[name]
    net = make().double()
    supports, queries = (
        (torch.randn(TASKS, n, *shape, dtype=torch.float64), torch.randint(3, (TASKS, n))) for n in (6, 9)
    )
    ours, optimizer = RULES[rule]
    right = theirs(net, optimizer(net.parameters()), supports, queries, steps)
    found = meta_grad(net, loss, supports, queries, rule=ours, steps=steps, how=how)
    values = [found.params[parameter] for parameter, _ in net.named_parameters()]
    assert len(values) == len(right)
    difference = torch.cat([(one - other).flatten() for one, other in zip(values, right, strict=True)])
    assert difference.norm() <= 1e-10 * torch.cat([other.flatten() for other in right]).norm()
