"""Conv4: four blocks of convolution, normalisation, ReLU and pooling.

Vinyals et al. (2016), Snell et al. (2017): 64 filters of 3x3, 2x2 max-pooling. StridedConv4 is the form that Finn et
al. (2017) use on Omniglot: convolutions of stride 2 instead of pooling, about four times cheaper. MapsConv4 is the form
of Sung et al. (2018) and Li et al. (2019), who compare maps: it pools in the first two blocks only.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quickstudy.errors import UserError
from quickstudy.nets.backbone import Backbone
from quickstudy.nets.halves import Conv2d
from quickstudy.nets.norm import Moments, Norm


class ConvBlock(nn.Module):
    """Convolution, normalisation, ReLU and pooling; a convolution of stride 2 needs no pool."""

    def __init__(self, channels: int, width: int, norm: str, stride: int, pool: int) -> None:
        super().__init__()
        self.conv = Conv2d(channels, width, 3, padding=1, stride=stride, bias=norm in ("none", "group"))
        self.norm = Norm(width, norm)
        self.pool = pool

    def forward(self, x: Tensor, mask: Tensor, given: Mapping[str, Tensor] | None, found: Moments) -> Tensor:
        return self.norm.pool_relu(self.conv(x), mask, given, found, pool=self.pool)


class Conv4(Backbone):
    """[n, C, H, W] -> [n, width * (H // 16) * (W // 16)]; stride rounds up instead of down.

    Only the first ``halving`` of the four blocks halve the sides of their maps.
    """

    def __init__(
        self, shape: tuple[int, ...], width: int = 64, norm: str = "batch", stride: bool = False, halving: int = 4
    ) -> None:
        if len(shape) != 3 or min(shape[1:]) < 16:
            raise UserError(f"conv4 takes images of at least 16x16, found inputs of shape {shape}. Use mlp for these.")
        steps = [2 if i < halving else 1 for i in range(4)]
        strides, pools = (steps, [1] * 4) if stride else ([1] * 4, steps)
        super().__init__(ConvBlock(shape[0] if i == 0 else width, width, norm, strides[i], pools[i]) for i in range(4))
        by = 2**halving
        height, breadth = (-(-side // by) if stride else side // by for side in shape[1:])
        self.sides = height, breadth
        self.features = width * height * breadth
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    torch.nn.init.zeros_(module.bias)


class MapsConv4(Conv4):
    """Conv4 that pools in its first two blocks only: [n, C, H, W] -> [n, width * (H // 4) * (W // 4)]."""

    def __init__(self, shape: tuple[int, ...], width: int = 64, norm: str = "batch") -> None:
        super().__init__(shape, width, norm, halving=2)


class StridedConv4(Conv4):
    """Conv4 with convolutions of stride 2 instead of pooling."""

    def __init__(self, shape: tuple[int, ...], width: int = 64, norm: str = "batch") -> None:
        super().__init__(shape, width, norm, stride=True)
