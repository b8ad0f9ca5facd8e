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

NormKind = Literal["task", "batch", "group", "none"]
KINDS = ("task", "batch", "group", "none")
EPS = 1e-5
Moments = dict[str, Tensor]


def unpadded(mask: Tensor) -> bool:
    """True if no row is padding and that can be read here: inside vmap it cannot."""
    return torch.func.debug_unwrap(mask) is mask and bool(mask.all())


def masked_moments(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [C] of ``x`` [n, C, ...] over the rows that ``mask`` [n] keeps."""
    axes = [0, *range(2, x.dim())]
    if unpadded(mask):
        var, mean = torch.var_mean(x, axes, correction=0)
        return mean, var
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
            # inside vmap the channels_last layout cannot be asked for
            x = x if torch.func.debug_unwrap(x) is x else x.contiguous()
            return F.group_norm(x, self.groups, self.weight, self.bias, EPS)
        if self.kind == "batch" and self.training and unpadded(mask):
            out, mean, inverse = torch.native_batch_norm(x, self.weight, self.bias, None, None, True, 0.0, EPS)
            found |= {f"{self.key}.mean": mean, f"{self.key}.var": inverse.pow(-2) - EPS}
            return out
        x = x.to(torch.promote_types(x.dtype, torch.float32))  # moments of half precision would be coarse
        if self.kind == "batch" and not self.training:
            mean, var = self.mean, self.var
        elif self.kind == "batch" or given is None:
            mean, var = masked_moments(x, mask)
            found |= {f"{self.key}.mean": mean, f"{self.key}.var": var}
        else:
            mean, var = given[f"{self.key}.mean"], given[f"{self.key}.var"]
        scale = self.weight * torch.rsqrt(var + EPS)
        return torch.addcmul(spread(self.bias - mean * scale, x), x, spread(scale, x))
