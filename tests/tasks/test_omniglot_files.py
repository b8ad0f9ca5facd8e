"""Reading Omniglot from small fakes of every shape: archives, folders, damaged and foreign ones."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from quickstudy.errors import UserError
from quickstudy.tasks.vision import omniglot_files
from quickstudy.tasks.vision.omniglot_files import Part, drawings

FAKE = (Part("images_background", "", 3, 2), Part("images_evaluation", "", 2, 2))


def png(ink: int, side: int = 105) -> bytes:
    """White, with ``ink`` black pixels in the upper left corner."""
    image = Image.new("1", (side, side), 1)
    for x in range(ink):
        image.putpixel((x, 0), 0)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def files(part: Part) -> dict[str, bytes]:
    return {
        f"{part.name}/Greek/character{character:02}/{character:04}_{drawing:02}.png": png(50 + character + drawing)
        for character in range(1, part.characters + 1)
        for drawing in range(1, part.drawings + 1)
    }


def write_zip(folder: Path, name: str, content: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/a/character01/._x.png", b"not a picture")
        for path, data in reversed(content.items()):  # the order in the archive must not matter
            archive.writestr(path, data)


def write_tree(folder: Path, name: str, content: dict[str, bytes]) -> None:
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An empty data folder and an empty cache; a download would fail the test."""

    def no_fetch(url: str, target: Path, *, md5: str, advice: str) -> None:
        raise AssertionError(f"downloads {url}")

    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    monkeypatch.setenv("QUICKSTUDY_DATA", str(data))
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(cache))
    monkeypatch.setattr(omniglot_files, "fetch", no_fetch)
    return data, cache


@pytest.mark.parametrize("write", [write_zip, write_tree])
@pytest.mark.parametrize("place", ["data/omniglot", "data", "cache/omniglot"])
def test_archives_and_trees_are_found_and_cached(
    folders: tuple[Path, Path], tmp_path: Path, write: Callable[[Path, str, dict[str, bytes]], None], place: str
) -> None:
    for part in FAKE:
        write(tmp_path / place, part.name, files(part))
    made = drawings(105, FAKE)
    assert made.names == (
        ("Greek/character01", "Greek/character02", "Greek/character03"),
        ("Greek/character01", "Greek/character02"),
    )
    assert made.images.dtype == torch.uint8
    ink = (made.images == 255).sum((-1, -2))
    assert ink.tolist() == [[52, 53], [53, 54], [54, 55], [52, 53], [53, 54]]
    assert int((made.images != 0).sum()) == int(ink.sum())

    for found in (tmp_path / place).glob("images_*"):
        found.rename(found.with_name("gone_" + found.name))
    again = drawings(105, FAKE)
    assert again.fingerprint == made.fingerprint
    assert again.names == made.names
    assert torch.equal(again.images, made.images)


