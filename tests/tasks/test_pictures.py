"""Pictures of every kind become the same small square."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from quickstudy.tasks.vision.pictures import square

RED, GREEN, BLUE, WHITE = (250, 10, 20), (10, 240, 30), (30, 20, 230), (255, 255, 255)


def quarters(width: int = 200, height: int = 120) -> Image.Image:
    """Red and green above blue and white."""
    image = Image.new("RGB", (2, 2))
    for at, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        image.putpixel((at % 2, at // 2), colour)
    return image.resize((width, height), Image.Resampling.NEAREST)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def corners(made: object) -> list[list[int]]:
    assert isinstance(made, np.ndarray)
    return [made[:, y, x].tolist() for y, x in ((2, 2), (2, -3), (-3, 2), (-3, -3))]


def near(made: object, *colours: tuple[int, ...]) -> bool:
    return bool(np.abs(np.array(corners(made)) - np.array(colours)).max() <= 6)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
@pytest.mark.parametrize("size", [16, 84])
def test_every_kind_gives_the_same_square(kind: str, size: int) -> None:
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    made = square(saved(quarters(), kind, **options), size, 3)
    assert isinstance(made, np.ndarray)
    assert made.shape == (3, size, size)
    assert made.dtype == np.uint8
    assert near(made, RED, GREEN, BLUE, WHITE)


def test_a_pixel_is_the_average_of_those_it_stands_for() -> None:
    """Stripes of black and white become grey, whether or not a JPEG is decoded at a fraction of its size."""
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    for kind in ("PNG", "JPEG"):
        made = square(saved(Image.fromarray(stripes), kind), 32, 3)
        assert isinstance(made, np.ndarray)
        assert np.abs(made[:, 4:-4, 4:-4].astype(int) - 127).max() <= 4


def test_a_large_jpeg_is_what_its_pixels_give() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((1000, 800), Image.Resampling.BICUBIC)
    made = square(saved(image, "JPEG", quality=95), 64, 3)
    assert isinstance(made, np.ndarray)
    expected = np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert np.abs(made.astype(int) - expected).mean() < 3


def test_photographs_stand_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned clockwise by 90 degrees
    made = square(saved(quarters(), "JPEG", quality=95, exif=turned), 32, 3)
    assert near(made, BLUE, RED, WHITE, GREEN)


def test_transparency_is_laid_on_white() -> None:
    image = quarters().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    assert near(square(saved(image, "PNG"), 32, 3), WHITE, WHITE, WHITE, WHITE)
    half = quarters().convert("RGBA")
    half.putalpha(128)
    assert near(
        square(saved(half, "PNG"), 32, 3), *([(value + 255) // 2 for value in c] for c in (RED, GREEN, BLUE, WHITE))
    )  # type: ignore[arg-type]


def test_greys_of_eight_and_sixteen_bits_and_other_colours() -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(64, 0)
    deep, plain = Image.fromarray(ramp), Image.fromarray((ramp / 257).round().astype(np.uint8))
    one, other = (square(saved(image, "PNG"), 16, 1) for image in (deep, plain))
    assert isinstance(one, np.ndarray)
    assert isinstance(other, np.ndarray)
    assert one.shape == (1, 16, 16)
    assert np.abs(one.astype(int) - other).max() <= 1
    assert near(square(saved(quarters().convert("CMYK"), "TIFF"), 32, 3), RED, GREEN, BLUE, WHITE)
    palette = quarters().quantize(16)
    assert near(square(saved(palette, "PNG"), 32, 3), RED, GREEN, BLUE, WHITE)
    grey = square(saved(quarters(), "PNG"), 32, 1)
    assert np.abs(np.array(corners(grey)).ravel() - [83, 147, 47, 255]).max() <= 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no picture of a known kind"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture of a known kind"),
        (saved(quarters(), "PNG")[:80], "OSError|SyntaxError"),
        (saved(quarters(), "JPEG")[:700], "OSError"),
        (saved(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "floating-point"),
    ],
)
def test_what_is_no_picture_says_why(content: bytes, words: str) -> None:
    made = square(content, 16, 3)
    assert isinstance(made, str)
    assert re.search(words, made), made
