"""Pictures as the inputs of a learner: files, Pillow images and arrays of every size and kind."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from quickstudy.errors import UserError, reason
from quickstudy.estimator import sheets
from quickstudy.estimator.inputs import Array, Files, Found
from quickstudy.tasks.places import notice, watched
from quickstudy.tasks.vision.folders import ENDINGS, listing
from quickstudy.tasks.vision.pictures import KINDS, made_of, shrunk, upright

AT_ONCE = 64
"""Files between two steps of the progress bar."""
MOST = 5
"""Skipped files that are named."""


def are_pictures(X: Any) -> bool:
    """Whether ``X`` is pictures, or the path of a folder of them, by the look of the first."""
    if isinstance(X, str | os.PathLike):
        return True
    if isinstance(X, np.ndarray) and X.dtype.kind in "buif":
        return X.ndim in (3, 4)
    if getattr(X, "ndim", 0) == 1 and hasattr(X, "to_numpy"):
        X = X.to_numpy()  # a pandas column of paths
    first: Any = X[0] if isinstance(X, Sequence | np.ndarray) and len(X) else None
    return isinstance(first, str | os.PathLike) or hasattr(first, "convert") or np.ndim(first) in (2, 3)


class Pictures(Files):
    """Pictures of every size and kind: arrays, Pillow images, or the paths of files."""

    example: ClassVar[str] = "picture"
    endings: ClassVar[frozenset[str]] = frozenset(ENDINGS)

    def __init__(self, channels: int, size: int, ink: bool) -> None:
        self.channels, self.size, self.ink = channels, size, ink

    def read(self, X: Any, owner: BaseEstimator, first: bool) -> Array:
        """[n, channels, size, size] uint8; of drawings, with ink 255 on paper 0."""
        if isinstance(X, str | os.PathLike) or hasattr(X, "convert"):
            raise UserError(f"X is one picture ({X}); expected a list of pictures: [{X!r}].")
        every = list(X)
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            rows = list(threads.map(self._one, every, range(len(every))))
        if not rows:
            raise UserError("there are no pictures in X.")
        return np.stack(rows)

    def readable(self, paths: Sequence[Path]) -> list[Array | str]:
        """What is kept of each file, or why it cannot be read."""

        def one(path: Path) -> Array | str:
            try:
                return self._one(path, 0)
            except UserError as error:
                return str(error)

        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            return list(threads.map(one, paths))

    def read_place(self, place: Path) -> Found:
        """The pictures in the class folders of ``place``, with their labels and paths.

        Files that cannot be read are skipped, with a notice. Raises UserError where none can be.
        """
        if not place.is_dir():
            what = "is a file" if place.exists() else "is not there"
            raise UserError(f"{place} {what}; expected a folder that has a folder of pictures for each label.")
        found = listing(place)
        if found.splits:
            first = next(iter(found.splits))
            raise UserError(
                f"{place} has folders {', '.join(found.splits)}. Give one of them, for example {place / first}."
            )
        paths = [file.source / file.name for file in found.files]
        read: list[Array | str] = []
        with watched(f"Reading {place}", len(paths)) as advance:
            for at in range(0, len(paths), AT_ONCE):
                read += self.readable(paths[at : at + AT_ONCE])
                advance(len(paths[at : at + AT_ONCE]))
        skipped = [*found.odd, *(one for one in read if isinstance(one, str))]
        if skipped:
            named = "; ".join(map(str, skipped[:MOST])) + " ..." * (len(skipped) > MOST)
            notice(f"skipped {len(skipped)} of {len(read) + len(found.odd)} files in {place}: {named}")
        every = zip(read, found.labels, paths, strict=True)
        kept = [(one, label, str(path)) for one, label, path in every if not isinstance(one, str)]
        if not kept:
            raise UserError(f"none of the {len(read)} pictures in {place} can be read. {skipped[-1]}")
        if lost := sorted(set(found.labels) - {label for _, label, _ in kept}):
            notice(f"no picture of {', '.join(lost)} can be read: it is not learnt")
        pictures, labels, names = zip(*kept, strict=True)
        return Found(np.stack(pictures), np.array(labels), np.array(names))

    def inputs(self, kept: Array, support: Array) -> Tensor:
        return torch.tensor(kept, dtype=torch.float32) / 255

    def of_bytes(self, content: bytes) -> Array | str:
        """What is kept of the picture whose file has this ``content``, or why it cannot be read."""
        return made_of(content, self._made, sheets.CLOSE if self.ink else self.size)

    def _one(self, one: Any, number: int) -> Array:
        if isinstance(one, str | os.PathLike):
            return _file(Path(one).expanduser(), self.of_bytes)
        return self._made(_image(one, number))

    def _made(self, image: Any) -> Array:
        if self.ink:
            return sheets.sheet(upright(image, 1), self.size)
        return shrunk(image, self.size, self.channels)


def _file(path: Path, read: Callable[[bytes], Array | str]) -> Array:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError("it is no file")
        made = read(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({reason(error)}). Give the path of a picture.") from error
    if isinstance(made, str):
        raise UserError(f"{path} is no picture that can be read ({made}). Expected {', '.join(KINDS)}.")
    return made


def _image(one: Any, number: int) -> Any:
    """A Pillow image of an array [h, w], [h, w, channels] or [channels, h, w]: uint8, or light from 0 to 1."""
    from PIL import Image

    if isinstance(one, Image.Image):
        return one
    array = np.asarray(one)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    grey_or_colour = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not grey_or_colour or not array.size or array.dtype.kind not in "buif":
        raise UserError(
            f"picture {number} is {type(one).__name__} of shape {array.shape}; expected a Pillow image, the path of a "
            f"file, or an array [height, width] or [height, width, 3]."
        )
    if array.dtype == np.uint8:
        return Image.fromarray(array)
    light = array.astype(np.float64)
    if not (np.isfinite(light).all() and light.min() >= 0 and light.max() <= 1):
        raise UserError(
            f"picture {number} has values from {light.min():g} to {light.max():g}; expected light from 0 to 1, or "
            f"uint8 from 0 to 255."
        )
    return Image.fromarray((255 * light).round().astype(np.uint8))
