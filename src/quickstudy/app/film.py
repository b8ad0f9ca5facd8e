"""Films of robots from poses: flat drawings of polygons, side by side, as a GIF that any browser plays.

A scene is what there is to see at one moment, in metres, seen from the side: x to the right, z up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from quickstudy import runs

BACKGROUND, INK, RULE = "#ffffff", "#22262b", "#c8ccd2"
FINER = 2
"""Drawings are made so many times as large, and then smoothed."""
BAND = 22
"""Height of a title, in pixels."""
HOLD = 1.5
"""Seconds that the last picture stays longer, so that there is time to read what came of it."""


class Polygon(NamedTuple):
    """A filled outline."""

    points: Sequence[tuple[float, float]]
    """x and z of its corners."""
    colour: str


class Window(NamedTuple):
    """Which part of the world is seen."""

    left: float
    right: float
    bottom: float
    top: float


Scene = Sequence[Polygon]


class Film(NamedTuple):
    """Pictures one after the other."""

    pictures: list[Image.Image]
    seconds: float
    rendered: bool
    """By MuJoCo, rather than drawn."""


def box(x: float, z: float, half_width: float, half_height: float, colour: str, tilt: float = 0.0) -> Polygon:
    """A rectangle around its middle, turned by ``tilt`` radians against the clock."""
    c, s = math.cos(tilt), math.sin(tilt)
    corners = [(-half_width, -half_height), (half_width, -half_height), (half_width, half_height)]
    corners.append((-half_width, half_height))
    return Polygon([(x + c * dx - s * dz, z + s * dx + c * dz) for dx, dz in corners], colour)


def disc(x: float, z: float, radius: float, colour: str) -> Polygon:
    """A circle."""
    turns = [2 * math.pi * number / 40 for number in range(40)]
    return Polygon([(x + radius * math.cos(turn), z + radius * math.sin(turn)) for turn in turns], colour)


def limb(start: tuple[float, float], end: tuple[float, float], width: float, colour: str) -> Polygon:
    """A bar from one joint to another."""
    (x, z), (other_x, other_z) = start, end
    length = math.hypot(other_x - x, other_z - z)
    tilt = math.atan2(other_z - z, other_x - x)
    return box((x + other_x) / 2, (z + other_z) / 2, length / 2 + width / 2, width / 2, colour, tilt)


def draw(scene: Scene, window: Window, size: tuple[int, int]) -> Image.Image:
    """A picture of ``size`` pixels; the first polygons lie behind the others."""
    width, height = (FINER * pixels for pixels in size)
    scale = pixels_a_metre(window, (width, height))
    image = Image.new("RGB", (width, height), BACKGROUND)
    pen = ImageDraw.Draw(image)
    for polygon in scene:
        corners = [
            (across(x, window, (width, height)), height - scale * (z - window.bottom)) for x, z in polygon.points
        ]
        pen.polygon(corners, fill=polygon.colour)
    return image.resize(size, Image.Resampling.LANCZOS)


def pixels_a_metre(window: Window, size: tuple[int, int]) -> float:
    """The scale at which all of ``window`` is in a picture of ``size`` pixels."""
    return min(size[0] / (window.right - window.left), size[1] / (window.top - window.bottom))


def across(x: float, window: Window, size: tuple[int, int]) -> float:
    """The column of a picture of ``size`` pixels where the world's ``x`` is."""
    return size[0] / 2 + pixels_a_metre(window, size) * (x - (window.left + window.right) / 2)


def ruled(picture: Image.Image, column: float) -> Image.Image:
    """``picture`` with a dashed line from top to bottom."""
    image = picture.copy()
    pen = ImageDraw.Draw(image)
    for top in range(0, image.height, 8):
        pen.line([(column, top), (column, top + 3)], fill=INK)
    return image


def titled(picture: Image.Image, title: str, note: str = "", colour: str = INK) -> Image.Image:
    """``picture`` with a line above it, at whose end is a note of some ``colour``."""
    image = Image.new("RGB", (picture.width, picture.height + BAND), BACKGROUND)
    image.paste(picture, (0, BAND))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    pen.text((6, 3), title, fill=INK, font=font)
    pen.text((image.width - 6, 3), note, fill=colour, font=font, anchor="ra")
    return image


def beside(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of the same height in a row, with a rule between them."""
    image = Image.new("RGB", (sum(one.width for one in pictures) + len(pictures) - 1, pictures[0].height), RULE)
    x = 0
    for one in pictures:
        image.paste(one, (x, 0))
        x += one.width + 1
    return image


def above(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of the same width one above the other."""
    image = Image.new("RGB", (pictures[0].width, sum(one.height for one in pictures)), BACKGROUND)
    y = 0
    for one in pictures:
        image.paste(one, (0, y))
        y += one.height
    return image


def from_pixels(pixels: np.ndarray) -> Image.Image:
    """A picture of [height, width, 3] uint8."""
    return Image.fromarray(pixels, "RGB")


def write_gif(path: Path, frames: Sequence[Image.Image], seconds: float) -> None:
    """``frames`` evenly over ``seconds``, the last ``HOLD`` longer, again and again; whole or not (UserError)."""
    few = [frame.quantize(64, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE) for frame in frames]

    def write(temporary: Path) -> None:
        each = max(20, round(1000 * seconds / len(few)))
        times = [each] * (len(few) - 1) + [each + round(1000 * HOLD)]
        few[0].save(temporary, "GIF", save_all=True, append_images=few[1:], duration=times, loop=0, optimize=True)

    runs.write_atomic(path, write)
