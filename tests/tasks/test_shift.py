"""Changed inputs: what changes, what stays, and what a kind of change does to an image that is known."""

import math

import pytest
import torch

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.tasks.vision.shift import (
    BLUR,
    KINDS,
    MOST,
    NOISE,
    ROTATION,
    Shift,
    add_noise,
    add_strokes,
    blur,
    rotate,
)

INDEX = torch.arange(4)
ASKED = {"way": 3, "shot": 2, "query": 3, "seed": 0}


@pytest.mark.parametrize("kind", KINDS)
def test_queries_change_and_nothing_else_does(kind: str) -> None:
    plain, shifted = tasks.load("glyphs"), tasks.load(f"glyphs+shift:kind={kind}:strength=2")
    one, other = (family.sample("test", INDEX, **ASKED) for family in (plain, shifted))
    assert torch.equal(one.support.x, other.support.x)
    assert torch.equal(one.query.y, other.query.y)
    assert torch.equal(one.classes, other.classes)
    assert (one.query.x - other.query.x).abs().amax((-1, -2, -3)).min() > 0.05
    assert 0 <= other.query.x.min() <= other.query.x.max() <= 1
    assert shifted.members("test") == plain.members("test")
    everywhere = Shift(plain, kind=kind, strength=2, on="all").sample("test", INDEX, **ASKED)
    assert not torch.equal(one.support.x, everywhere.support.x)
    assert torch.equal(other.query.x, everywhere.query.x)


@pytest.mark.parametrize("kind", KINDS)
def test_no_strength_is_no_change_and_a_little_is_a_little(kind: str) -> None:
    plain = tasks.load("glyphs").sample("test", INDEX, **ASKED).query.x
    for strength, most in ((0.0, 0.0), (1e-3, 1e-2)):
        changed = Shift(tasks.load("glyphs"), kind=kind, strength=strength).sample("test", INDEX, **ASKED).query.x
        assert (plain - changed).abs().max() <= most


@pytest.mark.parametrize("kind", KINDS)
def test_draws_nest_and_depend_on_no_batch(kind: str) -> None:
    family = Shift(tasks.load("glyphs"), kind=kind, strength=2, on="all")
    base = family.sample("val", INDEX, **ASKED)
    alone = family.sample("val", INDEX[2:3], **ASKED)
    assert torch.allclose(alone.query.x[0], base.query.x[2], atol=1e-6)
    more = family.sample("val", INDEX, **(ASKED | {"way": 5, "shot": 4}))
    assert torch.allclose(more.query.x[:, :9], base.query.x, atol=1e-6)
    supports = more.support.x.unflatten(1, (5, 4))[:, :3, :2].flatten(1, 2)
    assert torch.allclose(supports, base.support.x, atol=1e-6)


def test_whole_tasks_change_where_the_support_does() -> None:
    plain = tasks.load("glyphs:classes=5").tasks("train")[1]
    queries, everything = (tasks.load(f"glyphs:classes=5+shift:on={on}").tasks("train") for on in ("query", "all"))
    assert torch.equal(queries[1].x, plain.x)
    assert everything[1].x.shape == plain.x.shape
    assert not torch.equal(everything[1].x, plain.x)
    assert torch.equal(everything[1].x, everything[1].x)
    assert len(everything) == 5


def test_noise_has_the_deviation_that_it_says() -> None:
    noise = add_noise(torch.zeros(50, 1, 28, 28), torch.arange(50), 2.0)
    assert noise.mean().abs() < 0.005
    assert noise.std() == pytest.approx(2 * NOISE, rel=0.02)


def test_blur_keeps_the_ink_and_spreads_a_point_as_a_gaussian() -> None:
    point = torch.zeros(1, 1, 51, 51, dtype=torch.float64)
    point[..., 25, 25] = 1
    smooth = blur(point, torch.zeros(1, dtype=torch.int64), 2.0)
    assert smooth.sum() == pytest.approx(1)
    across = torch.arange(51, dtype=torch.float64) - 25
    assert (smooth[0, 0].sum(0) * across.square()).sum().sqrt() == pytest.approx(2 * BLUR * 51, rel=0.02)


