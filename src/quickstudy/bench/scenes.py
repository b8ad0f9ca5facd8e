"""What becomes of drawings on their way to whoever reads them: other pens, other paper, scanners and cameras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

Change = Callable[[Any, np.random.Generator], Any]
"""A Pillow image of dark ink on light paper, and chance -> another one."""
PAGE = (480, 640)


def clean(image: Any, _: np.random.Generator) -> Any:
    """As it is."""
    return image


def inverted(image: Any, _: np.random.Generator) -> Any:
    """Light ink on dark paper."""
    return image.point(lambda light: 255 - light)


def marker(image: Any, _: np.random.Generator) -> Any:
    """A pen twice as thick."""
    from PIL import ImageFilter

    return image.filter(ImageFilter.MinFilter(5))


def fineliner(image: Any, _: np.random.Generator) -> Any:
    """A pen a third as thick, drawn at four times the resolution."""
    from PIL import Image, ImageFilter

    large = image.resize((4 * image.width, 4 * image.height), Image.Resampling.BICUBIC)
    return large.filter(ImageFilter.MaxFilter(13))


def corner(image: Any, chance: np.random.Generator) -> Any:
    """Somewhere on a sheet that is much larger."""
    from PIL import Image

    page = Image.new("L", (PAGE[1], PAGE[0]), 255)
    left, upper = (int(chance.integers(side - own)) for side, own in zip(page.size, image.size, strict=True))
    page.paste(image, (left, upper))
    return page


def cropped(image: Any, _: np.random.Generator) -> Any:
    """Cut off at the ink."""
    return image.crop(inverted(image, _).getbbox())


def photographed(image: Any, chance: np.random.Generator) -> Any:
    """On grey paper, in light from one side, out of focus, with noise."""
    from PIL import Image

    height, width = PAGE
    close = image.resize((height - 60, height - 60), Image.Resampling.BICUBIC)
    page = Image.new("L", (width, height), 255)
    page.paste(close, ((width - close.width) // 2, 30))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    slope = 0.12 * chance.normal(size=2)
    light = 0.6 + slope[0] * x + slope[1] * y - 0.1 * (x * x + y * y)
    scene = ndimage.gaussian_filter((0.25 + 0.75 * np.asarray(page) / 255) * light, 1.5)
    scene += 0.03 * chance.normal(size=scene.shape)
    return Image.fromarray((255 * scene.clip(0, 1)).astype(np.uint8))


SCENES: dict[str, Change] = {
    change.__name__: change for change in (clean, inverted, marker, fineliner, corner, cropped, photographed)
}
