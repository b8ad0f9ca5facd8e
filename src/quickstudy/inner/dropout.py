"""Dropout whose masks are hashed from a key: the same when a step is taken again, other ones in every task and step.

PyTorch's own draws from one hidden stream, so that ``vmap`` refuses it, and a step that is taken again for its
derivative would meet other masks than the first time.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from quickstudy.tasks import draw

WHOLE = {F.dropout: False, F.dropout1d: True, F.dropout2d: True, F.dropout3d: True}
"""The functions whose masks are drawn here, and whether a channel is dropped whole."""
KNOWN = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
"""The modules that call them."""


class Masks(TorchFunctionMode):
    """While it is active, each call of a dropout takes the next mask of ``key`` (int64, 0-d)."""

    def __init__(self, key: Tensor) -> None:
        super().__init__()
        self.key, self.calls = key, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in WHOLE:
            return self._drop(WHOLE[func], *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _drop(self, whole: bool, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0:
            return input
        shape = [*input.shape[:2], *[1] * (input.dim() - 2)] if whole else list(input.shape)
        self.calls += 1
        kept = draw.uniform(self.key, math.prod(shape), f"dropout {self.calls}").view(shape) >= p
        return torch.where(kept, input / (1 - p), 0.0)
