"""Names of families, sine waves, warps and mixtures."""

import math
from pathlib import Path

import pytest
import torch
from torch.utils import _pytree as pytree

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.tasks.base import OnDevice
from quickstudy.tasks.places import find, held
from quickstudy.tasks.sinusoid import Sinusoid
from quickstudy.tasks.vision.warp import Warp, affine, resize

INDEX = torch.arange(6)
ASKED = {"way": 3, "shot": 1, "query": 2, "seed": 0}


def test_sine_waves_are_sine_waves_in_the_published_ranges() -> None:
    task = Sinusoid().sample("train", torch.arange(500), way=0, shot=20, query=20, seed=0)
    x, y = task.support.x.squeeze(-1).double(), task.support.y.squeeze(-1).double()
    basis = torch.stack([torch.sin(x), torch.cos(x)], -1)
    fit = torch.linalg.lstsq(basis, y.unsqueeze(-1)).solution.squeeze(-1)
    assert (basis @ fit.unsqueeze(-1)).squeeze(-1).sub(y).abs().max() < 1e-5
    amplitude, phase = fit.norm(dim=-1), torch.atan2(-fit[:, 1], fit[:, 0])
    assert 0.1 <= amplitude.min() < 0.3
    assert 4.8 < amplitude.max() <= 5.0
    assert phase.min() >= -1e-4
    assert phase.max() <= math.pi + 1e-4
    assert x.abs().max() <= 5


def test_sine_queries_do_not_depend_on_the_shots() -> None:
    none = Sinusoid().sample("val", INDEX, way=0, shot=0, query=10, seed=0)
    five = Sinusoid().sample("val", INDEX, way=0, shot=5, query=10, seed=0)
    ten = Sinusoid().sample("val", INDEX, way=0, shot=10, query=10, seed=0)
    assert none.support.x.shape == (6, 0, 1)
    assert torch.equal(none.query.x, five.query.x)
    assert torch.equal(five.support.x, ten.support.x[:, :5])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("omniglott", "Did you mean omniglot"),
        ("glyphs:sizes=28", "Did you mean size"),
        ("glyphs:size", "has no value"),
        ("glyphs:size=big", "expected int"),
        ("glyphs+wrap", "Did you mean warp"),
        ("sinusoid+warp", "warp takes images"),
        ("glyphs,sinusoid", "cannot be mixed"),
        ("glyphs,glyphs:size=32", "cannot be mixed"),
        ("0*glyphs,glyphs", "must be a positive number"),
        ("x*glyphs,glyphs", "must be a positive number"),
        ("glyphs+warp:strength=9", "strength"),
        ("sinusoid+augment", "augment takes images"),
        ("glyphs+augment:pad=28", "expected pad from 0 to 27"),
        ("images", "images needs a folder of class folders"),
        ("images:path=/nowhere/birds", "there is no /nowhere/birds"),
        ("images:pat=/nowhere", "Did you mean path"),
        ("cifar_fs:size=2", "8 to 1024 pixels"),
        ("tiny_imagenet_32:size=2", "8 to 1024 pixels"),
        ("", "unknown task family"),
    ],
)
def test_names_that_mean_nothing_are_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        tasks.load(name)


@pytest.mark.parametrize(
    "name",
    [
        "sinusoid",
        "functions:noise=0.5",
        "glyphs",
        "glyphs:size=32",
        "glyphs+warp:size=24",
        "glyphs+augment:pad=2",
        "glyphs,2*glyphs+warp",
    ],
)
def test_a_name_loads_the_family_that_it_names(name: str) -> None:
    family = tasks.load(name)
    again = tasks.load(family.spec.name)
    assert again.spec == family.spec
    one, other = (f.sample("test", INDEX, **ASKED) for f in (family, again))
    assert torch.equal(one.support.x, other.support.x)
    assert one.support.x.shape[2:] == family.spec.shape


def test_warps_change_training_images_only_and_are_reproducible() -> None:
    plain, warped = tasks.load("glyphs"), tasks.load("glyphs+warp")
    train = warped.sample("train", INDEX, **ASKED)
    assert torch.equal(warped.sample("test", INDEX, **ASKED).query.x, plain.sample("test", INDEX, **ASKED).query.x)
    assert not torch.equal(train.query.x, plain.sample("train", INDEX, **ASKED).query.x)
    alone = warped.sample("train", INDEX[2:3], **ASKED)
    assert torch.allclose(alone.query.x[0], train.query.x[2], atol=1e-6)
    assert torch.equal(alone.query.y[0], train.query.y[2])
    assert train.query.x.min() >= 0
    assert train.query.x.max() <= 1


