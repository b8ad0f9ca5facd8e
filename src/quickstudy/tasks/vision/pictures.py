"""Decoding pictures of every size and kind into one tensor of small squares, once."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
import torch

from quickstudy.devices import memory_bytes
from quickstudy.errors import UserError
from quickstudy.tasks.places import cache_folder, notice, progress
from quickstudy.tasks.stored import Pictures, stored
from quickstudy.tasks.vision.folders import UNREADABLE, File, Listing, reading

VERSION = "1"
"""Of the cached file: a change of its layout, of the decoding or of the resizing makes a new one."""
KINDS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
"""Pillow has more readers; some of them start other programs."""
_LARGEST = 1 << 28
_CHUNK, _PART = 256, 16
"""How many pictures are read before any is decoded, and how many a thread decodes at a time."""

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def pictures(found: Listing, size: int, grey: bool) -> Pictures:
    """Every picture of ``found`` at ``size`` x ``size``: from the cache, or decoded and cached.

    Raises UserError if none can be read, or if they do not fit into memory.
    """
    channels = 1 if grey else 3
    needed = len(found.files) * channels * size * size
    if needed > (there := memory_bytes()):
        raise UserError(
            f"{len(found.files)} pictures of {size} x {size} pixels take {needed / 1e9:,.0f} GB, and this machine has "
            f"{there / 1e9:,.0f} GB. Ask for a smaller size (:size=32)."
        )
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", found.root.stem)[:40]
    name = f"{stem}-{found.key[:24]}-{size}{'-grey' * grey}.safetensors"
    return stored(cache_folder() / "images" / name, str(found.root), VERSION, lambda: decode(found, size, channels))


def decode(found: Listing, size: int, channels: int) -> Pictures:
    """Read and resize every picture; those that cannot be read are skipped, and so are classes left with only one."""
    images = torch.empty(len(found.files), channels, size, size, dtype=torch.uint8)
    array = images.numpy()
    digest = hashlib.sha256()
    counts: dict[str, int] = {}
    damaged: list[str] = []
    at = 0

    def some(contents: list[bytes | str]) -> list[Pixels | str]:
        return [one if isinstance(one, str) else square(one, size, channels) for one in contents]

    what = f"Decoding {found.root}, once for {size} x {size} pixels"
    with (
        reading() as read,
        progress(what, len(found.files)) as advance,
        ThreadPoolExecutor(torch.get_num_threads()) as threads,
    ):
        for start in range(0, len(found.files), _CHUNK):
            files, labels = found.files[start : start + _CHUNK], found.labels[start : start + _CHUNK]
            contents = [_content(read, file) for file in files]
            parts = [contents[first : first + _PART] for first in range(0, len(contents), _PART)]
            squares = chain.from_iterable(threads.map(some, parts))
            for file, label, content, made in zip(files, labels, contents, squares, strict=True):
                if isinstance(made, str) or isinstance(content, str):
                    damaged.append(f"{'/'.join(file.steps)}: {made}")
                    continue
                array[at] = made
                at += 1
                counts[label] = counts.get(label, 0) + 1
                digest.update(f"{label}\n".encode() + hashlib.sha256(content).digest())
            advance(len(files))
    _say(found, damaged)
    if not at:
        raise UserError(
            f"none of the {len(found.files)} pictures in {found.root} can be read ({damaged[0]}). Expected "
            f"{', '.join(KINDS)}."
        )
    return _paired(Pictures(images[:at], counts, digest.hexdigest()))


def _content(read: Callable[[File], bytes], file: File) -> bytes | str:
    """The bytes of a file, or why they cannot be had."""
    if file.stamp[0] > _LARGEST:
        return f"{file.stamp[0]} bytes"
    try:
        return read(file)
    except UNREADABLE as error:
        return str(error) or type(error).__name__


def _say(found: Listing, damaged: list[str]) -> None:
    if damaged:
        notice(f"Pictures that cannot be read, skipped: {len(damaged)} of {len(found.files)} ({damaged[0]}).")
    if found.odd:
        notice(f"Files that are no pictures of a class, skipped: {len(found.odd)} ({found.odd[0]}).")


def _paired(made: Pictures) -> Pictures:
    """Without the classes of one picture: an episode needs one to learn from and one to ask about."""
    single = [name for name, count in made.counts.items() if count < 2]
    if not single:
        return made
    notice(f"Classes of only one picture, left out: {len(single)} ({single[0]}).")
    kept = torch.tensor([count > 1 for count in made.counts.values() for _ in range(count)])
    counts = {name: count for name, count in made.counts.items() if count > 1}
    return Pictures(made.images[kept], counts, made.fingerprint)


def square(content: bytes, size: int, channels: int) -> Pixels | str:
    """[channels, size, size], the whole picture upright, its sides stretched alike; or why it cannot be read.

    Transparency is laid on white; every pixel is the average of those that it stands for.
    """
    return made_of(content, lambda image: shrunk(image, size, channels), size)


def made_of(content: bytes, make: Callable[[Any], Pixels], size: int) -> Pixels | str:
    """What ``make`` makes of the Pillow image in ``content``, ``size`` of whose pixels it needs; or why it cannot."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=KINDS) as image:
            image.draft(None, (2 * size, 2 * size))  # a JPEG far too large is decoded at half its size or less
            return make(image)
    except UnidentifiedImageError:
        return "no picture of a known kind"
    except MemoryError:
        raise
    except Exception as error:  # a damaged picture raises whatever its reader stumbles over
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def shrunk(image: Any, size: int, channels: int) -> Pixels:
    """The same of an open Pillow image; raises whatever its reader stumbles over."""
    from PIL import Image

    small = upright(image, channels).resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(small).reshape(size, size, channels).transpose(2, 0, 1)


def upright(image: Any, channels: int) -> Any:
    """A Pillow image turned as its camera was held, on white, in grey (1 channel) or colour (3)."""
    from PIL import ImageOps

    return _flattened(ImageOps.exif_transpose(image)).convert("L" if channels == 1 else "RGB")


def _flattened(image: Any) -> Any:
    """In eight bits a channel and without transparency."""
    from PIL import Image

    if image.mode.startswith("I"):  # sixteen bits of grey
        values = np.asarray(image, np.float64)
        return Image.fromarray((values / 257).round().clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers")
    if not image.has_transparency_data:
        return image
    solid = image.convert("RGBA")
    white = Image.new("RGBA", solid.size, "white")
    return Image.alpha_composite(white, solid)
