"""Drawings of every size, pen and lighting become the same sheet."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from quickstudy.estimator.sheets import sheet, stroke_width

SIZE = 48


def character(side: int = 105, pen: int = 5) -> Image.Image:
    """A hook and a dot, dark on light, framed as Omniglot frames them."""
    image = Image.new("L", (side, side), 255)
    drawing = ImageDraw.Draw(image)
    at = [(round(x * side), round(y * side)) for x, y in ((0.25, 0.2), (0.3, 0.75), (0.7, 0.8), (0.75, 0.45))]
    drawing.line(at, fill=0, width=pen)
    x, y = round(0.52 * side), round(0.4 * side)
    drawing.ellipse((x - pen, y - pen, x + pen, y + pen), fill=0)
    return image


def inverted(image: Image.Image) -> Image.Image:
    return image.point(lambda light: 255 - light)


def in_a_corner(image: Image.Image) -> Image.Image:
    page = Image.new("L", (800, 600), 255)
    page.paste(image, (40, 30))
    return page


def photographed(image: Image.Image) -> Image.Image:
    """With a shadow, blur and noise."""
    x, y = np.meshgrid(np.linspace(-1, 1, 420), np.linspace(-1, 1, 420))
    light = 0.6 + 0.15 * x - 0.1 * y - 0.1 * (x * x + y * y)
    close = image.resize((420, 420), Image.Resampling.BICUBIC)
    scene = light * (0.3 + 0.7 * np.asarray(close) / 255) + np.random.default_rng(0).normal(0, 0.02, (420, 420))
    return Image.fromarray((255 * scene.clip(0, 1)).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.5))


def overlap(one: Image.Image, other: Image.Image) -> float:
    """Shared ink over all ink, with the ink of both a pixel wider, for a shift by one is none."""
    first, second = (np.asarray(Image.fromarray(sheet(each, SIZE)[0])) for each in (one, other))
    wide = [np.asarray(Image.fromarray(ink).filter(ImageFilter.MaxFilter(3))) > 127 for ink in (first, second)]
    solid = [first > 127, second > 127]
    return float(((solid[0] & wide[1]).sum() + (solid[1] & wide[0]).sum()) / (solid[0].sum() + solid[1].sum()))


def test_what_is_framed_and_penned_as_usual_stays_as_it_is() -> None:
    image = character()
    plain = 255 - np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    assert np.abs(sheet(image, SIZE)[0].astype(int) - plain).max() <= 40  # edges become steeper
    assert np.array_equal(sheet(inverted(image), SIZE), sheet(image, SIZE))


@pytest.mark.parametrize(
    "changed",
    [
        inverted,
        photographed,
        lambda image: character(pen=9),
        lambda image: character(420, pen=6),
        lambda image: character(1600, pen=70),
        lambda image: Image.merge("RGB", [image] * 3).convert("L"),
    ],
    ids=["inverted", "photographed", "thick", "thin", "large", "colour"],
)
def test_pen_light_and_resolution_do_not_matter(changed: Callable[[Image.Image], Image.Image]) -> None:
    assert overlap(character(), changed(character())) > 0.93


def test_place_and_size_do_not_matter_far_from_the_usual() -> None:
    far = in_a_corner(character())
    page = Image.new("L", (1400, 1400), 255)
    page.paste(character(210, 10), (900, 1100))
    assert overlap(far, inverted(page)) > 0.93
    ink = sheet(far, SIZE)[0] > 127
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(0.64 * SIZE, abs=3)
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(SIZE / 2, abs=2)


def test_strokes_get_the_usual_width() -> None:
    for pen in (3, 8, 12):
        ink = sheet(character(210, pen), 96)[0] > 127
        assert stroke_width(ink) == pytest.approx(0.049 * 96, rel=0.35), pen


def test_a_dot_stays_a_dot_and_specks_go() -> None:
    page = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(page).ellipse((20, 20, 32, 32), fill=0)
    ink = sheet(page, SIZE)[0] > 127
    assert 0.1 * SIZE < np.ptp(np.flatnonzero(ink.any(0))) + 1 < 0.25 * SIZE
    dirty = character(420, 20)
    for at in ((10, 10), (400, 15), (200, 405)):
        dirty.putpixel(at, 0)
    assert overlap(character(420, 20), dirty) > 0.99


@pytest.mark.parametrize("light", [0, 127, 255])
def test_blank_paper_is_empty(light: int) -> None:
    assert not sheet(Image.new("L", (200, 100), light), SIZE).any()
    noise = np.random.default_rng(0).integers(max(light - 2, 0), min(light + 3, 256), (100, 100)).astype(np.uint8)
    assert not sheet(Image.fromarray(noise), SIZE).any()


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 300), height=st.integers(1, 300), seed=st.integers(0, 9), share=st.sampled_from((0.01, 0.5))
)
def test_any_picture_becomes_a_sheet(width: int, height: int, seed: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    picture = np.where(draw.random((height, width)) < share, draw.integers(0, 256, (height, width)), 200)
    made = sheet(Image.fromarray(picture.astype(np.uint8)), SIZE)
    assert made.shape == (1, SIZE, SIZE)
    assert made.dtype == np.uint8
