"""Finding, checking, decoding and caching the drawings of Omniglot.

Lake, Salakhutdinov, Tenenbaum (2015), "Human-level concept learning through probabilistic program induction", Science:
1,623 characters of 50 alphabets, each drawn by 20 people, 105 x 105 black on white; MIT licence. The originals come as
two archives (or folders): ``images_background`` (30 alphabets) and ``images_evaluation`` (20 alphabets).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks.cached import once
from quickstudy.tasks.download import fetch
from quickstudy.tasks.places import cache_folder, data_folder, notice, progress

SIDE = 105
VERSION = "1"
"""Of the cached file: a change of its layout or of the resizing makes a new one."""
URL = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
BY_HAND = (
    "You can also place images_background.zip and images_evaluation.zip by hand into an omniglot folder in the folder "
    "that QUICKSTUDY_DATA names."
)
_CHUNK = 1000
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)  # RuntimeError: encrypted


@dataclass(frozen=True)
class Part:
    """One of the two archives: its name, the checksum of the original, and what it must hold."""

    name: str
    md5: str
    characters: int
    drawings: int = 20


PARTS = (
    Part("images_background", "68d2efa1b9178cc56df9314c21c6e718", 964),
    Part("images_evaluation", "6b91aef0f799c5bb55b94e3f2daec811", 659),
)


@dataclass(frozen=True)
class Drawings:
    """Every drawing in memory."""

    images: Tensor
    """[characters, 20, size, size] uint8, ink 255 on paper 0."""
    names: tuple[tuple[str, ...], ...]
    """For each part, its characters as ``Greek/character05``, in the order of ``images``, one part after the other."""
    fingerprint: str
    """SHA-256 of the names and of the original pixels, so it is the same at every size and on every machine."""


def drawings(size: int, parts: tuple[Part, ...] = PARTS) -> Drawings:
    """All drawings at ``size`` x ``size`` pixels: from the cache, or found, decoded and cached.

    Raises UserError if the data are neither here nor to be had, or are not Omniglot.
    """
    folder = cache_folder() / "omniglot"
    cached = folder / f"drawings-{size}.safetensors"

    def make() -> Drawings:
        if cached.exists():
            notice(f"{cached} is damaged or of another version; decoding Omniglot anew.")
        return decode([(part, find(part, folder)) for part in parts], size)

    return once(cached, "Omniglot", partial(_load, size=size), make, _save)


def held(part: Part, folder: Path, own: Path | None) -> Path | None:
    """The archive or folder of ``part`` in the user's ``own`` data or in the cache ``folder``; None if it is absent."""
    places = [own / "omniglot", own, folder] if own else [folder]
    for place in places:
        for candidate in (place / f"{part.name}.zip", place / part.name):
            if os.path.exists(candidate):  # unlike Path.exists, False where looking is forbidden
                return candidate
    return None


def find(part: Part, folder: Path) -> Path:
    """The archive or folder of ``part``: in QUICKSTUDY_DATA, in the cache ``folder``, or downloaded into it."""
    if known := held(part, folder, data_folder()):
        return known
    target = folder / f"{part.name}.zip"
    fetch(f"{URL}{part.name}.zip", target, md5=part.md5, advice=BY_HAND)
    return target


def decode(found: list[tuple[Part, Path]], size: int) -> Drawings:
    """Read, check and resize the drawings of every part. Raises UserError if one is damaged or not Omniglot."""
    digest = hashlib.sha256()
    names: list[tuple[str, ...]] = []
    images = []
    total = sum(part.characters * part.drawings for part, _ in found)
    with progress(f"Decoding Omniglot, once for {size} x {size} pixels", total) as advance:
        for part, path in found:
            with _opened(part, path) as (members, read):
                characters = _characters(part, path, members)
                names.append(tuple(characters))
                digest.update("\n".join(characters).encode())
                files = [name for each in characters.values() for name in each]
                for start in range(0, len(files), _CHUNK):
                    pixels = np.stack([_pixels(read(name), path, name) for name in files[start : start + _CHUNK]])
                    digest.update(np.packbits(pixels > 127).data)
                    images.append(_resize(torch.from_numpy(pixels), size))
                    advance(len(pixels))
    whole = torch.cat(images).reshape(-1, found[0][0].drawings, size, size)
    return Drawings(whole, tuple(names), digest.hexdigest())


