"""One's own pictures: layouts, splits, odd files, the cache, and what is said where something is wrong."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from picture_files import coloured, picture, write

from quickstudy import runs, tasks
from quickstudy.errors import UserError
from quickstudy.tasks.vision.folders import listing
from quickstudy.tasks.vision.images import Images

DIVIDED = {
    **coloured(4, prefix="train/"),
    **coloured(2, prefix="Validation/", first=4),
    **coloured(3, prefix="test/", first=6),
}


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("QUICKSTUDY_DATA", raising=False)
    return tmp_path


def made(path: Path, **options: object) -> Images:
    return Images(path=str(path), size=8, **options)  # type: ignore[arg-type]


def members(family: Images) -> dict[str, list[str]]:
    """The classes of each split, without their namespace."""
    return {split: sorted(name.split("/")[1] for name in family.members(split) or ()) for split in family.splits}


def everything(family: Images) -> list[str]:
    return [name for names in members(family).values() for name in names]


def kinds(*numbers: int) -> list[str]:
    return [f"kind{number:02}" for number in numbers]


def inside(prefix: str, content: dict[str, bytes]) -> dict[str, bytes]:
    return {prefix + name: data for name, data in content.items()}


@pytest.mark.parametrize("root", ["birds", "birds.zip"])
@pytest.mark.parametrize("prefix", ["", "birds/", "a/b/"])
def test_split_folders_say_what_each_split_has(folders: Path, root: str, prefix: str) -> None:
    family = made(write(folders / root, inside(prefix, DIVIDED)))
    assert members(family) == {"train": kinds(0, 1, 2, 3), "val": kinds(4, 5), "test": kinds(6, 7, 8)}
    assert family.spec.classes == 4
    assert family.members("val") == {"birds/kind04", "birds/kind05"}


def test_splits_may_be_archives_in_a_folder(folders: Path) -> None:
    write(folders / "birds/train.zip", coloured(4))
    write(folders / "birds/val.zip", coloured(2, prefix="val/", first=4))
    write(folders / "birds/test.zip", coloured(3, prefix="a/", first=6))
    write(folders / "birds", {"README.md": b"about"})
    packed = made(folders / "birds")
    plain = made(write(folders / "plain", DIVIDED))
    assert members(packed) == members(plain)
    assert packed.spec.fingerprint == plain.spec.fingerprint
    assert torch.equal(packed.pool("train").x, plain.pool("train").x)
    one = made(folders / "birds/test.zip", val=0.0, test=1.0)
    assert one.members("test") == packed.members("test")


def test_pictures_deeper_down_belong_to_their_class(folders: Path) -> None:
    family = made(
        write(
            folders / "birds",
            {f"kind{number:02}/images/{at}.png": picture(".png") for number in range(6) for at in "ab"},
        )
    )
    assert sorted(everything(family)) == kinds(*range(6))


def test_a_class_may_be_called_train(folders: Path) -> None:
    family = made(write(folders / "vehicles", {**coloured(6), **{f"train/{at}.png": picture(".png") for at in "ab"}}))
    assert "train" in everything(family)


@pytest.mark.parametrize(("val", "test", "sizes"), [(0.2, 0.2, (12, 4, 4)), (0, 0.5, (10, 10)), (0.01, 0, (18, 2))])
def test_chance_divides_classes_by_their_names(folders: Path, val: float, test: float, sizes: tuple[int, ...]) -> None:
    family = made(write(folders / "birds", coloured(20, each=2)), val=val, test=test)
    found = members(family)
    assert tuple(map(len, found.values())) == sizes
    assert sorted(everything(family)) == kinds(*range(20))
    elsewhere = made(write(folders / "other.zip", coloured(20, each=2)), val=val, test=test)
    assert members(elsewhere) == found
    assert elsewhere.spec.fingerprint == family.spec.fingerprint


def test_all_may_be_test_classes(folders: Path) -> None:
    family = made(write(folders / "birds", coloured(3)), val=0.0, test=1.0)
    assert members(family) == {"test": kinds(0, 1, 2)}
    assert family.spec.classes == 0
    with pytest.raises(UserError, match="no split 'train'"):
        family.sample("train", torch.arange(1), way=2, shot=1, query=1, seed=0)


def test_lists_say_what_each_split_has(folders: Path) -> None:
    lists = folders / "lists.txt"
    lists.write_text("# mine\ntest kind01\ntrain\tkind04\n\ntrain  kind00\ntest kind05\n")
    root = write(folders / "birds", coloured(6))
    family = made(root, lists=str(lists))
    assert members(family) == {"train": kinds(0, 4), "test": kinds(1, 5)}
    assert tasks.load(family.spec.name).spec == family.spec
    assert family.spec.fingerprint != made(root).spec.fingerprint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train kind00\ntest kind99", "line 2.*'kind99'. Did you mean kind"),
        ("train kind00\nkind01", r"line 2 is 'kind01'; expected train, val or test"),
        ("train kind00\ntest kind00", "line 2: class 'kind00' is there twice"),
        ("train kind00\n", "has 6 classes, and 1 of them for train"),
        ("# nothing", "no class of .* is listed"),
        (None, "cannot be read"),
    ],
)
def test_lists_that_mean_nothing(folders: Path, text: str | None, words: str) -> None:
    if text is not None:
        (folders / "lists.txt").write_text(text)
    with pytest.raises(UserError, match=words):
        made(write(folders / "birds", coloured(6)), lists=str(folders / "lists.txt"))


def test_episodes_show_what_was_in_the_files(folders: Path) -> None:
    family = made(write(folders / "birds", DIVIDED))
    task = family.sample("test", torch.arange(30), way=3, shot=1, query=2, seed=0)
    assert task.support.x.shape == (30, 3, 3, 8, 8)
    red = (task.support.x[:, :, 0, 4, 4] * 255).round()
    assert torch.equal(red.long() - 6, task.classes)
    both = torch.cat([task.support.x, task.query.x], 1)[:, :, 1, 0, 0].mul(255).round()
    assert torch.equal(both.sort(-1).values[0], torch.tensor([0.0, 0, 0, 10, 10, 10, 20, 20, 20]))
    whole = family.tasks("test")[1]
    assert whole.x[:, 0, 0, 0].mul(255).round().tolist() == [7, 7, 7]
    grey = made(folders / "birds", grey=True)
    assert grey.spec.shape == (1, 8, 8)
    assert grey.spec.name.endswith(":size=8:grey=true")


def test_a_name_with_a_path_loads_the_same_family(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(folders / "my birds, and+more: 100%", coloured(6))
    family = made(root, split="fraction", val=0.34)
    again = tasks.load(family.spec.name)
    assert again.spec == family.spec
    assert not set("*,") & set(family.spec.name)
    assert runs.new_path("protonet", family.spec.name).parent == runs.RUNS
    monkeypatch.chdir(root)
    assert Images(path=".", size=8).members("train") == made(root).members("train")
    mixed = tasks.load(f"{family.spec.name},{family.spec.name}+augment")
    assert mixed.sample("train", torch.arange(4), way=2, shot=1, query=1, seed=0).support.x.shape == (4, 2, 3, 8, 8)


def test_a_relative_path_is_found_among_the_data(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICKSTUDY_DATA", str(folders))
    root = write(folders / "birds", coloured(6))
    assert Images(path="birds", size=8).spec == made(root).spec


def test_odd_files_are_skipped_and_counted(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = {
        "notes.txt": b"birds",
        "kind00/notes.txt": b"about kind00",
        "kind00/empty.png": b"",
        "kind01/text.jpg": b"no picture",
        "kind01/half.png": picture(".png", side=(400, 400))[:200],
        "kind02/._1.png": b"hidden",
        "__MACOSX/kind02/1.png": b"hidden",
        "kind07/1.png": b"no picture",
        "kind08/single.png": picture(".png"),
    }
    root = write(folders / "birds", {**coloured(6), **odd})
    family = made(root)
    said = capsys.readouterr().err
    assert "Pictures that cannot be read, skipped: 4 of 23 (kind00/empty.png: no picture of a known kind)" in said
    assert "Files that are no pictures of a class, skipped: 2 (kind00/notes.txt)" in said
    assert "Classes of only one picture, left out: 1 (kind08)" in said
    assert sorted(everything(family)) == kinds(*range(6))
    assert family.pool("train").count.tolist() == [3] * family.spec.classes  # type: ignore[operator]
    assert made(root).spec == family.spec
    assert capsys.readouterr().err == ""


def test_the_cache_is_used_until_a_file_changes(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(folders / "birds", coloured(6))
    first = made(root)
    opened: list[str] = []
    monkeypatch.setattr("quickstudy.tasks.vision.pictures.square", lambda *_: opened.append("x") or "not now")
    assert torch.equal(made(root).pool("train").x, first.pool("train").x)
    assert not opened
    changed = root / "kind00/0.png"
    os.utime(changed, ns=(1, 1))
    with pytest.raises(UserError, match="none of the 18 pictures"):
        made(root)
    monkeypatch.undo()
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(folders / "cache"))
    assert made(root).spec == first.spec
    changed.write_bytes(picture(".png", (200, 0, 0)))
    assert made(root).spec.fingerprint != first.spec.fingerprint


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data[:-1] + b"!", lambda data: b""])
def test_a_damaged_cache_is_rebuilt_with_a_notice(
    folders: Path, damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    root = write(folders / "birds", coloured(6))
    expected = made(root).pool("train").x.clone()
    (cached,) = (folders / "cache/images").glob("birds-*-8.safetensors")
    whole = cached.read_bytes()
    cached.unlink()
    cached.write_bytes(damage(whole))
    capsys.readouterr()
    assert torch.equal(made(root).pool("train").x, expected)
    assert "is damaged" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_costs_a_notice(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folders / "cache").write_text("a file where the folder should be")
    assert made(write(folders / "birds", coloured(6))).spec.classes == 2
    assert "Set QUICKSTUDY_CACHE" in capsys.readouterr().err


def encrypted(folders: Path) -> Path:
    path = write(folders / "locked.zip", coloured(6))
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    while data[start : start + 4] == b"PK\x01\x02":
        data[start + 8] |= 1
        lengths = [int.from_bytes(data[start + at : start + at + 2], "little") for at in (28, 30, 32)]
        start += 46 + sum(lengths)
    path.write_bytes(data)
    return path


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing given": (lambda _: Images(), "images needs a folder of class folders"),
    "absent": (lambda root: made(root / "birdz"), "there is no .*birdz. Give the folder"),
    "empty": (lambda root: made(write(root, {"a/notes.txt": b""})), "1 files, but no pictures in folders"),
    "loose": (lambda root: made(write(root, {"1.png": b"", "2.JPG": b""})), "2 pictures, but no folders of them"),
    "no archive": (lambda root: made(write(root, {"birds.tar": b"x"}) / "birds.tar"), "neither a folder nor"),
    "cut off": (lambda root: made(write(root, {"b.zip": b"PK\x03\x04" * 9}) / "b.zip"), "neither a folder nor"),
    "encrypted": (lambda root: made(encrypted(root)), "none of the 18 pictures .*(password|encrypted)"),
    "one class": (lambda root: made(write(root, coloured(1))), "has 1 classes, and 0 of them for train"),
    "five classes": (lambda root: made(write(root, coloured(5))), "has 5 classes, and 1 of them for train"),
    "no classes left": (lambda root: made(write(root, coloured(9)), val=0.5, test=0.4), "9 classes, and 1 of them"),
    "unreadable": (lambda root: made(write(root, {f"{at}/1.png": b"" for at in "abcdef"})), "none of the 6 pictures"),
    "single": (lambda root: made(write(root, coloured(6, each=1))), "has 0 classes, and 0 of them"),
    "in two splits": (
        lambda root: made(write(root, {**coloured(4, prefix="train/"), **coloured(4, prefix="test/", first=2)})),
        "2 classes of .* are in (train and in test|test and in train) .kind02.*split=fraction",
    ),
    "shares beside folders": (lambda root: made(write(root, DIVIDED), val=0.1), "Leave val and test"),
    "shares beside lists": (lambda root: made(root, lists="x", val=0.1), "leave split, val and test out"),
    "large shares": (lambda root: made(root, val=0.6, test=0.6), "at most 1 together"),
    "negative shares": (lambda root: made(root, val=-0.1), "val is -0.1"),
    "unknown split": (lambda root: made(root, split="random"), "'random'"),
    "small": (lambda root: Images(path=str(root), size=2), "size is 2"),
    "large": (lambda root: Images(path=str(root), size=5000), "8 to 1024 pixels a side"),
    "not for this machine": (lambda root: made(write(root, coloured(6))), "take .* GB, and this machine has"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said(folders: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, words = BAD[case]
    if case == "not for this machine":
        monkeypatch.setattr("quickstudy.tasks.vision.pictures.memory_bytes", lambda: 1000.0)
    with pytest.raises(UserError, match=words):
        call(folders / "birds")


def test_classes_in_two_splits_can_be_put_together(folders: Path) -> None:
    content = {
        **coloured(8, prefix="train/"),
        **{f"test/kind{number:02}/x.png": picture(".png") for number in range(8)},
    }
    family = made(write(folders / "birds", content), split="fraction")
    assert sorted(everything(family)) == kinds(*range(8))
    assert family.pool("train").count.unique().tolist() == [4]


def test_a_link_to_a_folder_above_ends(folders: Path) -> None:
    root = write(folders / "birds", coloured(6))
    (root / "kind00/loop").symlink_to(root, target_is_directory=True)
    write(folders / "elsewhere", {"1.png": picture(".png"), "2.png": picture(".png")})
    (root / "linked").symlink_to(folders / "elsewhere", target_is_directory=True)
    found = listing(root)
    assert found.labels.count("kind00") == 3
    assert found.labels.count("linked") == 2
