"""What users have, as the inputs of a learner: one reader for each form of them.

A reader is made anew by every ``fit``. What it has to remember of the first examples, the levels of a column of words
for instance, is its own; what depends on all of the support is found when inputs are made.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.estimator import sheets
from quickstudy.tasks.base import Form, Spec
from quickstudy.tasks.columns import in_units, scale
from quickstudy.tasks.folders import listing
from quickstudy.tasks.pictures import KINDS, made_of, shrunk, upright
from quickstudy.tasks.places import notice

Array = np.ndarray[Any, Any]


class Reader(ABC):
    """How examples become numbers."""

    form: ClassVar[Form] = "numbers"
    """Of a learner without training for such examples."""

    @abstractmethod
    def read(self, X: Any, owner: BaseEstimator, first: bool) -> Array:
        """[n, ...] what is kept of each example; ``first`` says that nothing was seen before.

        Raises UserError, or scikit-learn's own ValueError, for what cannot be read.
        """

    @abstractmethod
    def inputs(self, kept: Array, support: Array) -> Tensor:
        """[n, *shape] what the learner takes, where ``support`` is what was kept of all that it learns from."""

    def shape(self, kept: Array) -> tuple[int, ...]:
        """That of an input, where ``kept`` [n, ...] was read."""
        return kept.shape[1:]

    def extended(self, X: Any, kept: Array) -> Array:
        """Make room for what is new in ``X``; what was ``kept`` before, as it is read from now on."""
        return kept


def reader(spec: Spec) -> Reader:
    """The one for a learner of ``spec``."""
    if spec.form == "rows":
        return Rows(spec.shape[0] // 2)
    if len(spec.shape) == 1:
        return Numbers(spec.shape[0])
    if len(spec.shape) == 3 and spec.shape[1] == spec.shape[2]:
        return Pictures(spec.shape[0], spec.shape[1], ink=spec.form == "drawings")
    raise UserError(f"the learner takes inputs of shape {spec.shape} ({spec.name}), into which nothing is turned here.")


def plain(X: Any) -> Reader:
    """The one for a learner that needs no training: pandas frames are tables, all else numbers."""
    return Rows(X.shape[1]) if hasattr(X, "select_dtypes") else Numbers(0)


class Numbers(Reader):
    """Rows of numbers, as they are; ``width`` 0 takes any number of columns."""

    def __init__(self, width: int) -> None:
        self.width = width

    def read(self, X: Any, owner: BaseEstimator, first: bool) -> Array:
        """[n, columns] float32."""
        values: Array = np.array(validate_data(owner, X, reset=first, dtype=np.float32))
        if self.width and values.shape[1] != self.width:
            raise UserError(f"X has {values.shape[1]} columns, and the learner takes {self.width}.")
        return values

    def inputs(self, kept: Array, support: Array) -> Tensor:
        return torch.tensor(kept)


class Rows(Reader):
    """Rows of a table with room for ``columns`` columns: numbers or words, with gaps (NaN or None)."""

    form: ClassVar[Form] = "rows"

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.levels: dict[str, dict[str, int]] = {}
        """The numbers of the words in each column that has any, where columns have names."""

    def read(self, X: Any, owner: BaseEstimator, first: bool) -> Array:
        """[n, columns of X] float64 with NaN for gaps; words are numbered in alphabetical order."""
        if hasattr(X, "select_dtypes"):
            X = self._numbered(X, first)
        values: Array = np.array(validate_data(owner, X, reset=first, dtype=np.float64, ensure_all_finite="allow-nan"))
        if values.shape[1] > self.columns:
            raise UserError(
                f"X has {values.shape[1]} columns, and the learner has room for {self.columns}. Leave some out, or "
                f"train with tables:columns={values.shape[1]}."
            )
        return values

    def inputs(self, kept: Array, support: Array) -> Tensor:
        values, known = (np.pad(part, ((0, 0), (0, self.columns - part.shape[1]))) for part in (kept, support))
        values[:, kept.shape[1] :] = known[:, kept.shape[1] :] = np.nan
        x, seen = torch.from_numpy(values), torch.from_numpy(known)
        mean, spread = scale(seen.nan_to_num(0.0), (~seen.isnan()).double())
        return in_units(x.nan_to_num(0.0), (~x.isnan()).double(), mean, spread).float()

    def shape(self, kept: Array) -> tuple[int, ...]:
        return (2 * self.columns,)

    def extended(self, X: Any, kept: Array) -> Array:
        """``kept`` with words numbered as if those of the frame ``X`` had been there at first."""
        if not hasattr(X, "select_dtypes"):
            return kept
        kept, columns = kept.copy(), list(X.columns)
        for name, found in words_of(X).items():
            known = self.levels.get(name, {})
            every = found if set(known) <= set(found) else sorted({*known, *found})
            self.levels[name] = {word: at for at, word in enumerate(every)}
            column = kept[:, columns.index(name)]
            for at, word in sorted((at, word) for word, at in known.items()):
                column[kept[:, columns.index(name)] == at] = -1 - self.levels[name][word]
            kept[:, columns.index(name)] = np.where(column < 0, -1 - column, column)
        return kept

    def _numbered(self, frame: Any, first: bool) -> Any:
        """A pandas frame with a number for each word; one that was not met at first is a gap."""
        if first:
            self.levels = {name: {word: at for at, word in enumerate(found)} for name, found in words_of(frame).items()}
            if odd := [name for name in self.levels if not isinstance(name, str)]:
                raise UserError(f"the column {odd[0]!r} has words, and no word for its name. Give columns names.")
        frame = frame.copy()
        for name in frame.columns:
            if name in self.levels:
                frame[name] = [self.levels[name].get(str(word), np.nan) for word in frame[name]]
            elif frame[name].dtype.kind == "M":
                frame[name] = [np.nan if isna(day) else day.timestamp() / 86400 for day in frame[name]]
            elif frame[name].dtype.kind not in "iuf":
                frame[name] = [np.nan if isna(value) else float(value) for value in frame[name]]
        return frame


def words_of(frame: Any) -> dict[Any, list[str]]:
    """The words in each column that has any, in their order: that of ordered categories, else the alphabet's."""
    found = {}
    for name in frame.columns:
        column = frame[name]
        categories = getattr(column.dtype, "categories", None)
        if categories is not None and column.dtype.ordered:
            found[name] = [str(one) for one in categories]
        elif column.dtype.kind not in "iufbM":
            values = {value for value in column if not isna(value)}
            if not all(isinstance(value, Real) for value in values):
                found[name] = sorted({str(value) for value in values})
    return found


