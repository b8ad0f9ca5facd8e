"""Residual backbones.

ResNet12: the field's usual larger backbone (Oreshkin et al. 2018; Lee et al. 2019): four blocks of three 3x3
convolutions at 1, 2.5, 5, 10 times the width, max-pooling after each, global average.

ResNet8: a small net for drawn characters: a 5x5 stem of stride 2, three blocks of two convolutions, 3x3 average pool,
linear embedding.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.nets.backbone import Backbone
from quickstudy.nets.halves import Conv2d
from quickstudy.nets.norm import Moments, Norm


class Stem(nn.Module):
    """5x5 convolution of stride 2, normalisation, ReLU."""

    def __init__(self, channels: int, width: int, norm: str) -> None:
        super().__init__()
        self.conv = Conv2d(channels, width, 5, padding=2, stride=2, bias=norm == "none")
        self.norm = Norm(width, norm)

    def forward(self, x: Tensor, mask: Tensor, given: Mapping[str, Tensor] | None, found: Moments) -> Tensor:
        return self.norm.pool_relu(self.conv(x), mask, given, found)


class ResidualBlock(nn.Module):
    """``depth`` 3x3 convolutions beside a 1x1 shortcut, then max-pooling by ``pool``."""

    def __init__(self, channels: int, width: int, norm: str, depth: int, pool: int, slope: float = 0.0) -> None:
        super().__init__()
        sizes = [channels, *[width] * depth]
        bias = norm == "none"
        self.convs = nn.ModuleList(Conv2d(sizes[i], width, 3, padding=1, bias=bias) for i in range(depth))
        self.norms = nn.ModuleList(Norm(width, norm) for _ in range(depth))
        self.shortcut = Conv2d(channels, width, 1, bias=bias)
        self.shortcut_norm = Norm(width, norm)
        self.pool, self.slope = pool, slope

    def forward(self, x: Tensor, mask: Tensor, given: Mapping[str, Tensor] | None, found: Moments) -> Tensor:
        skip = self.shortcut_norm(self.shortcut(x), mask, given, found)
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = norm(conv(x), mask, given, found)
            if number + 1 < len(self.convs):
                x = F.leaky_relu(x, self.slope)
        x = x + skip
        # the activation is monotone, so it commutes with max-pooling and is cheaper after it
        return F.leaky_relu(F.max_pool2d(x, self.pool) if self.pool > 1 else x, self.slope)


class Embedding(nn.Module):
    """Average pool to ``side`` x ``side``, linear map, normalisation."""

    def __init__(self, channels: int, side: int, size: int, norm: str) -> None:
        super().__init__()
        self.side = side
        self.linear = nn.Linear(channels * side * side, size, bias=norm == "none")
        self.norm = Norm(size, norm)

    def forward(self, x: Tensor, mask: Tensor, given: Mapping[str, Tensor] | None, found: Moments) -> Tensor:
        x = F.adaptive_avg_pool2d(x, self.side).flatten(1)
        return self.norm(self.linear(x), mask, given, found)


class Average(nn.Module):
    """Global average pool."""

    def forward(self, x: Tensor, mask: Tensor, given: Mapping[str, Tensor] | None, found: Moments) -> Tensor:
        return x.mean((2, 3))


def _check(name: str, shape: tuple[int, ...], least: int) -> None:
    if len(shape) != 3 or min(shape[1:]) < least:
        raise UserError(
            f"{name} takes images of at least {least}x{least}, found inputs of shape {shape}. Use mlp for these."
        )


class ResNet12(Backbone):
    """[n, C, H, W] -> [n, 10 * width]."""

    def __init__(self, shape: tuple[int, ...], width: int = 64, norm: str = "batch") -> None:
        _check("resnet12", shape, 16)
        widths = [shape[0], width, width * 5 // 2, width * 5, width * 10]
        blocks = [ResidualBlock(widths[i], widths[i + 1], norm, depth=3, pool=2, slope=0.1) for i in range(4)]
        super().__init__([*blocks, Average()])
        self.features = widths[-1]
        _initialise(self)


class ResNet8(Backbone):
    """[n, C, H, W] -> [n, embedding]."""

    def __init__(self, shape: tuple[int, ...], width: int = 32, norm: str = "batch", embedding: int = 256) -> None:
        _check("resnet8", shape, 16)
        first = width // 2
        blocks = [
            Stem(shape[0], first, norm),
            ResidualBlock(first, width, norm, depth=2, pool=2),
            ResidualBlock(width, 2 * width, norm, depth=2, pool=2),
            ResidualBlock(2 * width, 2 * width, norm, depth=2, pool=1),
            Embedding(2 * width, 3, embedding, norm),
        ]
        super().__init__(blocks)
        self.features = embedding
        _initialise(self)


def _initialise(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
