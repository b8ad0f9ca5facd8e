"""Random warps of training images, as a family over a family; val and test images are only resized.

Each image gets its own rotation, shear, scale and shift, a smooth random displacement, and sometimes thicker strokes;
all of it is hashed from the task's key.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import Split, TaskFamily
from quickstudy.tasks.wrapper import ImageWrapper

ROTATION = 0.2
"""Largest rotation in radians at strength 1; shear the same."""
SCALE = 0.15
"""Largest relative change of each side."""
SHIFT = 0.08
"""Largest shift in half widths."""
KNOTS = 5
"""The smooth displacement is interpolated between KNOTS x KNOTS points."""
ROUGHNESS = 0.06
"""Standard deviation of the displacement in half widths."""
THICK = 0.25
"""Share of images whose strokes are dilated by one pixel."""


class Warp(ImageWrapper):
    """``base`` with its images resized to ``size`` and, in training, warped."""

    name = "warp"

    def __init__(self, base: TaskFamily, *, size: int = 0, strength: float = 1.0) -> None:
        super().__init__(base)
        if size < 0 or not 0 <= strength <= 3:
            raise UserError(f"warp:size={size}:strength={strength}: expected size >= 0 and strength from 0 to 3.")
        self.strength = strength
        self.size = size or base.spec.shape[-1]
        options = [f"size={size}"] * bool(size) + [f"strength={strength}"] * (strength != 1.0)
        name = ":".join([f"{base.spec.name}+warp", *options])
        self.spec = replace(base.spec, name=name, shape=(base.spec.shape[0], self.size, self.size))

    def changed(self, images: Tensor, keys: Tensor, split: Split) -> Tensor:
        """[n, C, H, W] and a key for each -> [n, C, size, size]."""
        return self.warp(images, keys) if split == "train" and self.strength else resize(images, self.size)

    def warp(self, images: Tensor, keys: Tensor) -> Tensor:
        """[n, C, H, W] and a key for each -> [n, C, size, size], in one interpolation."""
        grid = F.affine_grid(affine(keys, self.strength), [len(images), 1, self.size, self.size], align_corners=False)
        knots = draw.normal(keys, 2 * KNOTS * KNOTS, "knots").view(-1, 2, KNOTS, KNOTS) * (ROUGHNESS * self.strength)
        between = bicubic(KNOTS, self.size).to(knots)
        bend = between @ knots @ between.T
        warped = F.grid_sample(images, grid + bend.permute(0, 2, 3, 1), mode="bilinear", align_corners=False)
        thick = (draw.uniform(keys, 1, "thick") < THICK * min(self.strength, 1.0)).squeeze(-1)
        warped[thick] = F.max_pool2d(warped[thick], 3, stride=1, padding=1)
        return warped


@functools.cache
def bicubic(knots: int, size: int) -> Tensor:
    """[size, knots]: how much each knot counts at each of ``size`` points from the first knot to the last."""
    each = torch.eye(knots).view(1, 1, knots, knots)
    return F.interpolate(each, size=(size, knots), mode="bicubic", align_corners=True).view(size, knots)


def affine(keys: Tensor, strength: float) -> Tensor:
    """[n] keys -> [n, 2, 3] maps from the new image's coordinates to the old one's."""
    turn, shear, wide, high, right, down = draw.uniform(keys, 6, "affine", -strength, strength).unbind(-1)
    cos, sin = torch.cos(ROTATION * turn), torch.sin(ROTATION * turn)
    x_scale, y_scale = 1 + SCALE * wide, 1 + SCALE * high
    slant = ROTATION * shear
    first = torch.stack([cos * x_scale, (cos * slant - sin) * y_scale, SHIFT * right], -1)
    second = torch.stack([sin * x_scale, (sin * slant + cos) * y_scale, SHIFT * down], -1)
    return torch.stack([first, second], -2)


def resize(images: Tensor, size: int) -> Tensor:
    """[n, C, H, W] -> [n, C, size, size] by the warp that moves nothing: as sharp as a warped image."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
