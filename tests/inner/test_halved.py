"""Meta-gradients in half precision: autocast around the call holds in all its ways, and is gone after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.inner import batch, meta_grad, recorded, sgd

NETS = {
    "dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 5)),
    "convolutional": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 5)),
}
Part = tuple[Tensor, Tensor]


@pytest.fixture(autouse=True)
def nothing_kept(seemingly_two_cores: None) -> Iterator[None]:
    recorded.RECORDINGS.clear()
    yield
    recorded.RECORDINGS.clear()


def loss(net: nn.Module, part: Part) -> Tensor:
    x, label = part
    return F.cross_entropy(net(x), label)


def halved(net: nn.Module, part: Part) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return loss(net, part)


@pytest.mark.parametrize("how", batch.EAGER)
@pytest.mark.parametrize("name", NETS)
def test_autocast_around_a_call_is_as_autocast_in_its_loss(name: str, how: batch.How) -> None:
    """PyTorch asks each thread for itself how precise it is to be, and what is recorded was so in its own precision."""
    generator = torch.Generator().manual_seed(0)
    net = NETS[name]()
    for value in net.parameters():
        value.data = torch.randn(value.shape, generator=generator) / 4
    supports, queries = (
        (torch.randn(3, 5, 1, 6, 6, generator=generator), torch.arange(5).expand(3, 5)) for _ in range(2)
    )

    def flat(given: object) -> Tensor:
        found = meta_grad(net, given, supports, queries, rule=sgd(0.1), steps=2, how=how)
        assert all(value.dtype == torch.float32 for value in found.params.values())
        return torch.cat([value.flatten() for value in found.params.values()])

    full = flat(loss)
    with torch.autocast("cpu", torch.bfloat16):
        around = flat(loss)
    assert 1e-4 < (around - full).norm() / full.norm() < 0.1, "no difference would mean that nothing was halved"
    torch.testing.assert_close(around, flat(halved), rtol=0.02, atol=float(0.02 * full.abs().max()))
    torch.testing.assert_close(flat(loss), full)
