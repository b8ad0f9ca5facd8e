"""Inputs that are not as they were in training, as a family over a family: what a score is worth when the world moves.

Kinds of change after Hendrycks and Dietterich (2019), "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations". A strength of 0 changes nothing, and the chance in a change (which way an image is turned, where a stray
stroke goes) does not depend on the strength, so that stronger ones are more of the same. All of it is hashed from the
task's key.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Predict, Split, Task, TaskFamily, WholeTasks
from quickstudy.tasks.tabular.columns import Rows

Kind = Literal["noise", "strokes", "blur", "contrast", "rotation"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Where = Literal["query", "all"]
MOST = 8.0
"""Largest strength."""
NOISE = 0.1
"""Standard deviation of the noise at strength 1, in the units of the input: of an image, a tenth of black to white."""
STROKE = 0.05
"""Half the width of a stray stroke in half widths of the image; there are as many of them as the strength says."""
BLUR = 0.02
"""Standard deviation of the blur at strength 1, in widths of the image: half a pixel of 28."""
ROTATION = math.radians(10)
"""Angle at strength 1, to the left or to the right."""


class Shift:
    """``base`` with its queries, or all its inputs, changed by ``kind`` with ``strength``, in every split.

    noise        Gaussian numbers are added; the only kind for inputs that are no images
    strokes      straight stray strokes of full ink are drawn across
    blur         smoothed with a Gaussian
    contrast     the distance to the image's mean is halved, as often as ``strength`` says
    rotation     turned by an angle, to one side or the other

    Images are taken to lie in [0, 1] and stay there.
    """

    def __init__(self, base: TaskFamily, *, kind: Kind = "noise", strength: float = 1.0, on: Where = "query") -> None:
        image = len(base.spec.shape) == 3
        if isinstance(base, Rows):
            raise UserError(f"shift would disturb the flags of {base.spec.name} that say which values are there.")
        if not image and kind != "noise":
            raise UserError(
                f"shift:kind={kind} takes images, and {base.spec.name} has inputs of shape {base.spec.shape}. "
                f"Use kind=noise."
            )
        if not 0 <= strength <= MOST:
            raise UserError(f"shift:strength={strength:g}: expected a number from 0 to {MOST:g}.")
        self.base, self.kind, self.strength, self.on, self.image = base, kind, strength, on, image
        chosen = {"kind": (kind, "noise"), "strength": (f"{strength:g}", "1"), "on": (on, "query")}
        options = "".join(f":{field}={value}" for field, (value, default) in chosen.items() if value != default)
        # of a mixture each part is shifted, which comes to the same
        name = ",".join(f"{part}+shift{options}" for part in base.spec.name.split(","))
        self.spec = replace(base.spec, name=name)
        self.splits = base.splits

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """The base's episodes: the same classes and examples, changed."""
        task = self.base.sample(split, index, way=way, shot=shot, query=query, seed=seed)
        shifted = task._replace(query=self._changed(task.query, task.key, "query"))
        return (
            shifted
            if self.on == "query"
            else shifted._replace(support=self._changed(task.support, task.key, "support"))
        )

    def tasks(self, split: Split) -> WholeTasks:
        """The base's; changed where the support is."""
        whole = self.base.tasks(split)

        def changed(number: int) -> Examples:
            task, key = whole[number], draw.keys(torch.tensor([number]), "shift", split)
            batched = Examples(*(leaf.unsqueeze(0) for leaf in task))
            return Examples(*(leaf.squeeze(0) for leaf in self._changed(batched, key, "whole")))

        return WholeTasks(len(whole), changed) if self.on == "all" else whole

    def members(self, split: Split) -> frozenset[str] | None:
        return self.base.members(split)

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        return self.base.score(predict, task)

    def _changed(self, examples: Examples, key: Tensor, stream: str) -> Examples:
        if not self.strength or not examples.x.numel():
            return examples
        tasks, n = examples.x.shape[:2]
        x = CHANGES[self.kind](examples.x.flatten(0, 1), self._keys(examples, key, stream).flatten(), self.strength)
        return examples._replace(x=(x.clamp(0, 1) if self.image else x).unflatten(0, (tasks, n)))

    def _keys(self, examples: Examples, key: Tensor, stream: str) -> Tensor:
        """[T, n]: an example's depends on its place in its class alone, so that draws nest over ways and shots."""
        n = examples.x.shape[1]
        ways = examples.y.shape[-1] if self.spec.kind == "classification" else 1
        ways = ways if n % ways == 0 else 1
        return draw.bits(draw.bits(key, ways, f"shift/{stream}"), n // ways, "example").flatten(1)


def add_noise(x: Tensor, keys: Tensor, strength: float) -> Tensor:
    """[n, ...] and a key for each -> [n, ...]."""
    numbers = draw.normal(keys, x[0].numel(), "noise").view_as(x)
    return x + NOISE * strength * numbers.to(x.dtype)


def add_strokes(images: Tensor, keys: Tensor, strength: float) -> Tensor:
    """[n, C, H, W]; what is left over of a whole number is one stroke in lighter ink."""
    height, width = images.shape[-2:]
    down, across = (torch.linspace(-1, 1, size, device=images.device) for size in (height, width))
    place = torch.stack([across.expand(height, -1), down.unsqueeze(-1).expand(-1, width)], -1)
    soft = 2 / max(height, width)
    for number in range(math.ceil(strength)):
        start, end = draw.uniform(keys, 4, f"stroke {number}", -1, 1).view(-1, 2, 1, 1, 2).unbind(1)
        along, there = end - start, place - start
        share = (there * along).sum(-1, keepdim=True) / along.square().sum(-1, keepdim=True).clamp(min=1e-9)
        distance = (there - share.clamp(0, 1) * along).norm(dim=-1)
        ink = ((STROKE - distance) / soft + 0.5).clamp(0, 1) * min(strength - number, 1.0)
        images = torch.maximum(images, ink.unsqueeze(1).to(images.dtype))
    return images


def blur(images: Tensor, keys: Tensor, strength: float) -> Tensor:
    """[n, C, H, W]; beyond its edge an image goes on as at the edge."""
    sigma = BLUR * strength * images.shape[-1]
    radius = math.ceil(3 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=images.device) / sigma).square())
    weights = (weights / weights.sum()).to(images.dtype)
    flat = F.pad(images.flatten(0, 1).unsqueeze(1), [radius] * 4, mode="replicate")
    smooth = F.conv2d(F.conv2d(flat, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    return smooth.view_as(images)


def lower_contrast(images: Tensor, keys: Tensor, strength: float) -> Tensor:
    """[n, C, H, W]."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * 0.5**strength


def rotate(images: Tensor, keys: Tensor, strength: float) -> Tensor:
    """[n, C, H, W], about the middle."""
    side = torch.where(draw.uniform(keys, 1, "side").squeeze(-1) < 0.5, -1.0, 1.0).to(images.dtype)
    cos, sin = torch.full_like(side, math.cos(ROTATION * strength)), math.sin(ROTATION * strength) * side
    none = torch.zeros_like(side)
    turn = torch.stack([torch.stack([cos, -sin, none], -1), torch.stack([sin, cos, none], -1)], -2)
    grid = F.affine_grid(turn, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


CHANGES: dict[Kind, Callable[[Tensor, Tensor, float], Tensor]] = {
    "noise": add_noise,
    "strokes": add_strokes,
    "blur": blur,
    "contrast": lower_contrast,
    "rotation": rotate,
}
