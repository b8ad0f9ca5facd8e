"""Records of one's own: CSV files of time, glucose, carbs and insulin, as Dexcom Clarity, LibreView, Nightscout,
Tidepool and people write them. A file is a person, a folder of files several.

Columns are known by their names, and may stand below a few lines of other things. Readings go on a grid of five
minutes; between readings at most 20 minutes apart it is filled linearly, a longer gap stays one. What cannot be is
left out and counted.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.sim.glucose import MINUTES
from quickstudy.tasks.glucose_clock import Clock
from quickstudy.tasks.glucose_lives import DAY, Records
from quickstudy.tasks.glucose_windows import bridged
from quickstudy.tasks.places import find, notice

COLUMNS = {
    "time": ("timestamp", "device timestamp", "time", "datetime", "date", "datestring", "created_at", "local time",
             "device time", "utc time"),
    "glucose": ("glucose value", "historic glucose", "glucose", "sgv", "cgm", "bg", "sensor glucose", "value"),
    "carbs": ("carb value", "carbohydrates", "carbs", "carb", "carb input", "carbinput", "bwz carb input"),
    "insulin": ("insulin value", "rapid-acting insulin", "insulin", "bolus", "bolus volume delivered", "normal"),
    "units": ("units", "unit"),
}  # fmt: skip
"""What columns are called, without what stands in brackets and without units; the first that is there counts."""
MMOL = 18.016
"""mg/dL in a mmol/L of glucose."""
WORDS = {"low": 40.0, "lo": 40.0, "high": 400.0, "hi": 400.0}
SHOWN = 20.0, 600.0
"""mg/dL that a sensor can show."""
MOST = {"carbs": 500.0, "insulin": 100.0}
BACK = 0.1
"""Share of readings at most whose clock may have gone back."""
SHORTEST = 8 * 60 // MINUTES
SEPARATORS = ",;\t"
TOP = 40
"""Lines in which a header is looked for."""


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


@dataclass
class Rows:
    """What the lines of a file say, in the order of the file."""

    glucose: list[tuple[int, float, float]] = field(default_factory=list)
    """(line, minute, mg/dL)."""
    carbs: list[tuple[int, float, float]] = field(default_factory=list)
    insulin: list[tuple[int, float, float]] = field(default_factory=list)


def read(path: str) -> Own:
    """Everybody at ``path``, from here or from QUICKSTUDY_DATA.

    Raises UserError, with file and line, where there is no such file, nothing like a header, no time or unit that can
    be told, a clock that keeps going back, or less than eight hours.
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
    lines, top, columns = _table(path)
    rows = _rows(path, lines[top + 1 :], columns, lines[top][1])
    readings = _forwards(path, _possible(path, rows.glucose, "glucose", *SHOWN, "mg/dL"))
    if not readings:
        raise UserError(f"{path} has no reading of glucose. Expected a column such as {COLUMNS['glucose'][0]!r}.")
    first = math.floor(readings[0][1] / MINUTES)
    steps = math.floor(readings[-1][1] / MINUTES) - first + 1
    if steps < SHORTEST:
        raise UserError(f"{path} has {steps * MINUTES / 60:.1f} hours of glucose; expected {SHORTEST // 12} or more.")
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


