"""Requests' bodies: JSON, forms with files, and tables (CSV)."""

from __future__ import annotations

import asyncio
import csv
import io
import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile

from quickstudy.server.inputs import Given
from quickstudy.server.labels import Label
from quickstudy.server.limits import Limits
from quickstudy.server.refusals import OtherKindError, RefusedError, TooLargeError
from quickstudy.server.shapes import Cell, Input, Inputs, NewExamples
from quickstudy.server.store import Model
from quickstudy.tasks.cells import nothing, pointed
from quickstudy.tasks.lines import separator

B = TypeVar("B", bound=BaseModel)
LONG = 100_000
"""Bytes of JSON that are read on a thread."""


class Wanted(NamedTuple):
    """What is asked about, and how sure the answers are to be."""

    inputs: list[Given]
    coverage: float | None


class Told(NamedTuple):
    """Inputs and their labels."""

    labels: list[Label]
    inputs: list[Given]


async def examples(request: Request, model: Model, form: str, target: str | None, limits: Limits) -> Told:
    """Examples in whichever form they are sent."""
    kind = kind_of(request)
    if kind == "multipart/form-data":
        label, files = await _files(request, limits)
        if label is None:
            raise RefusedError("the form has no field 'label'. Give the files' label in it.")
        return Told([_typed([label], model, numbers_first=False)[0]] * len(files), files)
    if kind == "text/csv":
        names, rows = await _table(request, limits)
        if target is None or target not in names:
            raise RefusedError(
                f"target is {target!r}; expected the column that has the labels: {', '.join(names)[:200]}."
            )
        at = names.index(target)
        told = _typed([row[at] for row in rows], model, numbers_first=True)
        return Told(
            told, _from_table([n for n in names if n != target], [row[:at] + row[at + 1 :] for row in rows], form)
        )
    found = await json_of(request, NewExamples, kind)
    return Told([one.label for one in found.examples], list(found.examples))


async def inputs(request: Request, form: str, limits: Limits) -> Wanted:
    """Inputs in whichever form they are sent; JSON says the coverage itself, for others it stands in the address."""
    kind = kind_of(request)
    if kind == "multipart/form-data":
        return Wanted((await _files(request, limits))[1], _coverage(request))
    if kind == "text/csv":
        names, rows = await _table(request, limits)
        return Wanted(_from_table(names, rows, form), _coverage(request))
    found = await json_of(request, Inputs, kind)
    coverage = _coverage(request) if found.coverage is None else found.coverage
    if found.inputs is None:
        return Wanted([found], coverage)
    if any(getattr(found, name) is not None for name in Input.model_fields):
        raise RefusedError("there is one input beside 'inputs'. Give one of both.")
    return Wanted(list(found.inputs), coverage)


def _coverage(request: Request) -> float | None:
    """That of the address."""
    if (told := request.query_params.get("coverage")) is None:
        return None
    value = _number(told)
    if value is None:
        raise RefusedError(f"the coverage is {told[:80]!r}; expected a share between 0 and 1, such as 0.9.")
    return float(value)


def kind_of(request: Request) -> str:
    """The type of the body, without its parameters."""
    return request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()


async def json_of(request: Request, shape: type[B], kind: str | None = None) -> B:
    """The body as ``shape``."""
    kind = kind or kind_of(request)
    if kind != "application/json":
        raise OtherKindError(f"the body is {kind[:80] or 'of no type'}, which is not read here. Send application/json.")
    body = await request.body()
    try:
        if len(body) > LONG:
            return await asyncio.to_thread(shape.model_validate_json, body)
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise RefusedError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if "label" in first["loc"]:
        at = first["loc"][: first["loc"].index("label") + 1]
        return f"{'.'.join(map(str, at))} is not right; expected a word or a number. /docs shows an example."
    where = ".".join(str(part) for part in first["loc"] if isinstance(part, int) or str(part).isidentifier())
    return (
        f"the JSON is not right{' at ' + where[:100] if where else ''}: {first['msg'][:200]}. /docs shows an example."
    )


async def _files(request: Request, limits: Limits) -> tuple[str | None, list[Given]]:
    """The field ``label`` of a form, and what is in its files."""
    async with request.form(max_files=limits.inputs, max_fields=16, max_part_size=1 << 16) as form:
        files: list[Given] = []
        label = None
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files.append(await value.read())
            elif name == "label":
                label = value
            else:
                raise RefusedError(f"the form has a field {name[:80]!r}; expected 'label' and files.")
    if not files:
        raise RefusedError("the form has no files. Send one or more.")
    return label, files


async def _table(request: Request, limits: Limits) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, and rows of as many cells."""
    try:
        text = (await request.body()).decode("utf-8-sig")
        parts = separator(text)
        told = csv.reader(io.StringIO(text, newline=""), delimiter=parts, strict=True)
        lines = [line if parts == "," else [*map(pointed, line)] for line in told if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RefusedError(
            f"the table cannot be read ({error}). Send UTF-8 text, commas, semicolons or tabs between cells, a header."
        ) from error
    if len(lines) < 2:
        raise RefusedError("the table has no rows. Expected a header and one row or more.")
    names, *rows = lines
    if len(set(names)) < len(names) or not all(name.strip() for name in names):
        raise RefusedError("columns of the table have no names, or the same. Give each a name of its own.")
    if len(rows) > limits.inputs:
        raise TooLargeError(
            f"the table has {len(rows)} rows, and one request may have {limits.inputs}. Send it in parts."
        )
    if odd := next((row for row in rows if len(row) != len(names)), None):
        raise RefusedError(f"a row of the table has {len(odd)} cells, and the header has {len(names)}.")
    return names, rows


def _from_table(names: list[str], rows: list[list[str]], form: str) -> list[Given]:
    if form == "pictures":
        raise OtherKindError("the body is text/csv, and this model takes pictures. Send files, or JSON.")
    if form == "rows":
        return [Input.model_construct(row=dict(zip(names, map(_cell, row), strict=True))) for row in rows]
    found: list[Given] = []
    for row in rows:
        cells = [_number(cell) for cell in row]
        if None in cells:
            raise RefusedError(
                f"the table has {row[cells.index(None)][:80]!r}; expected numbers, which this model takes."
            )
        found.append(Input.model_construct(x=cells))
    return found


def _cell(text: str) -> Cell:
    """A number, a word, or None for a gap."""
    text = text.strip()
    number = _number(text)
    return number if number is not None else (None if nothing(text) else text)


def _number(text: str) -> int | float | None:
    """The finite number that ``text`` is, if any."""
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and "." not in text and abs(value) < 1e15 else value


def _typed(texts: Sequence[str], model: Model, numbers_first: bool) -> list[Label]:
    """Labels that came as text: of the kind that the model has; of one without any, numbers if those are wanted."""
    numbers = [_number(text) for text in texts]
    has_words = any(isinstance(label, str) for label, _ in model.labels)
    wanted = not has_words if model.labels else numbers_first
    if wanted and all(number is not None for number in numbers):
        return [number for number in numbers if number is not None]
    return list(texts)
