"""Records of one's own: CSV files of time, glucose, carbs and insulin, as Dexcom Clarity, LibreView, Nightscout,
Tidepool and people write them. A file is a person, a folder of files several.

Columns are known by their names, and may stand below a few lines of other things. Readings go on a grid of five
minutes; between readings at most 20 minutes apart it is filled linearly, a longer gap stays one, and of what was before
a gap of 14 days nothing is kept. What cannot be is left out and counted, as are calibrations and long-acting insulin.
"""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.sim.glucose import MINUTES
from quickstudy.tasks.glucose.cells import COLUMNS, MG, SHOWN, Say, Unit, left_out, read_rows, table
from quickstudy.tasks.glucose.lives import DAY, Records
from quickstudy.tasks.glucose.windows import LAGS, bridged
from quickstudy.tasks.places import find, notice

Row = tuple[int, float, float]
"""(line, minute, value)."""
BACK = 0.1
"""Share of readings at most whose clock may have gone back."""
MOST = {"carbs": 500.0, "insulin": 100.0}
SHORTEST = LAGS + 1
"""Readings that a prediction looks back on: two hours, and the last one."""
APART = 14.0
"""Days without glucose after which another record begins."""


class Person(NamedTuple):
    """One file."""

    records: Records
    """[1, steps]."""
    start: int
    """Step of the day at which they begin."""
    unit: Unit
    """What the file counts glucose in; ``records`` are in mg/dL."""


class Own(NamedTuple):
    """The people of a file or folder."""

    path: Path
    names: tuple[str, ...]
    records: Records
    """[P, steps], each from its own first reading on."""
    start: Tensor
    """[P] int64 step of the day of that reading."""
    last: Tensor
    """[P] int64 steps that each record has."""
    fingerprint: str
    unit: Unit
    """What all files count glucose in; mg/dL where they differ."""


def read(path: str) -> Own:
    """Everybody at ``path``, from here or from QUICKSTUDY_DATA.

    Raises UserError, with file and line, where there is no such file, nothing like a header, no time or unit that can
    be told, a clock that keeps going back, or less than two hours.
    """
    place = find(path)
    files = sorted(place.glob("*.csv")) if place.is_dir() else [place]
    if not place.exists() or not files:
        raise UserError(
            f"there is no {'CSV file in' if place.exists() else 'file'} {place}. Give a CSV file, or a folder of them."
        )
    made = [person(file) for file in files]
    most = max(one.records.glucose.shape[1] for one in made)
    padded = (
        torch.stack([torch.nn.functional.pad(leaf[0], (0, most - leaf.shape[1]), value=gap) for leaf in leaves])
        for leaves, gap in zip(zip(*(one.records for one in made), strict=True), (math.nan, 0.0, 0.0), strict=True)
    )
    fingerprint = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    last = torch.tensor([one.records.glucose.shape[1] for one in made])
    names = tuple(f"{place.name}/{file.stem}" for file in files)
    units = {one.unit for one in made}
    unit = units.pop() if len(units) == 1 else MG
    return Own(place, names, Records(*padded), torch.tensor([one.start for one in made]), last, fingerprint, unit)


def person(path: Path, say: Say | None = None) -> Person:
    """The record of one file; what has to be said of the file goes to ``say``, or is a notice."""
    say = say or (lambda text: notice(f"{path}: {text}"))
    lines, top, columns = table(path)
    rows = read_rows(path, lines[top + 1 :], columns, lines[top][1], say)
    least, most = (edge / rows.unit.mg for edge in SHOWN)
    possible = _possible(rows.glucose, SHOWN, f"glucose outside {least:.3g} to {most:.3g} {rows.unit.name}", say)
    readings = _forwards(path, possible, say)
    if not readings:
        raise UserError(f"{path} has no reading of glucose. Expected a column such as {COLUMNS['glucose'][0]!r}.")
    readings = _newest(readings, say)
    first = math.floor(readings[0][1] / MINUTES)
    steps = math.floor(readings[-1][1] / MINUTES) - first + 1
    if steps < SHORTEST:
        raise UserError(
            f"{path} has {steps * MINUTES / 60:.1f} hours of glucose from line {readings[0][0]} on; expected "
            f"{LAGS * MINUTES // 60} or more."
        )
    glucose = torch.full((steps,), math.nan)
    glucose[[math.floor(minute / MINUTES) - first for _, minute, _ in readings]] = torch.tensor(
        [v for *_, v in readings]
    )
    glucose = bridged(glucose)
    if silent := int(glucose.isnan().sum()):
        gaps = int((glucose[1:].isnan() & glucose[:-1].isfinite()).sum())
        say(f"{gaps} gaps in its glucose, {silent * MINUTES / 60:.1f} of {steps * MINUTES / 60:.1f} hours.")
    events = {}
    for what, found in (("carbs", rows.carbs), ("insulin", rows.insulin)):
        events[what] = torch.zeros(steps)
        odd = f"{what} outside 0 to {MOST[what]:g} {'g' if what == 'carbs' else 'U'}"
        kept = _possible(found, (0.0, MOST[what]), odd, say)
        at = torch.tensor([math.floor(minute / MINUTES) - first for _, minute, _ in kept], dtype=torch.int64)
        inside = (at >= 0) & (at < steps)
        events[what].index_add_(0, at[inside], torch.tensor([v for *_, v in kept])[inside])
    return Person(Records(glucose[None], events["carbs"][None], events["insulin"][None]), first % DAY, rows.unit)


def _possible(rows: list[Row], ends: tuple[float, float], odd: str, say: Say) -> list[Row]:
    """Those between the ``ends``; the others, which are ``odd``, are counted."""
    kept = [row for row in rows if ends[0] <= row[2] <= ends[1]]
    _say_left_out(rows, kept, odd, say)
    return kept


def _forwards(path: Path, rows: list[Row], say: Say) -> list[Row]:
    """Those whose clock is later than before; files that begin with the latest are turned. The others are counted."""
    if sum(b[1] < a[1] for a, b in pairwise(rows)) > len(rows) / 2:
        rows = rows[::-1]
    kept: list[Row] = []
    for row in rows:
        if not kept or row[1] > kept[-1][1]:
            kept.append(row)
    if len(rows) - len(kept) > BACK * len(rows):
        line = next(row[0] for row in rows if row not in kept)
        raise UserError(
            f"line {line} of {path}: the clock goes back, and stays behind. Sort the file by time, or cut it there."
        )
    _say_left_out(rows, kept, "glucose at a time that was before: the clock went back", say)
    return kept


def _newest(rows: list[Row], say: Say) -> list[Row]:
    """Those after the last gap that is too long for one record."""
    long = [at for at, (a, b) in enumerate(pairwise(rows), 1) if b[1] - a[1] > APART * 24 * 60]
    if not long:
        return rows
    at = long[-1]
    days = (rows[at][1] - rows[at - 1][1]) / 24 / 60
    say(
        f"left out the {at} of {len(rows)} readings before line {rows[at][0]}, for {days:.0f} days without "
        "glucose lie between. If that is a wrong date, put it right."
    )
    return rows[at:]


def _say_left_out(rows: list[Row], kept: list[Row], why: str, say: Say) -> None:
    lines = {line for line, *_ in kept}
    left_out(say, [line for line, *_ in rows], [line for line, *_ in rows if line not in lines], why)
