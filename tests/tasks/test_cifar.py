"""CIFAR-FS and FC100 over a made-up archive in the format of the real one, and over the real one where it is."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from python_two import old

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.tasks.places import data_folder
from quickstudy.tasks.vision import cifar_files
from quickstudy.tasks.vision.cifar import divided
from quickstudy.tasks.vision.cifar_files import FOLDER, Part, classes, held, pictures

PARTS = (Part("train", 2), Part("test", 1))
NAMES = sorted(row.name for row in classes())


def labels(each: int) -> list[int]:
    """Every class ``each`` times, out of order."""
    return [(7 * number + 3) % 100 for number in range(100 * each)]


def rows(part: Part) -> np.ndarray:
    """[n, 3072]: red is the label, green the place in the file, blue 200 in the upper left pixel."""
    place = np.arange(100 * part.each)
    data = np.zeros((len(place), 3, 32, 32), np.uint8)
    data[:, 0] = np.array(labels(part.each))[:, None, None]
    data[:, 1] = (place % 256)[:, None, None]
    data[:, 2, 0, 0] = 200
    return data.reshape(len(place), -1)


def files() -> dict[str, bytes]:
    made = {
        part.name: old(
            {
                "filenames": [f"picture_{at}.png" for at in range(100 * part.each)],
                "batch_label": "made up",
                "fine_labels": labels(part.each),
                "coarse_labels": [label // 5 for label in labels(part.each)],
                "data": rows(part),
            }
        )
        for part in PARTS
    }
    return {"file.txt~": b"", **made, "meta": old({"fine_label_names": NAMES, "coarse_label_names": []})}


def write_archive(place: Path, content: dict[str, bytes]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place / f"{FOLDER}.tar.gz", "w:gz") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def write_folder(place: Path, content: dict[str, bytes]) -> None:
    (place / FOLDER).mkdir(parents=True)
    for name, data in content.items():
        (place / FOLDER / name).write_bytes(data)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An empty data folder and an empty cache; a download would fail the test."""

    def no_fetch(url: str, target: Path, *, md5: str, advice: str) -> None:
        raise AssertionError(f"downloads {url}")

    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    monkeypatch.setenv("QUICKSTUDY_DATA", str(data))
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(cache))
    monkeypatch.setattr(cifar_files, "fetch", no_fetch)
    monkeypatch.setattr(cifar_files.pictures, "__defaults__", (PARTS,))
    return data, cache


def test_the_benchmarks_are_divided_as_published() -> None:
    superclass = {row.name: row.superclass for row in classes()}
    assert len(superclass) == 100
    for name, sizes, coarse in (("cifar_fs", (64, 16, 20), None), ("fc100", (60, 20, 20), (12, 4, 4))):
        splits = divided(name)
        assert tuple(map(len, splits.values())) == sizes
        assert len({label for names in splits.values() for label in names}) == 100
        if coarse:
            assert tuple(len({superclass[label] for label in names}) for names in splits.values()) == coarse
    assert {"whale", "poppy", "bed", "leopard", "fox"} <= {*divided("cifar_fs")["test"]}
    assert {superclass[label] for label in divided("fc100")["test"]} == {
        *("aquatic_mammals", "insects", "medium_mammals", "people")
    }


@pytest.mark.parametrize("write", [write_archive, write_folder])
@pytest.mark.parametrize("place", ["data/cifar100", "data", "cache/cifar100"])
def test_archives_and_folders_are_found_and_cached(
    folders: tuple[Path, Path], tmp_path: Path, write: Callable[[Path, dict[str, bytes]], None], place: str
) -> None:
    write(tmp_path / place, files())
    made = pictures(32)
    assert made.counts == {row.name: 3 for row in classes()}
    assert made.images.shape == (300, 3, 32, 32)
    for number, name in enumerate(made.counts):
        label = NAMES.index(name)
        places = [at for part in PARTS for at, known in enumerate(labels(part.each)) if known == label]
        mine = made.images[3 * number : 3 * number + 3]
        assert (mine[:, 0] == label).all()
        assert mine[:, 1, 5, 5].tolist() == places
        assert (mine[:, 2] == 200).sum() == (mine[:, 2, 0, 0] == 200).sum() == 3
    for found in (tmp_path / place).glob(f"{FOLDER}*"):
        found.rename(found.with_name("gone"))
    again = pictures(32)
    assert again.fingerprint == made.fingerprint
    assert torch.equal(again.images, made.images)


