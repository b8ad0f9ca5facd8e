"""The usual augmentation of photographs in few-shot training, as a family over a family; val and test are untouched.

As in Lee, Maji, Ravichandran, Soatto (2019), "Meta-learning with differentiable convex optimization", section 4.1: a
random crop of the padded image, a horizontal flip, and colour jitter, for each image its own.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import Split, TaskFamily
from quickstudy.tasks.wrapper import ImageWrapper

GREY = (0.299, 0.587, 0.114)
"""Share of red, green and blue in the brightness of a colour (ITU-R BT.601)."""


class Augment(ImageWrapper):
    """``base`` with its training images cropped, flipped and recoloured at random.

    ``pad`` is the width in pixels of the black frame that an image is shifted within; -1 is an eighth of its side, as
    published for 32 pixels. ``flip`` mirrors half of the images. ``jitter`` is the largest relative change of
    brightness, contrast and, in colour, saturation.
    """

    name = "augment"

    def __init__(self, base: TaskFamily, *, pad: int = -1, flip: bool = True, jitter: float = 0.4) -> None:
        super().__init__(base)
        side = min(base.spec.shape[1:])
        if not -1 <= pad < side or not 0 <= jitter <= 1:
            raise UserError(
                f"augment:pad={pad}:jitter={jitter}: expected pad from 0 to {side - 1} (-1: an eighth of the side), "
                "and jitter from 0 to 1."
            )
        self.pad, self.flip, self.jitter = side // 8 if pad == -1 else pad, flip, jitter
        options = [f"pad={pad}"] * (pad != -1) + ["flip=false"] * (not flip) + [f"jitter={jitter:g}"] * (jitter != 0.4)
        self.spec = replace(base.spec, name=":".join([f"{base.spec.name}+augment", *options]))

    def changed(self, images: Tensor, keys: Tensor, split: Split) -> Tensor:
        """[n, C, H, W] in [0, 1] and a key for each -> the same shape and range."""
        if split != "train":
            return images
        return jittered(shifted(images, keys, self.pad, flip=self.flip), keys, self.jitter)


def shifted(images: Tensor, keys: Tensor, pad: int, *, flip: bool) -> Tensor:
    """[n, C, H, W] moved by up to ``pad`` pixels each way over black, and half of them mirrored."""
    n, channels, height, width = images.shape
    down, right = (draw.bits(keys, 2, "shift") % (2 * pad + 1) - pad).unbind(-1)
    rows = torch.arange(height) + down.unsqueeze(-1)
    columns = torch.arange(width) + right.unsqueeze(-1)
    if flip:
        mirrored = draw.bits(keys, 1, "flip") % 2 == 1
        columns = torch.where(mirrored, columns.flip(-1), columns)
    inside = ((rows >= 0) & (rows < height)).unsqueeze(-1) & ((columns >= 0) & (columns < width)).unsqueeze(-2)
    at = rows.clamp(0, height - 1).unsqueeze(-1) * width + columns.clamp(0, width - 1).unsqueeze(-2)
    moved = images.flatten(2).gather(2, at.flatten(1).unsqueeze(1).expand(-1, channels, -1))
    return moved.view(n, channels, height, width).mul_(inside.unsqueeze(1))


def jittered(images: Tensor, keys: Tensor, strength: float) -> Tensor:
    """[n, C, H, W] with saturation, then contrast, then brightness scaled by 1 - strength to 1 + strength.

    Each image is blended with its own greys, then with its mean grey, then with black; as all three are linear, they
    are one sum, and the range is kept once at the end.
    """
    if not strength:
        return images
    factors = draw.uniform(keys, 3, "jitter", 1 - strength, 1 + strength)
    light, contrast, colour = factors.view(-1, 3, 1, 1, 1).unbind(1)
    channels = images.unbind(1)
    shares = GREY if len(channels) == 3 else [1 / len(channels)] * len(channels)
    grey = channels[0] * shares[0]
    for channel, share in zip(channels[1:], shares[1:], strict=True):
        grey.add_(channel, alpha=share)
    grey = grey.unsqueeze(1)
    mean = grey.mean((-1, -2), keepdim=True)
    # in place, and the greys apart: of what is left only two passes are over all channels
    same = grey.mul_(light * contrast * (1 - colour)).add_(light * (1 - contrast) * mean)
    return (images * (light * contrast * colour)).add_(same).clamp_(0, 1)