def _table(path: Path) -> tuple[list[tuple[int, list[str]]], int, dict[str, int]]:
    """Number and cells of each line that is not empty, place of the header among them, and its columns."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        for parts in SEPARATORS:
            reader = csv.reader(io.StringIO(text), delimiter=parts)
            lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader if any(line)]
            if (found := _header(lines)) is not None:
                return lines, *found
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table ({error}). Save it as CSV in UTF-8.") from error
    raise UserError(
        f"{path} has no header with a time and a glucose in its first {TOP} lines. Expected columns such as "
        "time, glucose, carbs, insulin."
    )


def _header(lines: Sequence[tuple[int, list[str]]]) -> tuple[int, dict[str, int]] | None:
    """Place in ``lines`` of the header, and in which of its columns what stands."""
    for top, (_, cells) in enumerate(lines[:TOP]):
        plain = [_plain(cell) for cell in cells]
        found = {what: [plain.index(name) for name in names if name in plain] for what, names in COLUMNS.items()}
        if found["time"] and found["glucose"]:
            return top, {what: places[0] for what, places in found.items() if places}
    return None


def _plain(cell: str) -> str:
    """The name of a column without units."""
    name = cell.lower().partition("(")[0]
    for unit in ("mg/dl", "mmol/l"):
        name = name.replace(unit, "")
    return name.strip(" _[]\"'")


def _rows(path: Path, lines: Sequence[tuple[int, list[str]]], columns: dict[str, int], header: list[str]) -> Rows:
    """Everything in ``lines``; UserError for a time or a number that is none."""
    cells = [(line, {what: row[at] for what, at in columns.items() if at < len(row)}) for line, row in lines]
    cells = [(line, row) for line, row in cells if row.get("time")]
    clock, rows = Clock(path, [(line, row["time"]) for line, row in cells]), Rows()
    for (line, row), minute in zip(cells, clock.minutes, strict=True):
        for what, into in (("glucose", rows.glucose), ("carbs", rows.carbs), ("insulin", rows.insulin)):
            if (text := row.get(what, "")) and text.lower() not in ("null", "nan", "na"):
                into.append((line, minute, _number(path, line, what, text)))
    unit = _unit(path, rows, header[columns["glucose"]], next((row.get("units", "") for _, row in cells), ""))
    rows.glucose = [(line, minute, _in_mg(value, unit)) for line, minute, value in rows.glucose]
    return rows


def _number(path: Path, line: int, what: str, text: str) -> float:
    if what == "glucose" and text.lower() in WORDS:
        return -WORDS[text.lower()]  # in mg/dL whatever the unit is
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"line {line} of {path}: {what} is {text!r}; expected a number.")
    return max(value, -1.0) if what == "glucose" else value


def _unit(path: Path, rows: Rows, *named: str) -> float:
    """mg/dL in a unit of the file: said by it, or told by its values, which is said."""
    values = sorted(value for *_, value in rows.glucose if value > 0)
    if not values:
        return 1.0
    middle = values[len(values) // 2]
    said = next((unit for unit in ("mg/dl", "mmol/l") if any(unit in name.lower() for name in named)), None)
    told = "mmol/l" if middle < 30 else "mg/dl"
    if said is not None and said != told:
        raise UserError(
            f"{path} says that its glucose is in {said}, but half of it is below {middle:g}. Put the right unit there."
        )
    other = sum((value < 30) != (told == "mmol/l") for value in values)
    if other > 0.02 * len(values):
        line = next(line for line, _, value in rows.glucose if value > 0 and (value < 30) != (told == "mmol/l"))
        raise UserError(f"{path} mixes mg/dL and mmol/L, as in line {line}. Bring it to one unit.")
    if said is None:
        notice(f"{path}: glucose is taken for {told[:-1]}L (half of it is below {middle:g}).")
    return MMOL if told == "mmol/l" else 1.0


def _in_mg(value: float, unit: float) -> float:
    return -value if value < -1 else value * unit


def _possible(
    path: Path, rows: list[tuple[int, float, float]], what: str, least: float, most: float, unit: str
) -> list[tuple[int, float, float]]:
    """Those within ``least`` and ``most``; the others are counted."""
    kept = [row for row in rows if least <= row[2] <= most]
    _left_out(path, rows, kept, f"{what} outside {least:g} to {most:g} {unit}")
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
    _left_out(path, rows, kept, "glucose at a time that was before: the clock went back")
    return kept


def _left_out(path: Path, rows: list[tuple[int, float, float]], kept: list[tuple[int, float, float]], why: str) -> None:
    if len(kept) < len(rows):
        lines = {line for line, *_ in kept}
        first = next(line for line, *_ in rows if line not in lines)
        notice(f"{path}: left out {len(rows) - len(kept)} of {len(rows)}, from line {first} on: {why}.")
