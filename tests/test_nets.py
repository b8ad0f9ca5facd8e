"""Backbones: their layout in memory, and normalisation against PyTorch's own."""

import pytest
import torch
from torch.nn import functional as F

from quickstudy import nets
from quickstudy.nets import NetConfig
from quickstudy.nets.norm import EPS, Norm

CONVOLUTIONAL = [name for name in nets.BACKBONES if name != "mlp" and not nets.is_frozen(name)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_feature_maps_are_channels_last(name: str, channels: int) -> None:
    """In the other layout max-pooling takes more than ten times as long on a CPU."""
    shape = (channels, 28, 28)
    net = nets.build(nets.settled(NetConfig(backbone=name, width=8), shape, "batch"), shape).eval()
    maps: list[torch.Tensor] = []
    for block in net.blocks:
        block.register_forward_hook(lambda module, given, result: maps.append(result))
    net(torch.rand(5, channels, 28, 28), torch.ones(5, dtype=torch.bool))
    maps = [x for x in maps if x.dim() == 4 and x.shape[-1] > 1]
    assert len(maps) >= 2
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in maps)
    assert not any(x.is_contiguous() for x in maps)


def test_fixed_moments_are_those_of_batch_norm() -> None:
    norm = Norm(6, "batch").eval()
    with torch.no_grad():
        for value in (norm.weight, norm.bias, norm.mean, norm.var):
            value.uniform_(0.5, 2)
    x = torch.randn(4, 6, 5, 5)
    expected = F.batch_norm(x, norm.mean, norm.var, norm.weight, norm.bias, False, 0.0, EPS)
    torch.testing.assert_close(norm(x, torch.ones(4, dtype=torch.bool), None, {}), expected)
