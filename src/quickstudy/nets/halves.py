"""A convolution that autocast reaches wherever it is called.

PyTorch's ``vmap`` takes a convolution apart before autocast has seen it, and what is left of it stays in float32
without a word (pytorch/pytorch#192617 has the like of ``nn.Linear``). Inside a gradient, and outside of vmap,
it is halved.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Conv2d(nn.Conv2d):
    """``nn.Conv2d`` in the precision that autocast says, [n, C, H, W] -> [n, D, h, w]."""

    def forward(self, x: Tensor) -> Tensor:
        # autocast knows no meta device, on which memory is estimated
        if x.is_meta or not torch.is_autocast_enabled(x.device.type):
            return super().forward(x)
        dtype = torch.get_autocast_dtype(x.device.type)
        bias = None if self.bias is None else self.bias.to(dtype)
        return self._conv_forward(x.to(dtype), self.weight.to(dtype), bias)
