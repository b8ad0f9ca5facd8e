"""What is sent, as a learner's reader keeps it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from quickstudy.errors import UserError
from quickstudy.estimator.cases import Cases
from quickstudy.estimator.inputs import Array, Numbers, Reader
from quickstudy.estimator.pictures import Pictures
from quickstudy.estimator.rows import Rows
from quickstudy.server.limits import Limits
from quickstudy.server.refusals import RefusedError, TooLargeError
from quickstudy.server.shapes import Cell, Input, Terms
from quickstudy.server.store import Note
from quickstudy.tasks.diseases.terms import Case, contradicted
from quickstudy.tasks.vision.pictures import KINDS

Given = bytes | Input
"""The file of a picture, or an input as JSON has it."""
LARGEST_NUMBER = 1e12
"""Squares of more, summed over columns, may not be finite."""
LARGE_PIXELS = 4_000_000
_large = threading.Lock()  # large pictures are decoded one at a time, so that memory is bounded


@dataclass(frozen=True)
class Read:
    """What was read."""

    kept: Array
    """[n, ...]."""
    note: Note
    """What the reader remembers now."""
    earlier: Array | None = None
    """What was kept before, as it is kept from now on; None where nothing of it changes."""


def read(given: Sequence[Given], reads: Reader, note: Note, limits: Limits, earlier: Array | None = None) -> Read:
    """Read inputs for ``reads``, which has read others before if ``note`` says so.

    ``earlier`` is what was kept of these; given, the new ones are examples too, and new words in them are learnt.
    """
    if not given:
        raise RefusedError("there is no input. Give one or more.")
    if len(given) > limits.inputs:
        raise TooLargeError(
            f"there are {len(given)} inputs, and one request may have {limits.inputs}. Send them in parts."
        )
    if isinstance(reads, Pictures):
        return Read(np.stack([picture(one, reads, limits) for one in given]), note)
    if isinstance(reads, Rows):
        return _rows([_field(one, "row") for one in given], reads, note, limits, earlier)
    if isinstance(reads, Cases):
        return Read(_patients([_field(one, "terms") for one in given], reads, limits), note)
    assert isinstance(reads, Numbers)
    return _numbers([_field(one, "x") for one in given], reads, note, limits)


def picture(given: Given, reads: Pictures, limits: Limits) -> Array:
    """What is kept of one picture."""
    if not isinstance(given, bytes) and given.pixels is not None and given.image is None:
        try:
            return _array(np.array(given.pixels, dtype=np.float64), reads, limits)
        except (ValueError, TypeError) as error:
            if isinstance(error, UserError):
                raise
            raise RefusedError(
                "pixels have rows of different lengths; expected [height][width] or [height][width][3]."
            ) from error
    content = given if isinstance(given, bytes) else _decoded(_field(given, "image"))
    return _file(content, reads, limits)


def _field(given: Given, wanted: str) -> Any:
    if isinstance(given, bytes):
        raise RefusedError(f"a file was sent, and the model takes {wanted!r}.")
    named = [name for name in ("image", "pixels", "x", "row", "terms") if getattr(given, name) is not None]
    if named != [wanted]:
        forms = "'image' or 'pixels'" if wanted == "image" else f"{wanted!r}"
        raise RefusedError(
            f"an input has {' and '.join(named) or 'nothing'}; expected {forms}, which this model takes."
        )
    return getattr(given, wanted)


def _decoded(text: str) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(f"image is not base64 ({error}). Give the bytes of a picture's file in base64.") from error


def _file(content: bytes, reads: Pictures, limits: Limits) -> Array:
    width, height = _size(content)
    _check_size(width, height, limits)
    with contextlib.nullcontext() if width * height <= LARGE_PIXELS else _large:
        found = reads.of_bytes(content)
    if isinstance(found, str):
        raise _unreadable(found)
    return found


def _size(content: bytes) -> tuple[int, int]:
    """Width and height that a picture's file says it has."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=KINDS) as image:
            return image.size
    except UnidentifiedImageError as error:
        raise _unreadable("no picture of a known kind") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargeError(f"a picture is too large ({error}). Send a smaller one.") from error
    except Exception as error:  # a damaged picture raises whatever its reader stumbles over
        raise _unreadable(f"{type(error).__name__}: {error}") from error


def _unreadable(why: str) -> RefusedError:
    return RefusedError(f"a picture cannot be read ({why[:200]}). Expected {', '.join(KINDS)}.")


