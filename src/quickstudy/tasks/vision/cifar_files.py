"""Finding, reading, checking and caching the pictures of CIFAR-100.

Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images": 100 classes in 20 superclasses, 600 colour
pictures of 32 x 32 pixels each. The original is one archive, or the folder ``cifar-100-python`` unpacked from it.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks.download import fetch
from quickstudy.tasks.places import cache_folder, data_folder, progress
from quickstudy.tasks.stored import Pictures, stored
from quickstudy.tasks.vision import plain_pickle

SIDE = 32
VERSION = "1"
"""Of the cached file: a change of its layout or of the resizing makes a new one."""
FOLDER = "cifar-100-python"
URL = f"https://www.cs.toronto.edu/~kriz/{FOLDER}.tar.gz"
MD5 = "eb9058c3a382ffc7106e4002c42a8d85"
BY_HAND = f"You can also place {FOLDER}.tar.gz by hand into the folder that QUICKSTUDY_DATA names."
_UNREADABLE = (tarfile.TarError, zlib.error, EOFError, OSError, KeyError)


@dataclass(frozen=True)
class Part:
    """A file of the archive, and how many pictures of each class it must hold."""

    name: str
    each: int


PARTS = (Part("train", 500), Part("test", 100))


class Row(NamedTuple):
    """A class, and where two benchmarks put it."""

    superclass: str
    name: str
    cifar_fs: str
    fc100: str


def classes() -> list[Row]:
    """All classes by superclass and name."""
    text = resources.files("quickstudy.tasks").joinpath("data/cifar100.txt").read_text("utf-8")
    return [Row(*line.split()) for line in text.splitlines() if not line.startswith("#")]


def pictures(size: int, parts: tuple[Part, ...] = PARTS) -> Pictures:
    """All pictures at ``size`` x ``size`` pixels: from the cache, or found, read and cached.

    Raises UserError if they are neither here nor to be had, or are not CIFAR-100.
    """
    folder = cache_folder() / "cifar100"
    return stored(
        folder / f"pictures-{size}.safetensors", "CIFAR-100", VERSION, lambda: decode(find(folder), size, parts)
    )


def held(folder: Path, own: Path | None) -> Path | None:
    """The archive or folder in the user's ``own`` data or in the cache ``folder``; None if it is absent."""
    for place in [*((own / "cifar100", own) if own else ()), folder]:
        for candidate in (place / f"{FOLDER}.tar.gz", place / FOLDER):
            if os.path.exists(candidate):
                return candidate
    return None


def find(folder: Path) -> Path:
    """The archive or folder: in QUICKSTUDY_DATA, in the cache ``folder``, or downloaded into it (169 MB)."""
    if known := held(folder, data_folder()):
        return known
    target = folder / f"{FOLDER}.tar.gz"
    fetch(URL, target, md5=MD5, advice=BY_HAND)
    return target


def decode(path: Path, size: int, parts: tuple[Part, ...] = PARTS) -> Pictures:
    """The pictures sorted by class, those of train first. Raises UserError if they are damaged or not CIFAR-100."""
    rows = classes()
    digest = hashlib.sha256()
    found: list[Tensor] = []
    with _opened(path) as load, progress(f"Reading CIFAR-100, once for {size} x {size} pixels", len(parts)) as advance:
        names = _names(path, load("meta"), rows)
        for part in parts:
            pixels = _sorted(path, part, load(part.name), names, rows)
            digest.update(pixels.tobytes())
            found.append(_resize(torch.from_numpy(pixels), size).unflatten(0, (len(rows), part.each)))
            advance(1)
    images = torch.cat(found, 1).flatten(0, 1)
    counts = {row.name: sum(part.each for part in parts) for row in rows}
    return Pictures(images, counts, digest.hexdigest())


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[str], dict[str, Any]]]:
    """How to read a file of the archive or folder."""

    def load(name: str, open_: Callable[[str], IO[bytes] | None]) -> dict[str, Any]:
        try:
            file = open_(name)
            if file is None:
                raise ValueError("it is no file")
            with file:
                return plain_pickle.read(file)
        except (*_UNREADABLE, ValueError) as error:
            raise _foreign(path, f"a file {name} that cannot be read ({error})") from error

    if path.is_dir():
        yield lambda name: load(name, lambda name: (path / name).open("rb"))
        return
    try:
        archive = tarfile.open(path, "r:gz")  # noqa: SIM115, closed below
    except _UNREADABLE as error:
        raise _foreign(path, f"no readable archive ({error})") from error
    with archive:
        yield lambda name: load(name, lambda name: archive.extractfile(f"{FOLDER}/{name}"))


def _foreign(path: Path, what: str) -> UserError:
    return UserError(
        f"{path} holds {what}. Expected CIFAR-100 for Python: files meta, train and test. Replace it with the original "
        f"from {URL}, or delete it and have it downloaded."
    )


def _names(path: Path, meta: dict[str, Any], rows: list[Row]) -> list[str]:
    """The class of each label."""
    names = meta.get("fine_label_names")
    if not isinstance(names, list) or sorted(map(str, names)) != sorted(row.name for row in rows):
        raise _foreign(path, "other classes than CIFAR-100 has")
    return names


def _sorted(
    path: Path, part: Part, content: dict[str, Any], names: list[str], rows: list[Row]
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """[N, 3, 32, 32] in the order of ``rows``, within a class in that of the file."""
    data, labels = content.get("data"), content.get("fine_labels")
    expected = (len(rows) * part.each, 3 * SIDE * SIDE)
    if not isinstance(data, np.ndarray) or data.shape != expected:
        raise _foreign(path, f"a file {part.name} without pictures of the shape {expected}")
    if not isinstance(labels, list) or len(labels) != len(data) or not all(_is_label(one, names) for one in labels):
        raise _foreign(path, f"a file {part.name} without a label for each picture")
    row = {one.name: at for at, one in enumerate(rows)}
    at = np.array([row[name] for name in names])[labels]
    if (np.bincount(at, minlength=len(rows)) != part.each).any():
        raise _foreign(path, f"a file {part.name} without {part.each} pictures of every class")
    return data[np.argsort(at, kind="stable")].reshape(-1, 3, SIDE, SIDE)


def _is_label(value: object, names: list[str]) -> bool:
    return isinstance(value, int) and 0 <= value < len(names)


def _resize(pixels: Tensor, size: int) -> Tensor:
    """[n, 3, 32, 32] uint8 -> [n, 3, size, size] uint8, a thousand at a time."""
    if size == SIDE:
        return pixels
    small = [
        torch.nn.functional.interpolate(some.float(), (size, size), mode="bicubic", antialias=True)
        .round_()
        .clamp_(0, 255)
        .to(torch.uint8)
        for some in pixels.split(1000)
    ]
    return torch.cat(small)