def test_resizing_keeps_the_ink_and_the_fingerprint(folders: tuple[Path, Path]) -> None:
    for part in FAKE:
        write_zip(folders[0], part.name, files(part))
    large, small = drawings(105, FAKE), drawings(28, FAKE)
    assert small.images.shape == (5, 2, 28, 28)
    assert small.fingerprint == large.fingerprint
    assert small.images.float().mean() == pytest.approx(float(large.images.float().mean()), rel=0.3)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-3], lambda data: data[:-1] + b"!", lambda data: b"", lambda data: b"\xff" * 99]
)
def test_a_damaged_cache_is_rebuilt_with_a_notice(
    folders: tuple[Path, Path], damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for part in FAKE:
        write_zip(folders[0], part.name, files(part))
    expected = drawings(28, FAKE).images.clone()
    cached = folders[1] / "omniglot" / "drawings-28.safetensors"
    whole = cached.read_bytes()
    cached.unlink()
    cached.write_bytes(damage(whole))
    capsys.readouterr()
    assert torch.equal(drawings(28, FAKE).images, expected)
    assert "is damaged" in capsys.readouterr().err
    drawings(28, FAKE)
    assert capsys.readouterr().err == ""


def test_every_damaged_byte_of_the_header_is_seen(folders: tuple[Path, Path]) -> None:
    for part in FAKE:
        write_zip(folders[0], part.name, files(part))
    drawings(28, FAKE)
    cached = folders[1] / "omniglot" / "drawings-28.safetensors"
    whole = cached.read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    good = omniglot_files._load(cached, 28)
    assert good is not None
    for at in range(end):
        cached.unlink()
        cached.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        found = omniglot_files._load(cached, 28)
        assert found is None or torch.equal(found.images, good.images)


def test_a_cache_that_cannot_be_written_costs_a_notice(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for part in FAKE:
        write_zip(folders[0], part.name, files(part))
    folders[1].write_text("a file where the folder should be")
    assert len(drawings(28, FAKE).images) == 5
    assert "Set QUICKSTUDY_CACHE" in capsys.readouterr().err


def test_what_is_missing_is_downloaded(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    write_zip(folders[0], FAKE[0].name, files(FAKE[0]))
    asked = []

    def fetch(url: str, target: Path, *, md5: str, advice: str) -> None:
        asked.append((url, target))
        write_zip(target.parent, FAKE[1].name, files(FAKE[1]))

    monkeypatch.setattr(omniglot_files, "fetch", fetch)
    assert len(drawings(28, FAKE).images) == 5
    assert asked == [(omniglot_files.URL + "images_evaluation.zip", folders[1] / "omniglot" / "images_evaluation.zip")]


def bad_zips() -> dict[str, tuple[Callable[[Path], None], str]]:
    good = files(FAKE[0])
    names = list(good)

    def with_zip(content: dict[str, bytes], cut: int | None = None) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            write_zip(path.parent, path.stem, content)
            path.write_bytes(path.read_bytes()[:cut])

        return write

    def smudged(path: Path) -> None:
        write_zip(path.parent, path.stem, good)
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(names[0])
        data = bytearray(path.read_bytes())
        data[member.header_offset + 30 + len(names[0]) + 20] ^= 255
        path.write_bytes(data)

    return {
        "nothing": (lambda path: path.write_bytes(b"") and None, "no readable zip archive, but 0 bytes"),
        "text": (lambda path: path.write_text("404: not found") and None, "no readable zip archive, but 14 bytes"),
        "cut off": (with_zip(good, cut=-30), "no readable zip archive"),
        "smudged": (smudged, "cannot be read"),
        "empty zip": (with_zip({}), "drawings of 0 characters"),
        "foreign zip": (with_zip({"cats/cat.png": png(1)}), "drawings of 0 characters"),
        "a character too few": (with_zip(dict(list(good.items())[:-2])), "drawings of 2 characters"),
        "a drawing too few": (with_zip(dict(list(good.items())[:-1])), "1 drawings of Greek/character03"),
        "other size": (with_zip({**good, names[0]: png(1, side=28)}), "a picture of 28 x 28 pixels"),
        "no picture": (with_zip({**good, names[0]: b"x" * 99}), "no whole picture"),
        "half a picture": (
            with_zip({**good, names[0]: good[names[0]][: len(good[names[0]]) // 2]}),
            "no whole picture",
        ),
    }


@pytest.mark.parametrize("case", bad_zips())
def test_bad_archives_say_what_was_found_and_what_to_do(folders: tuple[Path, Path], case: str) -> None:
    write, found = bad_zips()[case]
    write(folders[0] / "images_background.zip")
    write_zip(folders[0], FAKE[1].name, files(FAKE[1]))
    with pytest.raises(UserError, match=found) as caught:
        drawings(28, FAKE)
    assert "images_background.zip" in str(caught.value)
    assert "Expected" in str(caught.value)
    assert "Replace" in str(caught.value)