def test_a_warp_without_strength_is_the_image() -> None:
    x = torch.rand(4, 1, 28, 28)
    straight = Warp(tasks.load("glyphs"), strength=1e-6).warp(x, torch.arange(4))
    thick = torch.nn.functional.max_pool2d(x, 3, 1, 1)
    assert all(
        torch.allclose(a, b, atol=1e-3) or torch.allclose(a, c, atol=1e-3)
        for a, b, c in zip(straight, x, thick, strict=True)
    )
    assert torch.allclose(affine(torch.arange(4), 0.0), torch.eye(2, 3).expand(4, -1, -1))


def test_a_test_image_is_as_sharp_as_a_warped_one() -> None:
    """Resized as by the warp that moves nothing, so that training and test images differ in the warp alone."""
    x = torch.rand(4, 1, 64, 64)
    family = Warp(tasks.load("glyphs:size=64"), size=48, strength=1e-6)
    straight = family.warp(x, torch.arange(4))
    resized = resize(x, 48)
    thick = torch.nn.functional.max_pool2d(resized, 3, 1, 1)
    for image, plain, dilated in zip(straight, resized, thick, strict=True):
        assert torch.allclose(image, plain, atol=1e-3) or torch.allclose(image, dilated, atol=1e-3)


def test_whole_tasks_of_a_mixture_are_those_of_its_families_in_turn() -> None:
    one, other = tasks.load("glyphs:classes=3").tasks("train"), tasks.load("glyphs:classes=30+warp").tasks("train")
    mixed = tasks.load("glyphs:classes=3,glyphs:classes=30+warp").tasks("train")
    assert len(mixed) == 33
    for number in (0, 2, 3, 28, 32):
        expected = one[number] if number < 3 else other[number - 3]
        assert torch.equal(mixed[number].x, expected.x)
    with pytest.raises(IndexError):
        mixed[33]
    assert len(list(mixed)) == 33


def test_a_mixture_draws_in_its_proportions_and_keeps_episodes_whole() -> None:
    mixed = tasks.load("3*glyphs,glyphs:classes=50")
    family_a, family_b = tasks.load("glyphs"), tasks.load("glyphs:classes=50")
    index = torch.arange(200)
    task = mixed.sample("train", index, **ASKED)
    one = family_a.sample("train", index, **ASKED)
    other = family_b.sample("train", index, **ASKED)
    from_one = torch.tensor(
        [torch.allclose(a, b, atol=1e-5) for a, b in zip(task.support.x, one.support.x, strict=True)]
    )
    from_other = torch.tensor(
        [torch.allclose(a, b, atol=1e-5) for a, b in zip(task.support.x, other.support.x, strict=True)]
    )
    assert (from_one ^ from_other).all()
    assert 0.65 < from_one.double().mean() < 0.85


def test_classes_of_mixed_families_are_told_apart() -> None:
    mixed = tasks.load("glyphs:classes=30,glyphs:classes=50")
    assert mixed.spec.classes == 80
    drawn = mixed.sample("train", torch.arange(300), **ASKED).classes
    assert drawn.min() >= 0
    assert drawn.max() < 80
    assert (drawn < 30).any(-1).eq((drawn < 30).all(-1)).all()


def test_waves_have_no_negative_number_of_points() -> None:
    with pytest.raises(UserError, match="shot is -1"):
        tasks.load("sinusoid").sample("test", INDEX, way=0, shot=-1, query=5, seed=0)


@pytest.mark.parametrize("name", ["sinusoid", "functions", "tables"])
def test_families_that_compute_on_any_device_do(name: str) -> None:
    family = tasks.load(name)
    assert isinstance(family, OnDevice)
    # a device without numbers: whatever was made on another one, or read back from it, is an error there
    drawn = family.sample("train", torch.arange(3, device="meta"), way=2, shot=2, query=2, seed=0)
    assert {leaf.device.type for leaf in pytree.tree_leaves(drawn)} == {"meta"}


def test_a_data_set_is_found_whatever_a_folder_here_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data/pk").mkdir(parents=True)
    (tmp_path / "pk").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path / "data"))
    assert held("pk") == tmp_path / "data/pk"
    assert find("pk") == tmp_path / "pk"
    monkeypatch.delenv("QUICKSTUDY_DATA")
    assert held("pk") == tmp_path / "pk"
