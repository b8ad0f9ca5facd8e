"""Crops, flips and colours of training images against plain slices and Pillow's own enhancers."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torch.nn import functional as F

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.vision.augment import Augment, jittered, shifted

INDEX = torch.arange(6)
ASKED = {"way": 3, "shot": 1, "query": 2, "seed": 0}
KEYS = draw.keys(torch.arange(400), "test")


def test_a_shifted_image_is_a_crop_of_the_padded_one() -> None:
    images = torch.rand(400, 3, 8, 8)
    made = shifted(images, KEYS, 2, flip=True)
    padded = F.pad(images, (2, 2, 2, 2))
    seen = set()
    for image, frame in zip(made, padded, strict=True):
        crops = {(down, right): frame[:, down : down + 8, right : right + 8] for down in range(5) for right in range(5)}
        found = [(place, False) for place, crop in crops.items() if torch.equal(image, crop)]
        found += [(place, True) for place, crop in crops.items() if torch.equal(image, crop.flip(-1))]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) == 50


def test_without_a_frame_or_flips_nothing_moves() -> None:
    images = torch.rand(400, 1, 5, 7)
    assert torch.equal(shifted(images, KEYS, 0, flip=False), images)
    mirrored = shifted(images, KEYS, 0, flip=True)
    turned = torch.tensor([torch.equal(one, other.flip(-1)) for one, other in zip(mirrored, images, strict=True)])
    assert 150 < int(turned.sum()) < 250
    assert torch.equal(mirrored[~turned], images[~turned])


def test_colours_change_as_pillow_changes_them() -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(90, 140, (20, 12, 12, 3), dtype=np.uint8)  # far from black and white: no clipping
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    made = jittered(images, KEYS[:20], 0.4)
    factors = draw.uniform(KEYS[:20], 3, "jitter", 0.6, 1.4).tolist()
    for image, original, (light, contrast, colour) in zip(made, pixels, factors, strict=True):
        expected = ImageEnhance.Color(Image.fromarray(original)).enhance(colour)
        expected = ImageEnhance.Contrast(expected).enhance(contrast)
        expected = ImageEnhance.Brightness(expected).enhance(light)
        difference = image.permute(1, 2, 0).numpy() * 255 - np.asarray(expected, np.float64)
        assert np.abs(difference).max() < 4  # Pillow rounds three times
    assert len({round(factor, 4) for row in factors for factor in row}) == 60
    assert not jittered(images, KEYS[:20], 0.0).sub(images).any()


def test_colours_stay_in_range_and_greys_stay_grey() -> None:
    images = torch.rand(400, 3, 6, 6)
    made = jittered(images, KEYS, 1.0)
    assert made.min() >= 0
    assert made.max() <= 1
    grey = torch.rand(400, 1, 6, 6).expand(-1, 3, -1, -1)
    made = jittered(grey, KEYS, 0.4)
    assert torch.allclose(made[:, 0], made[:, 2], atol=1e-6)
    assert torch.allclose(jittered(grey[:, :1], KEYS, 0.4), made[:, :1], atol=1e-6)


def test_training_images_only_change_and_are_reproducible() -> None:
    plain, changed = tasks.load("glyphs"), tasks.load("glyphs+augment")
    assert changed.spec.shape == plain.spec.shape
    for split in ("val", "test"):
        one, other = (family.sample(split, INDEX, **ASKED) for family in (plain, changed))  # type: ignore[arg-type]
        assert torch.equal(one.query.x, other.query.x)
        assert torch.equal(plain.tasks(split)[0].x, changed.tasks(split)[0].x)  # type: ignore[arg-type]
    train = changed.sample("train", INDEX, **ASKED)
    assert not torch.equal(train.query.x, plain.sample("train", INDEX, **ASKED).query.x)
    alone = changed.sample("train", INDEX[2:3], **ASKED)
    assert torch.equal(alone.query.x[0], train.query.x[2])
    assert torch.equal(alone.support.x[0], train.support.x[2])
    assert torch.equal(train.query.y, plain.sample("train", INDEX, **ASKED).query.y)


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("glyphs+augment:pad=-1:flip=true:jitter=0.4", "glyphs+augment"),
        ("glyphs+augment:jitter=0:pad=4:flip=False", "glyphs+augment:pad=4:flip=false:jitter=0"),
    ],
)
def test_names_are_canonical(name: str, canonical: str) -> None:
    family = tasks.load(name)
    assert isinstance(family, Augment)
    assert family.spec.name == canonical
    assert family.pad == (3 if canonical == "glyphs+augment" else 4)


@pytest.mark.parametrize("options", ["pad=28", "pad=-2", "jitter=2", "jitter=nan"])
def test_options_out_of_range(options: str) -> None:
    with pytest.raises(UserError, match="expected pad from 0 to 27"):
        tasks.load(f"glyphs+augment:{options}")
    with pytest.raises(UserError, match="augment takes images"):
        tasks.load("sinusoid+augment")
