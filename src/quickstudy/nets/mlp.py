"""Multilayer perceptron over flattened inputs; Finn et al. (2017) use two hidden layers of 40 for sine waves."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.nets.backbone import Backbone
from quickstudy.nets.norm import Moments, Norm


class Hidden(nn.Module):
    """Linear map, normalisation, ReLU."""

    def __init__(self, inputs: int, width: int, norm: str) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width)
        self.norm = Norm(width, norm)

    def forward(self, x: Tensor, mask: Tensor, given: Mapping[str, Tensor] | None, found: Moments) -> Tensor:
        return F.relu(self.norm(self.linear(x.flatten(1)), mask, given, found))


class MLP(Backbone):
    """[n, *shape] -> [n, width]."""

    def __init__(self, shape: tuple[int, ...], width: int = 40, norm: str = "none", depth: int = 2) -> None:
        super().__init__(Hidden(math.prod(shape) if i == 0 else width, width, norm) for i in range(depth))
        self.features = width
