"""Pictures in class folders, in a folder or a zip archive: what is there, and how to read it.

A class is a folder directly below the root, or below ``train``, ``val`` and ``test`` where the root has these; they may
be archives (``train.zip``). All pictures below it are its own, however deep. Hidden files are not looked at.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quickstudy.errors import UserError
from quickstudy.tasks.base import Split

SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
ENDINGS = {".jpg", ".jpeg", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
"""What reading may raise; RuntimeError: encrypted, NotImplementedError: an unknown compression."""


@dataclass(frozen=True)
class File:
    """One file below a root."""

    source: Path
    """The folder or archive that it is in."""
    name: str
    """Its path in there."""
    steps: tuple[str, ...]
    """Its path below the root."""
    stamp: tuple[int, int]
    """Bytes, and when it was changed (ns), or its checksum in the archive."""


@dataclass(frozen=True)
class Listing:
    """The pictures of a data set, not yet read."""

    root: Path
    files: tuple[File, ...]
    """Sorted by class."""
    labels: tuple[str, ...]
    """The class of each."""
    splits: dict[Split, set[str]]
    """The classes of each split folder; empty without split folders."""
    odd: tuple[str, ...]
    """Files that are no pictures by their names, or belong to no class."""
    key: str
    """Hash of paths, sizes and times: another one, and the pictures may have changed."""


def listing(root: Path) -> Listing:
    """What is below ``root``, a folder or a zip archive. Raises UserError if it is neither, or has no class folders."""
    files = list(_below(root))
    divided = _divided({file.steps[0] for file in files if len(file.steps) > 2})
    depth = 2 if divided else 1
    found: list[tuple[str, File]] = []
    odd: list[str] = []
    splits: dict[Split, set[str]] = {}
    for file in files:
        fits = len(file.steps) > depth and (not divided or file.steps[0].lower() in SPLIT_FOLDERS)
        if not fits or not _is_picture(file):
            odd.append("/".join(file.steps))
            continue
        label = file.steps[depth - 1].encode("utf-8", "replace").decode()
        found.append((label, file))
        if divided:
            splits.setdefault(SPLIT_FOLDERS[file.steps[0].lower()], set()).add(label)
    if not found:
        raise _no_classes(root, files)
    found.sort(key=lambda pair: (pair[0], pair[1].steps))
    stamps = "\n".join(f"{'/'.join(file.steps)} {file.stamp}" for _, file in found)
    key = hashlib.sha256(stamps.encode("utf-8", "surrogateescape")).hexdigest()
    return Listing(root, tuple(file for _, file in found), tuple(label for label, _ in found), splits, tuple(odd), key)


def _divided(folders: set[str]) -> bool:
    """Whether these are splits: all of them, or at least two (a class of railway pictures may be called train)."""
    named = {folder for folder in folders if folder.lower() in SPLIT_FOLDERS}
    return bool(named) and (named == folders or len({SPLIT_FOLDERS[name.lower()] for name in named}) > 1)


def _no_classes(root: Path, files: list[File]) -> UserError:
    loose = sum(map(_is_picture, files))
    what = f"{loose} pictures, but no folders of them" if loose else f"{len(files)} files, but no pictures in folders"
    return UserError(
        f"{root} holds {what}. Expected one folder for each class ({root.stem}/sparrow/1.jpg), with or without folders "
        "train, val and test above them."
    )


def _below(root: Path) -> Iterator[File]:
    if not os.path.exists(root):
        raise UserError(f"there is no {root}. Give the folder, or the zip archive, that holds the folders of classes.")
    if not root.is_dir():
        yield from _unwrapped(_in_archive(root))
        return
    files = list(_in_folder(root, root, (), set()))
    folders = {file.steps[0].lower() for file in files if len(file.steps) > 1}
    for file in _unwrapped(files):
        if (split := _split_archive(file)) and split not in folders:
            for inner in _unwrapped(_in_archive(root / file.name)):
                yield File(inner.source, inner.name, (split, *inner.steps), inner.stamp)
        else:
            yield file


def _unwrapped(files: list[File]) -> list[File]:
    """Without folders above all pictures, such as the top one of an archive; what lies beside them is kept as it is."""
    while tops := {file.steps[0] for file in files if _is_picture(file) or _split_archive(file)}:
        (top, *others), pictures = tops, [file for file in files if _is_picture(file)]
        if others or not all(len(file.steps) > 2 for file in pictures) or not pictures:
            break
        if top.lower() in SPLIT_FOLDERS and files[0].source.stem.lower() not in SPLIT_FOLDERS:
            break
        files = [File(f.source, f.name, f.steps[1:], f.stamp) if f.steps[0] == top else f for f in files]
    return files


def _is_picture(file: File) -> bool:
    return os.path.splitext(file.steps[-1])[1].lower() in ENDINGS


def _split_archive(file: File) -> str:
    """``train`` for the archive train.zip directly below the root; empty for anything else."""
    stem, _, ending = file.steps[0].lower().rpartition(".")
    return stem if len(file.steps) == 1 and ending == "zip" and stem in SPLIT_FOLDERS else ""


def _in_folder(root: Path, folder: Path, steps: tuple[str, ...], seen: set[tuple[int, int]]) -> Iterator[File]:
    try:
        here = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error}). Make it readable, or give another folder.") from error
    if (here.st_dev, here.st_ino) in seen:  # a link to a folder above it
        return
    seen = seen | {(here.st_dev, here.st_ino)}
    for entry in entries:
        if _hidden(entry.name):
            continue
        below = (*steps, entry.name)
        if entry.is_dir():
            yield from _in_folder(root, Path(entry.path), below, seen)
        elif entry.is_file():
            stat = entry.stat()
            yield File(root, "/".join(below), below, (stat.st_size, stat.st_mtime_ns))


def _in_archive(path: Path) -> list[File]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except UNREADABLE as error:
        raise UserError(
            f"{path} is neither a folder nor a readable zip archive ({error}). Give the folder or the archive that "
            "holds the folders of classes."
        ) from error
    steps = [PurePosixPath(member.filename).parts for member in members]
    return [
        File(path, member.filename, parts, (member.file_size, member.CRC))
        for member, parts in zip(members, steps, strict=True)
        if not any(map(_hidden, parts))
    ]


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


@contextmanager
def reading() -> Iterator[Callable[[File], bytes]]:
    """The function that reads a file (one of ``UNREADABLE`` if it cannot); each archive is opened once."""
    with ExitStack() as stack:
        archives: dict[Path, zipfile.ZipFile | None] = {}

        def read(file: File) -> bytes:
            source = file.source
            if source not in archives:
                archives[source] = None if source.is_dir() else stack.enter_context(zipfile.ZipFile(source))
            archive = archives[source]
            return (source / file.name).read_bytes() if archive is None else archive.read(file.name)

        yield read
