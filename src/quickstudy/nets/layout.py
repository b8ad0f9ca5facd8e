"""How maps lie in memory."""

from __future__ import annotations

import torch
from torch import Tensor


def batched(x: Tensor) -> bool:
    """Whether ``x`` stands for the tensors of many tasks inside vmap, which cannot be asked for values or layouts."""
    return torch.func.debug_unwrap(x).dim() != x.dim()


def in_layout(x: Tensor) -> Tensor:
    """``x`` [n, C, H, W] in the channels_last layout; anything else, and what is inside vmap, as it is.

    On a CPU convolutions run 1.2 times faster in it, and max-pooling more than ten times. The input decides what comes
    out of a convolution. Of one channel both layouts look alike to ``contiguous``, and the strides have to say which
    one is meant.
    """
    if x.dim() != 4 or x.stride(1) == 1 or batched(x):
        return x
    _, channels, height, width = x.shape
    strides = (height * width * channels, 1, width * channels, channels)
    return x.new_empty_strided(x.shape, strides).copy_(x)