def test_an_image_is_turned_by_the_angle_that_it_says() -> None:
    x, y = torch.meshgrid(*[torch.linspace(-1, 1, 64, dtype=torch.float64)] * 2, indexing="xy")
    image = ((x - 0.5).square() + y.square() < 0.04).double()[None, None].expand(20, -1, -1, -1)
    turned = rotate(image, torch.arange(20), 3.0)[:, 0]
    centre = torch.stack([(turned * axis).sum((-1, -2)) / turned.sum((-1, -2)) for axis in (x, y)], -1)
    angle = torch.atan2(centre[:, 1], centre[:, 0])
    assert angle.abs().sub(3 * ROTATION).abs().max() < 0.01
    assert {*angle.sign().tolist()} == {-1.0, 1.0}
    assert centre.norm(dim=-1).sub(0.5).abs().max() < 0.01


def test_contrast_is_halved_about_the_mean() -> None:
    plain = tasks.load("glyphs").sample("test", INDEX, **ASKED).query.x
    faint = Shift(tasks.load("glyphs"), kind="contrast", strength=2).sample("test", INDEX, **ASKED).query.x
    assert torch.allclose(faint.mean((-1, -2)), plain.mean((-1, -2)), atol=1e-6)
    assert torch.allclose(faint.std((-1, -2)), plain.std((-1, -2)) / 4, atol=1e-6)


def test_strokes_add_ink_and_more_of_them_more() -> None:
    blank, keys = torch.zeros(10, 1, 28, 28), torch.arange(10)
    one, half_more, two = (add_strokes(blank, keys, strength) for strength in (1.0, 1.5, 2.0))
    assert one.amax((-1, -2)).min() == 1
    assert (one <= half_more).all()
    assert (half_more <= two).all()
    assert (one.sum((-1, -2)) < two.sum((-1, -2))).all()


def test_numbers_have_noise_alone_and_no_limits() -> None:
    plain = tasks.load("sinusoid").sample("test", INDEX, way=0, shot=3, query=200, seed=0)
    noisy = tasks.load("sinusoid+shift:strength=2").sample("test", INDEX, way=0, shot=3, query=200, seed=0)
    assert torch.equal(plain.query.y, noisy.query.y)
    assert (noisy.query.x - plain.query.x).std() == pytest.approx(2 * NOISE, rel=0.1)
    assert noisy.query.x.min() < -1
    without = Shift(tasks.load("sinusoid"), on="all").sample("test", INDEX, way=0, shot=0, query=2, seed=0)
    assert without.support.x.shape == (4, 0, 1)


def test_a_shifted_mixture_is_a_mixture_of_shifted_families() -> None:
    whole = Shift(tasks.load("glyphs:classes=30,2*glyphs:classes=40"), kind="blur", strength=1.5)
    options = "shift:kind=blur:strength=1.5"
    assert whole.spec.name == f"1*glyphs:classes=30+{options},2*glyphs:classes=40+{options}"
    parts = tasks.load(whole.spec.name)
    one, other = (family.sample("test", torch.arange(8), **ASKED) for family in (whole, parts))
    assert torch.allclose(one.query.x, other.query.x, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sinusoid+shift:kind=blur", "Use kind=noise"),
        ("glyphs+shift:kind=blurr", "Did you mean blur"),
        (f"glyphs+shift:strength={MOST + 1}", "expected a number from 0 to 8"),
        (f"glyphs+shift:strength={math.nan}", "expected a number from 0 to 8"),
        ("glyphs+shift:on=support", "value of shift:on"),
    ],
)
def test_shifts_that_there_are_not(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        tasks.load(name)