def isna(value: Any) -> bool:
    """Whether a cell is a gap: None, NaN, or pandas' own words for them."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def are_pictures(X: Any) -> bool:
    """Whether ``X`` is pictures, or the path of a folder of them, by the look of the first."""
    if isinstance(X, str | os.PathLike):
        return True
    if isinstance(X, np.ndarray) and X.dtype.kind in "buif":
        return X.ndim in (3, 4)
    first: Any = X[0] if isinstance(X, Sequence | np.ndarray) and len(X) else None
    return isinstance(first, str | os.PathLike) or hasattr(first, "convert") or np.ndim(first) in (2, 3)


class Pictures(Reader):
    """Pictures of every size and kind: arrays, Pillow images, or the paths of files."""

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

    def read_folder(self, root: Path) -> tuple[Array, Array]:
        """What is kept of the pictures in the class folders of ``root``, and their labels.

        Files that cannot be read are skipped, with a notice. Raises UserError where none can be.
        """
        if root.is_file():
            raise UserError(f"{root} is a file; expected a folder that has a folder of pictures for each label.")
        found = listing(root)
        if found.splits:
            first = next(iter(found.splits))
            raise UserError(
                f"{root} has folders {', '.join(found.splits)}. Give one of them, for example {root / first}."
            )
        read = self.readable([file.source / file.name for file in found.files])
        skipped = [*found.odd, *(one for one in read if isinstance(one, str))]
        if skipped:
            notice(f"skipped {len(skipped)} of {len(read) + len(found.odd)} files in {root} ({skipped[0]})")
        kept = [(one, label) for one, label in zip(read, found.labels, strict=True) if not isinstance(one, str)]
        if not kept:
            raise UserError(f"none of the {len(read)} pictures in {root} can be read. {skipped[-1]}")
        if lost := sorted(set(found.labels) - {label for _, label in kept}):
            notice(f"no picture of {', '.join(lost)} can be read: it is not learnt")
        return np.stack([one for one, _ in kept]), np.array([label for _, label in kept])

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
        said = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path} cannot be read ({said}). Give the path of a picture.") from error
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