def test_families_have_their_own_classes(folders: tuple[Path, Path]) -> None:
    write_archive(folders[0], files())
    for name, train in (("cifar_fs", 64), ("fc100", 60)):
        family = tasks.load(name)
        assert family.spec.shape == (3, 32, 32)
        assert family.spec.classes == train
        assert family.members("test") == {f"cifar100/{label}" for label in divided(name)["test"]}
        task = family.sample("test", torch.arange(20), way=5, shot=1, query=2, seed=0)
        drawn = torch.tensor([NAMES.index(label) for label in divided(name)["test"]])[task.classes]
        shown = (task.support.x[:, :, 0, 9, 9] * 255).round().long()
        assert torch.equal(shown, drawn)
    assert tasks.load("cifar_fs").spec.fingerprint != tasks.load("fc100").spec.fingerprint
    small = tasks.load("fc100:size=16")
    assert small.spec.name == "fc100:size=16"
    assert small.spec.fingerprint == tasks.load("fc100").spec.fingerprint
    assert torch.equal(small.pool("test").x[:, 0, 9, 9], tasks.load("fc100").pool("test").x[:, 0, 9, 9])  # type: ignore[attr-defined]


def test_what_is_missing_is_downloaded(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(url: str, target: Path, *, md5: str, advice: str) -> None:
        asked.append((url, target, md5))
        write_archive(target.parent, files())

    monkeypatch.setattr(cifar_files, "fetch", fetch)
    assert len(pictures(32).images) == 300
    (once,) = asked
    assert once == (cifar_files.URL, folders[1] / "cifar100" / f"{FOLDER}.tar.gz", cifar_files.MD5)


def other(name: str, **changes: object) -> dict[str, bytes]:
    (part,) = (part for part in PARTS if part.name == name)
    content = {"fine_labels": labels(part.each), "data": rows(part), **changes}
    return {**files(), name: old({key: value for key, value in content.items() if value is not None})}


BAD = {
    "no archive": (b"404: not found", "no readable archive"),
    "nothing": (b"", "no readable archive"),
    "cut off": (lambda content: content[: len(content) // 2], "cannot be read"),
    "no meta": ({key: value for key, value in files().items() if key != "meta"}, "a file meta that cannot be read"),
    "ten classes": ({**files(), "meta": old({"fine_label_names": NAMES[:10]})}, "other classes than CIFAR-100"),
    "hostile": ({**files(), "train": b"cos\nsystem\n(S'false'\ntR."}, "a file train that cannot be read .*calls"),
    "no data": (other("train", data=None), "a file train without pictures"),
    "fewer": (other("test", data=rows(PARTS[1])[:-1]), "a file test without pictures"),
    "text": (other("train", data="text"), "a file train without pictures"),
    "no labels": (other("train", fine_labels=labels(2)[:-1]), "a file train without a label"),
    "odd labels": (other("train", fine_labels=["text"] * 200), "a file train without a label"),
    "large labels": (other("train", fine_labels=[200] * 200), "a file train without a label"),
    "uneven": (other("train", fine_labels=[5] * 200), "a file train without 2 pictures"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_archives_say_what_was_found_and_what_to_do(folders: tuple[Path, Path], case: str) -> None:
    content, words = BAD[case]
    path = folders[0] / f"{FOLDER}.tar.gz"
    write_archive(folders[0], content if isinstance(content, dict) else files())
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif callable(content):
        path.write_bytes(content(path.read_bytes()))
    with pytest.raises(UserError, match=words) as caught:
        pictures(32)
    assert f"Replace it with the original from {cifar_files.URL}" in str(caught.value)


@pytest.mark.parametrize("name", ["cifar_fs:size=7", "fc100:size=4000"])
def test_sizes_have_a_range(name: str) -> None:
    with pytest.raises(UserError, match="pixels a side"):
        tasks.load(name)


def test_the_real_pictures() -> None:
    own = data_folder()
    if own is None or held(own / "nowhere", own) is None:
        pytest.skip(f"the real pictures are needed: put {FOLDER}.tar.gz into the folder that QUICKSTUDY_DATA names")
    made = pictures(32)
    assert made.images.shape == (60000, 3, 32, 32)
    assert 0.4 < float(made.images[::100].float().mean()) / 255 < 0.6
    assert tasks.load("fc100").spec.classes == 60
