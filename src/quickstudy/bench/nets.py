"""Networks as anybody would write them: plain torch.nn, none of this library's own backbones."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def mlp(hidden: int = 40) -> nn.Sequential:
    """[n, 1] -> [n, 1] through two hidden layers with ReLU: the sine network of Finn et al. (2017)."""
    return nn.Sequential(
        nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
    )  # fmt: skip


def conv4(channels: int, width: int, side: int, outputs: int | None) -> nn.Sequential:
    """[n, channels, side, side] -> [n, outputs], or features where ``outputs`` is None.

    Four blocks of convolution, batch normalisation without running statistics, ReLU and max-pooling: the network that
    Vinyals et al. (2016) began with.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise((channels, *(width,) * 4)):
        norm = nn.BatchNorm2d(after, track_running_stats=False)
        layers += [nn.Conv2d(before, after, 3, padding=1), norm, nn.ReLU(), nn.MaxPool2d(2)]
    layers.append(nn.Flatten())
    if outputs is not None:
        layers.append(nn.Linear(width * (side // 16) ** 2, outputs))
    return nn.Sequential(*layers)
