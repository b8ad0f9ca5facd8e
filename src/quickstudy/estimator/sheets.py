"""Drawn characters of every size, pen and lighting as a learner of drawings met them in training.

Ink is told from paper: 1 on 0, whichever is darker, without specks. Lighting that changes slowly over the sheet is a
quadratic surface fitted to the paper; ink is what there is less of, on the whole and along the border.

What is drawn about as large as in Omniglot, with such a pen, is left so, for size and place tell characters apart too.
Else the ink's longer side becomes SIDE of the sheet, in its middle, or strokes WIDTH of the sheet: these are medians
over Omniglot's background alphabets.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge."""

SIDE = 0.64
SIDES = (0.4, 0.93)
"""Ink whose longer side is within these shares of the picture stays as large as it is."""
WIDTH = 0.049
WIDTHS = (0.036, 0.066)
"""Strokes within these shares of the sheet stay as wide as they are."""
COARSE = 192
"""Longest side of the picture in which ink is looked for, and of the sheet on which strokes get another width."""
CLOSE = 512
"""Pixels of a photograph that are enough for a small character on it."""
LEAST = 64
"""Smallest side of that sheet."""
LIGHTING = 48
"""Pixels a side from which the lighting is judged."""
FAINTEST = 6 / 255
"""Contrast of ink that is taken for noise."""
SPECK = 0.3
"""Largest speck that is dropped, in squares of a stroke's width."""
DOT = 4.0
"""A character is never magnified beyond what makes its longer side that many strokes wide: a dot stays a dot."""
THINNING = 0.7
"""Share of the thinner strokes' own half width by which all may be thinned."""
WHOLE = (-1.0, -1.0, 1.0, 1.0)


def sheet(picture: Any, size: int) -> Array:
    """A Pillow image in grey -> [1, size, size] uint8, ink 255 on paper 0; all paper where there is no ink.

    One that has the sheet's size already only has its ink told from its paper.
    """
    from PIL import Image

    if picture.size == (size, size):
        values = np.asarray(picture)
        return (values if Paper.under(_light(picture)).sign > 0 else 255 - values).reshape(1, size, size)
    small = picture.copy()
    small.thumbnail((COARSE, COARSE), Image.Resampling.BOX)
    grey = _light(small)
    paper = Paper.under(grey)
    solid = _cleaned(paper.ink(grey, WHOLE)) > 0.5
    found = _edges(solid)
    if found is None:
        return np.zeros((1, size, size), np.uint8)
    scale = picture.width / small.width
    left, upper, side = (edge * scale for edge in _frame(found, solid))
    ink = _penned(_cleaned(_drawn(picture, paper, left, upper, side)))
    whole = Image.fromarray((255 * ink).round().astype(np.uint8)).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(whole).reshape(1, size, size)


class Paper(NamedTuple):
    """How light the paper is over the picture, whose edges are at -1 and 1."""

    weights: Array
    """[6] of 1, x, y, xy, x^2, y^2."""
    sign: int
    """1 where ink is lighter than paper, -1 where it is darker."""

    @classmethod
    def under(cls, grey: Array) -> Paper:
        """From light [h, w]."""
        step = max(min(grey.shape) // LIGHTING, 1)
        few = grey[::step, ::step]
        values, terms = few.ravel(), _terms(few.shape, WHOLE)
        plane = terms[:, :3]  # a quadratic would take a thick character for a shadow in the middle
        rest = (values - plane @ _fitted(plane, values, np.ones_like(values))).reshape(few.shape)
        sign = 1 if _skew(rest) > _border(rest).mean() / max(float(rest.std()), 1e-6) else -1
        paper = np.ones_like(values)
        for _ in range(3):
            weights = _fitted(terms, values, paper)
            above = sign * (values - terms @ weights)
            paper = (above < otsu(above)).astype(np.float32)
        return cls(_fitted(terms, values, paper), sign)

    def ink(self, grey: Array, box: Box) -> Array:
        """Light [h, w] of what is in ``box`` of the picture -> [h, w] ink from 0 to 1."""
        above = self.sign * (grey - (_terms(grey.shape, box) @ self.weights).reshape(grey.shape))
        above = above.clip(0)
        edge = otsu(above)
        if not (above > edge).any() or (full := float(above[above > edge].mean())) < FAINTEST:
            return np.zeros_like(grey)
        return np.clip((above / full - 0.15) / 0.7, 0, 1)


def otsu(values: Array) -> float:
    """The threshold that parts ``values`` best into two (Otsu 1979): between-class variance is largest."""
    low, high = float(values.min()), float(values.max())
    step = (high - low or 1.0) / 128
    count = np.bincount(((values - low) * (1 / step)).astype(np.intp).ravel().clip(max=127), minlength=128)
    edges = low + step * np.arange(129)
    middle = (edges[1:] + edges[:-1]) / 2
    below, mass = count.cumsum(), (count * middle).cumsum()
    above = below[-1] - below
    between = below * above * (mass / below.clip(1) - (mass[-1] - mass) / above.clip(1)) ** 2
    return float(edges[1:][between.argmax()])


def stroke_width(solid: Array) -> float:
    """Of [h, w] bool, in pixels; 0 where there is nothing."""
    return _width(_depth(solid)) if solid.any() else 0.0


def _depth(solid: Array) -> Array:
    """[h, w] distance of what is solid to the nearest that is not; only as far around as that can be is looked at."""
    edges = _edges(solid)
    assert edges is not None
    left, upper, right, lower = edges
    here = slice(max(upper - 1, 0), lower + 1), slice(max(left - 1, 0), right + 1)
    found = np.zeros(solid.shape)
    found[here] = ndimage.distance_transform_edt(solid[here])
    return found


def _width(inside: Array) -> float:
    """From distances [h, w] to the nearest pixel of paper: in a strip of width w they are w / 4 + 1 / 2 on average."""
    return float(max(4 * inside[inside > 0].mean() - 2, 1))


def _skew(values: Array) -> float:
    """Third standardised moment: what there is less of makes the longer tail."""
    apart = values - values.mean()
    return float((apart**3).mean() / max(float(values.std()), 1e-6) ** 3)


def _border(values: Array) -> Array:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _light(picture: Any) -> Array:
    return np.asarray(picture, np.float32) / 255


def _fitted(terms: Array, values: Array, paper: Array) -> Array:
    """[6] weights of ``terms`` [n, 6] nearest to ``values`` [n] where ``paper`` [n] is 1 and not 0."""
    here = terms * paper[:, None]
    weights: Array = np.linalg.lstsq(here.T @ terms, here.T @ values, rcond=1e-6)[0]
    return weights


@functools.lru_cache(maxsize=16)
def _terms(shape: tuple[int, ...], box: Box) -> Array:
    """[h * w, 6]: 1, x, y, xy, x^2, y^2 at the pixels of ``box``."""
    x = np.linspace(box[0], box[2], shape[1], dtype=np.float32)
    y = np.linspace(box[1], box[3], shape[0], dtype=np.float32)[:, None]
    x, y = np.broadcast_to(x, shape), np.broadcast_to(y, shape)
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)


