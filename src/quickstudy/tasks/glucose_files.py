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
from quickstudy.tasks.glucose_cells import COLUMNS, SHOWN, left_out, read_rows, table
from quickstudy.tasks.glucose_lives import DAY, Records
from quickstudy.tasks.glucose_windows import LAGS, bridged
from quickstudy.tasks.places import find, notice

BACK = 0.1
"""Share of readings at most whose clock may have gone back."""
MOST = {"carbs": 500.0, "insulin": 100.0}
SHORTEST = LAGS + 1
"""Readings that a prediction looks back on: two hours, and the last one."""
APART = 14.0
"""Days without glucose after which another record begins."""


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
    most = max(records.glucose.shape[1] for records, _ in made)
    padded = (
        torch.stack([torch.nn.functional.pad(leaf[0], (0, most - leaf.shape[1]), value=gap) for leaf in leaves])
        for leaves, gap in zip(zip(*(records for records, _ in made), strict=True), (math.nan, 0.0, 0.0), strict=True)
    )
    fingerprint = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    last = torch.tensor([records.glucose.shape[1] for records, _ in made])
    names = tuple(f"{place.name}/{file.stem}" for file in files)
    return Own(place, names, Records(*padded), torch.tensor([start for _, start in made]), last, fingerprint)


def person(path: Path) -> tuple[Records, int]:
    """The record of one file, [1, steps], and the step of the day at which it begins."""
    lines, top, columns = table(path)
    rows = read_rows(path, lines[top + 1 :], columns, lines[top][1])
    readings = _forwards(path, _possible(path, rows.glucose, "glucose", *SHOWN, "mg/dL"))
    if not readings:
        raise UserError(f"{path} has no reading of glucose. Expected a column such as {COLUMNS['glucose'][0]!r}.")
    readings = _newest(path, readings)
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
        notice(f"{path}: {gaps} gaps in its glucose, {silent * MINUTES / 60:.1f} of {steps * MINUTES / 60:.1f} hours.")
    events = {}
    for what, found in (("carbs", rows.carbs), ("insulin", rows.insulin)):
        events[what] = torch.zeros(steps)
        kept = _possible(path, found, what, 0.0, MOST[what], "g" if what == "carbs" else "U")
        at = torch.tensor([math.floor(minute / MINUTES) - first for _, minute, _ in kept], dtype=torch.int64)
        inside = (at >= 0) & (at < steps)
        events[what].index_add_(0, at[inside], torch.tensor([v for *_, v in kept])[inside])
    return Records(glucose[None], events["carbs"][None], events["insulin"][None]), first % DAY


def _possible(
    path: Path, rows: list[tuple[int, float, float]], what: str, least: float, most: float, unit: str
) -> list[tuple[int, float, float]]:
    """Those within ``least`` and ``most``; the others are counted."""
    kept = [row for row in rows if least <= row[2] <= most]
    _say_left_out(path, rows, kept, f"{what} outside {least:g} to {most:g} {unit}")
    return kept


def _forwards(path: Path, rows: list[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    """Those whose clock is later than before; files that begin with the latest are turned. The others are counted."""
    if sum(b[1] < a[1] for a, b in pairwise(rows)) > len(rows) / 2:
        rows = rows[::-1]
    kept: list[tuple[int, float, float]] = []
    for row in rows:
        if not kept or row[1] > kept[-1][1]:
            kept.append(row)
    if len(rows) - len(kept) > BACK * len(rows):
        line = next(row[0] for row in rows if row not in kept)
        raise UserError(
            f"line {line} of {path}: the clock goes back, and stays behind. Sort the file by time, or cut it there."
        )
    _say_left_out(path, rows, kept, "glucose at a time that was before: the clock went back")
    return kept


def _newest(path: Path, rows: list[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    """Those after the last gap that is too long for one record."""
    long = [at for at, (a, b) in enumerate(pairwise(rows), 1) if b[1] - a[1] > APART * 24 * 60]
    if not long:
        return rows
    at = long[-1]
    days = (rows[at][1] - rows[at - 1][1]) / 24 / 60
    notice(
        f"{path}: left out the {at} of {len(rows)} readings before line {rows[at][0]}, for {days:.0f} days without "
        "glucose lie between. If that is a wrong date, put it right."
    )
    return rows[at:]


def _say_left_out(
    path: Path, rows: list[tuple[int, float, float]], kept: list[tuple[int, float, float]], why: str
) -> None:
    lines = {line for line, *_ in kept}
    left_out(path, [line for line, *_ in rows], [line for line, *_ in rows if line not in lines], why)
