"""Normalisation without running state.

========  =====================================================================================================
task      moments of the task's support, kept with the adapted state and used for its queries: inductive and
          stateless (Bronskill et al. 2020, "TaskNorm", its support-only form)
batch     moments of the batch at hand while training; afterwards fixed moments that ``Backbone.prepare`` measured
          on training examples (Ioffe and Szegedy 2015)
group     groups of channels of each example on its own (Wu and He 2018)
none      nothing
========  =====================================================================================================

Written from mean and rsqrt where a gradient may be taken twice: PyTorch's fused batch, layer and instance norms give
wrong second-order gradients if ``grad`` is taken outside ``vmap``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.errors import unknown
from quickstudy.nets import fused

NormKind = Literal["task", "batch", "group", "none"]
KINDS = ("task", "batch", "group", "none")
EPS = 1e-5
Moments = dict[str, Tensor]


def unpadded(mask: Tensor) -> bool:
    """True if no row is padding and that can be read here: inside vmap it cannot. Without numbers none is."""
    if (full := fused.told()) is not None:
        return full
    return torch.func.debug_unwrap(mask) is mask and (mask.is_meta or bool(mask.all()))


def masked_moments(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [C] of ``x`` [n, C, ...] over the rows that ``mask`` [n] keeps."""
    axes = [0, *range(2, x.dim())]
    if unpadded(mask):
        # a channels_last map of a CPU takes torch.var_mean ten times as long
        mean = x.mean(axes)
        return mean, (x - spread(mean, x)).square().mean(axes)
    keep = mask.to(x.dtype).view(-1, *[1] * (x.dim() - 1))
    count = (keep.sum() * x[0, 0].numel()).clamp(min=1)
    mean = (x * keep).sum(axes) / count
    var = ((x - spread(mean, x)).square() * keep).sum(axes) / count
    return mean, var


def spread(channels: Tensor, x: Tensor) -> Tensor:
    """[C] shaped to broadcast over ``x`` [n, C, ...]."""
    return channels.view(-1, *[1] * (x.dim() - 2))


class Norm(nn.Module):
    """One normalisation layer over ``x`` [n, C, ...]; its ``key`` names its moments in the net's dict."""

    mean: Tensor
    var: Tensor

    def __init__(self, channels: int, kind: str) -> None:
        super().__init__()
        if kind not in KINDS:
            raise unknown("normalisation", kind, KINDS)
        self.kind, self.key = kind, ""
        self.groups = next(g for g in (8, 4, 2, 1) if channels % g == 0)
        if kind != "none":
            self.weight = nn.Parameter(torch.ones(channels))
            self.bias = nn.Parameter(torch.zeros(channels))
        if kind == "batch":
            self.register_buffer("mean", torch.zeros(channels))
            self.register_buffer("var", torch.ones(channels))

    def forward(self, x: Tensor, mask: Tensor, given: Mapping[str, Tensor] | None, found: Moments) -> Tensor:
        """Normalise with the ``given`` moments, or with those of ``x``, which are added to ``found``."""
        if self.kind == "none":
            return x
        if self.kind == "group":
            shape = x.shape
            if shape[2:].numel() == 1:  # a single pixel looks the same in both layouts
                x = x.flatten(1)
            # inside vmap the channels_last layout cannot be asked for
            x = x if torch.func.debug_unwrap(x) is x else x.contiguous()
            return F.group_norm(x, self.groups, self.weight, self.bias, EPS).view(shape)
        if self._of_batch() and unpadded(mask):
            out, mean, inverse = torch.native_batch_norm(x, self.weight, self.bias, None, None, True, 0.0, EPS)
            self._found(mean, inverse.pow(-2) - EPS, found)
            return out
        x = x.to(torch.promote_types(x.dtype, torch.float32))  # moments of half precision would be coarse
        scale, shift = self._affine(x, mask, given, found)
        return torch.addcmul(spread(shift, x), x, spread(scale, x))

    def pool_relu(
        self, x: Tensor, mask: Tensor, given: Mapping[str, Tensor] | None, found: Moments, pool: int = 1
    ) -> Tensor:
        """``forward`` of ``x`` [n, C, H, W], max-pooling of windows of ``pool``, and ReLU: in fewer passes."""
        half = x.dtype in (torch.float16, torch.bfloat16)
        if self.kind in ("none", "group") or (self._of_batch() and half):
            x = self(x, mask, given, found)
            # max-pooling and ReLU commute, and ReLU on the pooled map costs a quarter
            return F.relu(F.max_pool2d(x, pool) if pool > 1 else x)
        if self._measures(given) and unpadded(mask) and fused.allowed() and not half:
            x, mean, var = fused.norm_pool_relu(x, self.weight, self.bias, pool, EPS)
            self._found(mean, var, found)
            return x
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        return fused.affine_pool_relu(x, *self._affine(x, mask, given, found), pool)

    def _of_batch(self) -> bool:
        return self.kind == "batch" and self.training

    def _measures(self, given: Mapping[str, Tensor] | None) -> bool:
        """Whether the moments are those of the input."""
        return self._of_batch() or (self.kind == "task" and given is None)

    def _found(self, mean: Tensor, var: Tensor, found: Moments) -> None:
        found |= {f"{self.key}.mean": mean, f"{self.key}.var": var}

    def _affine(
        self, x: Tensor, mask: Tensor, given: Mapping[str, Tensor] | None, found: Moments
    ) -> tuple[Tensor, Tensor]:
        """Scale and shift [C] that normalise."""
        if self._measures(given):
            mean, var = masked_moments(x, mask)
            self._found(mean, var, found)
        elif self.kind == "task" and given is not None:
            mean, var = given[f"{self.key}.mean"], given[f"{self.key}.var"]
        else:
            mean, var = self.mean, self.var
        scale = self.weight * torch.rsqrt(var + EPS)
        return scale, self.bias - mean * scale