def _edges(solid: Array) -> Box | None:
    """The box of what is true in [h, w]; None where nothing is."""
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if len(rows) else None


def _cleaned(ink: Array) -> Array:
    """``ink`` without specks."""
    solid = ink > 0.5
    parts, count = ndimage.label(solid, np.ones((3, 3)))
    if count < 2:
        return ink
    small = np.bincount(parts.ravel()) < SPECK * stroke_width(solid) ** 2
    small[0] = False
    around = ndimage.binary_dilation(small[parts], np.ones((3, 3)))
    return np.where(around & (small[parts] | ~solid), 0, ink)


def _frame(found: Box, solid: Array) -> tuple[float, float, float]:
    """Left and upper edge and side of the square that becomes the sheet, in pixels of ``solid`` [h, w]."""
    height, width = solid.shape
    side: float = max(height, width)
    longest = max(found[2] - found[0], found[3] - found[1])
    if SIDES[0] <= longest / side <= SIDES[1]:
        return (width - side) / 2, (height - side) / 2, side
    side = max(longest, DOT * min(stroke_width(solid), longest)) / SIDE
    return (found[0] + found[2] - side) / 2, (found[1] + found[3] - side) / 2, side


def _drawn(picture: Any, paper: Paper, left: float, upper: float, side: float) -> Array:
    """Ink [s, s] on the square of ``picture`` that begins at ``left`` and ``upper``, parts of which may lie outside."""
    from PIL import Image

    here = max(left, 0), max(upper, 0), min(left + side, picture.width), min(upper + side, picture.height)
    pixels = round(min(max(side, LEAST), COARSE))
    scale = pixels / side
    shape = max(round((here[2] - here[0]) * scale), 1), max(round((here[3] - here[1]) * scale), 1)
    part = _light(picture.resize(shape, Image.Resampling.BILINEAR, box=here, reducing_gap=3.0))
    x, y = 2 / picture.width, 2 / picture.height
    ink = paper.ink(part, (here[0] * x - 1, here[1] * y - 1, here[2] * x - 1, here[3] * y - 1))
    whole = np.zeros((pixels, pixels), np.float32)
    column, row = round((here[0] - left) * scale), round((here[1] - upper) * scale)
    room = whole[row : row + shape[1], column : column + shape[0]]
    room[:] = ink[: room.shape[0], : room.shape[1]]
    return whole


def _penned(ink: Array) -> Array:
    """``ink`` [s, s] with strokes of a usual width."""
    solid = ink > 0.5
    if not solid.any():
        return ink
    inside = _depth(solid)
    width = _width(inside)
    if WIDTHS[0] <= width / len(ink) <= WIDTHS[1]:
        return ink
    edge = np.where(solid, inside - 0.5, 0.5 - ndimage.distance_transform_edt(~solid))  # how far inside the ink
    grown = max((WIDTH * len(ink) - width) / 2, -THINNING * _thin(inside))
    return np.clip(edge + grown + 0.5, 0, 1)


def _thin(inside: Array) -> float:
    """Half the width of the thinner strokes: the 10th percentile of the depth along their middle lines."""
    ridge = (inside == ndimage.maximum_filter(inside, 3)) & (inside > 0)
    return float(np.quantile(inside[ridge], 0.1))
