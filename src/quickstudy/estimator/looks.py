"""Whether pictures are photographs or drawings, by the look of a few of them.

A drawing is ink on paper: its pixels are one or the other, but for the edges, whatever the lighting. In a photograph
many are neither. So the share of pixels is counted that have

* a tone between: more than a twentieth of the ink's darkness, less than all but a twentieth of it, after the paper's
  lighting was taken away (``sheets.py``), or
* a colour of their own: red, green and blue apart by more than a tenth of full light from where they are in the middle
  (median) of the picture, so that yellow paper and a warm lamp are none.

Of Omniglot it is 0, of drawings at 28 pixels a side 3 to 10 %, of photographs of drawings 1 to 6 %; of photographs at
32 pixels 16 to 75 % (5th and 95th percentile), of things cut out on white 6 to 95 %. What is the median over a few
pictures decides. A photograph without colour of an almost even surface passes for a drawing, a coloured painting for a
photograph: ``weights`` says it otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quickstudy.errors import UserError
from quickstudy.estimator.inputs import Array
from quickstudy.estimator.pictures import Pictures
from quickstudy.estimator.sheets import WHOLE, Paper
from quickstudy.tasks.vision.folders import listing
from quickstudy.tasks.vision.pictures import upright

LOOKED_AT = 9
"""Pictures, evenly spread over all."""
COARSE = 128
"""Longest side at which they are looked at."""
LEAST = 24
"""Pixels a side below which a picture is all edges, and taken for a drawing."""
EDGE = 0.05
COLOUR = 0.1
SHARE = 0.13
"""Of pixels that are neither ink nor paper, from which on a picture is a photograph."""


def photographs(X: Any) -> bool:
    """Whether the pictures ``X``, or those in the folder ``X``, are photographs; not so where none can be read."""
    shares = [float(one[0]) for one in Looks().readable(_some(X)) if not isinstance(one, str)]
    return bool(shares) and float(np.median(shares)) > SHARE


def _some(X: Any) -> list[Any]:
    """A few of the pictures."""
    every: Sequence[Any] = X
    if isinstance(X, str | os.PathLike):
        try:
            every = [file.source / file.name for file in listing(Path(X).expanduser()).files]
        except UserError:  # which reading it will say
            return []
    return [every[at] for at in np.linspace(0, len(every) - 1, min(LOOKED_AT, len(every))).astype(int)]


class Looks(Pictures):
    """Keeps of each picture nothing but the share of pixels [1] that are neither ink nor paper."""

    def __init__(self) -> None:
        super().__init__(3, COARSE, ink=False)

    def _made(self, image: Any) -> Array:
        return np.array([share(image)])


def share(image: Any) -> float:
    """Of the pixels of a Pillow image, those that have a tone between ink and paper, or a colour of their own."""
    from PIL import Image

    small = upright(image, 3)
    if min(small.size) < LEAST:
        return 0.0
    small.thumbnail((COARSE, COARSE), Image.Resampling.BOX)
    light = np.asarray(small, np.float32) / 255
    apart = light[..., :2] - light[..., 1:]
    coloured = np.abs(apart - np.median(apart, (0, 1))).max(-1) > COLOUR
    grey = np.asarray(small.convert("L"), np.float32) / 255
    ink = Paper.under(grey).ink(grey, WHOLE)
    between = (ink > EDGE) & (ink < 1 - EDGE)
    return float((coloured | between).mean())
