"""What every backbone is: ``net(x, mask, moments) -> (features, moments)``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from quickstudy.nets.layout import in_layout
from quickstudy.nets.norm import Moments, Norm, unpadded

BATCH = 256
"""Examples in a batch when fixed moments are measured."""
MOST = 2048
"""Examples that fixed moments are measured on."""


class Backbone(nn.Module):
    """Maps ``x`` [n, *shape] to features [n, ``features``] through blocks of (x, mask, given, found) -> x."""

    features: int
    sides: tuple[int, int] = (1, 1)
    """Height and width of the map that the features are, flattened."""

    def __init__(self, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        for value in self.parameters():
            value.data = in_layout(value.data)
        for name, module in self.named_modules():
            if isinstance(module, Norm):
                module.key = name
        self.keeps_moments = any(isinstance(part, Norm) and part.kind == "task" for part in self.modules())
        """Whether the moments of a support are part of what adaptation finds (norm=task)."""
        self.trains_in_bfloat16 = False
        """Whether convolutions and matrix products of training passes are in bfloat16 (weights stay in float32)."""

    @property
    def maps(self) -> tuple[int, int, int]:
        """(C, h, w) of the last map: features [n, f] are [n, C, h, w], flattened."""
        height, width = self.sides
        return self.features // (height * width), height, width

    def embed(self, x: Tensor) -> Tensor:
        """[n, f] features of ``x`` [n, *shape], none of them padding."""
        features: Tensor = self(x, torch.ones(len(x), dtype=torch.bool, device=x.device), None)[0]
        return features

    def forward(self, x: Tensor, mask: Tensor, moments: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Moments]:
        """Features [n, f] and the moments that were measured on ``x``; given ``moments`` are used instead."""
        if not (self.trains_in_bfloat16 and self.training):
            return self._through_blocks(x, mask, moments)
        with torch.autocast(x.device.type, torch.bfloat16):
            features, found = self._through_blocks(x, mask, moments)
        return features.to(x.dtype), found

    def _through_blocks(self, x: Tensor, mask: Tensor, moments: Mapping[str, Tensor] | None) -> tuple[Tensor, Moments]:
        found: Moments = {}
        if not unpadded(mask):  # whatever stands in padding, NaN too, reaches nothing
            x = torch.where(mask.view(-1, *[1] * (x.dim() - 1)), x, 0)
        x = in_layout(x)
        for block in self.blocks:
            x = block(x, mask, moments, found)
        return x.flatten(1), found

    @torch.no_grad()
    def prepare(self, count: int, task: Callable[[int], Tensor]) -> None:
        """Fix the moments of ``norm=batch`` to those of training batches.

        ``task(i)`` gives x [n, *shape] of training task i of ``count``; one example is taken of each of up to ``MOST``.
        """
        norms = [module for module in self.modules() if isinstance(module, Norm) and module.kind == "batch"]
        if not norms:
            return
        chosen = [round(at * count / min(count, MOST)) for at in range(min(count, MOST))]
        some = (task(number) for number in chosen)
        x = torch.stack([x[at % len(x)] for at, x in enumerate(some)]).to(norms[0].mean.device)
        was_training = self.training
        self.train()
        batches = max(len(x) // BATCH, 1)
        found = [self(x[i::batches], torch.ones(len(x[i::batches]), dtype=torch.bool))[1] for i in range(batches)]
        for norm in norms:
            means = torch.stack([moments[f"{norm.key}.mean"] for moments in found])
            norm.mean.copy_(means.mean(0))
            between = means.var(0, correction=0)
            norm.var.copy_(torch.stack([moments[f"{norm.key}.var"] for moments in found]).mean(0) + between)
        self.train(was_training)