@contextmanager
def _opened(part: Part, path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names of the files in an archive or folder, and how to read one."""

    def safely(read: Callable[[str], bytes], name: str) -> bytes:
        try:
            return read(name)
        except _UNREADABLE as error:
            raise _foreign(part, path, f"a file {name} that cannot be read ({error})") from error

    if path.is_dir():
        names = [file.relative_to(path.parent).as_posix() for file in path.rglob("*.png")]
        yield names, lambda name: safely(lambda name: (path.parent / name).read_bytes(), name)
        return
    try:
        archive = zipfile.ZipFile(path)
    except _UNREADABLE as error:
        raise _foreign(part, path, f"no readable zip archive, but {_bytes(path)} bytes ({error})") from error
    with archive:
        yield archive.namelist(), lambda name: safely(archive.read, name)


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _foreign(part: Part, path: Path, what: str) -> UserError:
    return UserError(
        f"{path} holds {what}. Expected Omniglot's {part.name}: {part.characters} characters in folders "
        f"alphabet/characterNN, {part.drawings} drawings (PNG, {SIDE} x {SIDE}) of each. Replace it with the original "
        f"from {URL}{part.name}.zip, or delete it and have it downloaded."
    )


def _characters(part: Part, path: Path, members: list[str]) -> dict[str, list[str]]:
    """``alphabet/characterNN`` -> its files, both sorted; what is not a drawing is passed over."""
    found: dict[str, list[str]] = {}
    for name in sorted(members):
        steps = PurePosixPath(name).parts[-3:]
        if len(steps) < 3 or not name.endswith(".png") or steps[2].startswith(".") or "__MACOSX" in name:
            continue
        if steps[1].startswith("character"):
            found.setdefault(f"{steps[0]}/{steps[1]}", []).append(name)
    if len(found) != part.characters:
        raise _foreign(part, path, f"drawings of {len(found)} characters")
    for character, files in found.items():
        if len(files) != part.drawings:
            raise _foreign(part, path, f"{len(files)} drawings of {character}")
    return dict(sorted(found.items()))


def _pixels(content: bytes, path: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """[105, 105] uint8 with ink 255."""
    from PIL import Image

    found = "no whole picture"
    damaged = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
    with suppress(*damaged), Image.open(io.BytesIO(content)) as image:
        if image.size == (SIDE, SIDE):
            return 255 - np.asarray(image.convert("L"))
        found = f"a picture of {image.width} x {image.height} pixels"
    raise UserError(
        f"{name} in {path} is {found}. Expected a PNG of {SIDE} x {SIDE}. Replace {path} with the original from {URL}."
    )


def _resize(pixels: Tensor, size: int) -> Tensor:
    """[n, 105, 105] uint8 -> [n, size, size] uint8."""
    if size == SIDE:
        return pixels
    small = torch.nn.functional.interpolate(
        pixels.unsqueeze(1).float(), (size, size), mode="bilinear", antialias=True, align_corners=False
    )
    return small.squeeze(1).round_().clamp_(0, 255).to(torch.uint8)


def _checksum(images: Tensor, names: str, fingerprint: str) -> str:
    digest = hashlib.sha256(f"{tuple(images.shape)}\n{names}\n{fingerprint}\n".encode())
    digest.update(images.contiguous().numpy().data)
    return digest.hexdigest()


def _save(made: Drawings, path: Path) -> None:
    names = json.dumps(made.names)
    metadata = {
        "version": VERSION,
        "names": names,
        "fingerprint": made.fingerprint,
        "sha256": _checksum(made.images, names, made.fingerprint),
    }
    save_file({"images": made.images}, path, metadata)


def _load(path: Path, size: int) -> Drawings | None:
    """What the cache holds; None if it is absent, damaged or of another version."""
    try:
        with safe_open(path, framework="pt") as file:
            found: dict[str, str] = file.metadata() or {}
            if found.get("version") != VERSION:
                return None
            images = file.get_tensor("images")
    except (OSError, SafetensorError):
        return None
    names, fingerprint = found.get("names", ""), found.get("fingerprint", "")
    if images.dtype != torch.uint8 or images.shape[2:] != (size, size):
        return None
    if found.get("sha256") != _checksum(images, names, fingerprint):
        return None
    return Drawings(images, tuple(map(tuple, json.loads(names))), fingerprint)
