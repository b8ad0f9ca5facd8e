"""The 160 classes of Tiny ImageNet over made-up pictures, and over the real ones where they are."""

from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
import torch
from picture_files import picture, write

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.tasks.places import data_folder
from quickstudy.tasks.vision.folders import listing
from quickstudy.tasks.vision.tiny_imagenet import NAME

LINES = resources.files("quickstudy.tasks").joinpath(f"data/{NAME}.txt").read_text("utf-8").splitlines()[1:]


def made_up(root: Path) -> None:
    for split in ("train", "val", "test"):
        names = [line.split()[1] for line in LINES if line.startswith(split)]
        write(root / f"{split}.zip", {f"{name}/{at}.jpg": picture("a.jpg") for name in names for at in range(3)})


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


def test_splits_are_those_of_the_list(data: Path) -> None:
    made_up(data / NAME)
    family = tasks.load(NAME)
    assert family.spec.shape == (3, 32, 32)
    assert family.spec.classes == 100
    found = {split: family.members(split) or frozenset() for split in family.splits}
    assert {split: len(names) for split, names in found.items()} == {"train": 100, "val": 20, "test": 40}
    assert len(frozenset.union(*found.values())) == 160
    for split, names in found.items():
        assert all(f"{split} {name.partition('/')[2]}" in LINES for name in names)
    same = tasks.load(f"images:path={NAME}:size=32")
    assert same.members("test") == found["test"]
    assert same.spec.fingerprint == family.spec.fingerprint
    assert tasks.load(f"{NAME}:size=16:grey=true").spec.shape == (1, 16, 16)


def test_a_folder_that_is_not_there_or_foreign(data: Path) -> None:
    with pytest.raises(UserError, match=r"is not in .*data/tiny_imagenet_32 or .*cache.* no download"):
        tasks.load(NAME)
    write(data / NAME, {f"train/kind{at}/1.png": picture("a.png") for at in range(5)})
    with pytest.raises(UserError, match=r"that is not in .*tiny_imagenet_32"):
        tasks.load(NAME)


def real() -> Path:
    own = data_folder()
    if own is None or not (own / NAME).is_dir():
        pytest.skip(f"the real pictures are needed: set QUICKSTUDY_DATA to the folder that has {NAME}")
    return own / NAME


def test_the_real_folder_has_the_listed_classes() -> None:
    found = listing(real())
    assert {f"{split} {name}" for split, names in found.splits.items() for name in names} == set(LINES)
    assert set(Counter(found.labels).values()) == {300}


def test_the_real_pictures_of_one_split() -> None:
    family = tasks.load(f"images:path={real() / 'val.zip'}:size=32:val=0:test=1")
    task = family.sample("test", torch.arange(50), way=5, shot=5, query=15, seed=0)
    assert task.query.x.shape == (50, 75, 3, 32, 32)
    assert bool(task.query.mask.all())
    assert 0.4 < float(task.query.x.mean()) < 0.5
    assert float(task.query.x.std()) > 0.2
    assert len(family.members("test") or ()) == 20
    assert all(f"val {name.removeprefix(NAME + '/')}" in LINES for name in family.members("test") or ())


@pytest.mark.slow
def test_all_real_pictures() -> None:
    real()
    family = tasks.load(NAME)
    for split, classes in (("train", 100), ("val", 20), ("test", 40)):
        whole = family.tasks(split)  # type: ignore[arg-type]
        assert len(whole) == classes
        assert whole[classes - 1].x.shape == (300, 3, 32, 32)