def _array(given: Array, reads: Pictures, limits: Limits) -> Array:
    if not given.size:
        raise RefusedError("pixels has no pixel; expected [height][width] or [height][width][3], light from 0 to 1.")
    if given.ndim not in (2, 3):
        raise RefusedError(f"pixels have {given.ndim} dimensions; expected [height][width] or [height][width][3].")
    _check_size(given.shape[1], given.shape[0], limits)
    found: Array = reads.read([given], _Columns(), True)[0]
    return found


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > 1e6 * limits.picture_megapixels:
        raise TooLargeError(
            f"a picture has {width} x {height} pixels, and one may have {limits.picture_megapixels:g} million. Send a "
            f"smaller one: it is shrunk anyway."
        )


def _numbers(rows: list[list[float]], reads: Numbers, note: Note, limits: Limits) -> Read:
    width = note.columns or reads.width or len(rows[0])
    for row in rows:
        if len(row) != width or not row:
            raise RefusedError(f"x has {len(row)} numbers; expected {width or 'one or more'}, as in the examples.")
        if max(map(abs, row)) > LARGEST_NUMBER:
            raise RefusedError(f"x has {max(row, key=abs):g}; expected numbers up to {LARGEST_NUMBER:g}.")
    _check_columns(width, limits)
    return Read(np.array(rows, dtype=np.float32), replace(note, columns=width))


def _patients(given: Sequence[Terms], reads: Cases, limits: Limits) -> Array:
    for one in given:
        words = [*one.observed, *one.excluded]
        if not one.observed:
            raise RefusedError("a patient has no observed term. Give one at least, such as " + reads.names[-1] + ".")
        if len(words) > limits.columns:
            raise TooLargeError(f"there are {len(words)} terms, and a patient may have {limits.columns}.")
        if odd := next((word for word in words if reads.ontology.find(word) is None), None):
            raise RefusedError(
                f"the term {odd[:80]!r} is unknown. Give its id, such as {reads.names[-1]}, or its name."
            )
    every = [Case("the patient", None, tuple(one.observed), tuple(one.excluded)) for one in given]
    for case in every:
        for out, own in contradicted(case, reads.ontology).items():
            raise RefusedError(
                f"the term {out[:80]!r} is excluded, and {own[:80]!r} observed, which is or implies it. Leave one out."
            )
    return reads.encoded(every)


def _check_columns(width: int, limits: Limits) -> None:
    if width > limits.columns:
        raise TooLargeError(f"there are {width} columns, and a row may have {limits.columns}.")


class _Columns(BaseEstimator):  # type: ignore[misc]
    """What scikit-learn's checks note down."""


def _rows(rows: list[dict[str, Cell]], reads: Rows, note: Note, limits: Limits, earlier: Array | None) -> Read:
    names = note.names or list(dict.fromkeys(name for row in rows for name in row))
    _check_rows(rows, names, note, limits)
    _check_columns(len(names), limits)
    frame = _frame(rows, names)
    reads.levels = {name: dict(words) for name, words in note.levels.items()}
    owner, first = _Columns(), not note.columns
    if not first:
        owner.n_features_in_, owner.feature_names_in_ = len(names), np.array(names, dtype=object)
    try:
        before = None if earlier is None or first else reads.extended(frame, earlier)
        kept = reads.read(frame, owner, first)
    except UserError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise RefusedError(f"rows cannot be read ({str(error).splitlines()[0]}).") from error
    changed = before is not None and not np.array_equal(before, earlier, equal_nan=True)  # type: ignore[arg-type]
    return Read(kept, Note(len(names), names, reads.levels), before if changed else None)


def _check_rows(rows: list[dict[str, Cell]], names: list[str], note: Note, limits: Limits) -> None:
    known = set(names)
    for row in rows:
        if not row:
            raise RefusedError("a row is empty; expected a value for at least one column.")
        if odd := [name for name in row if name not in known]:
            raise RefusedError(f"a row has a column {odd[0][:80]!r}; the examples have {', '.join(names[:20])}.")
        for name, value in row.items():
            if len(name) > limits.label_characters or len(str(value)) > limits.label_characters:
                raise TooLargeError(f"a name or word in a row has more than {limits.label_characters} characters.")
            if isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
                raise RefusedError(f"{name} is {value:g}; expected numbers up to {LARGEST_NUMBER:g}.")


def _frame(rows: list[dict[str, Cell]], names: list[str]) -> Any:
    try:
        import pandas
    except ImportError as error:
        raise RefusedError("rows with names need pandas on the server. Install it: pip install pandas.") from error
    return pandas.DataFrame({name: pandas.Series([row.get(name) for row in rows], dtype=object) for name in names})
