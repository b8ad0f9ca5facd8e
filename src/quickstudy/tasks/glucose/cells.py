"""What the lines of an export of glucose say: columns known by their names, in units that are told or said."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from quickstudy.errors import UserError
from quickstudy.tasks.glucose.clock import Clock
from quickstudy.tasks.lines import SEPARATORS, lines, text_of

Say = Callable[[str], None]
"""Takes what has to be said of a file."""
Line = tuple[int, dict[str, str]]
"""Number in the file, and what stands in which column."""
COLUMNS = {
    "time": ("timestamp", "device timestamp", "time", "datetime", "date", "datestring", "created_at", "local time",
             "device time", "utc time"),
    "glucose": ("glucose value", "historic glucose", "glucose", "sgv", "cgm", "bg", "sensor glucose", "value"),
    "carbs": ("carb value", "carbohydrates", "carbs", "carb", "carb input", "carbinput", "bwz carb input"),
    "insulin": ("insulin value", "rapid-acting insulin", "insulin", "bolus", "bolus volume delivered", "normal"),
    "units": ("units", "unit"),
    "day": ("date",),
    "event": ("event type", "type"),
    "kind": ("event subtype", "subtype", "sub type"),
}  # fmt: skip
"""What columns are called, without what stands in brackets and without units; the first that is there counts."""
WORDS = {"low": 40.0, "lo": 40.0, "high": 400.0, "hi": 400.0}
SHOWN = 20.0, 600.0
"""mg/dL that a sensor can show."""
TOP = 40
"""Lines in which a header is looked for."""
SENSOR = ("egv", "cbg", "sgv")
"""Events that are readings of a sensor, where a file says what its lines are: no calibration, no drop of blood."""
HOUR = re.compile(r"\d{1,2}:\d{2}(:\d{2})?( ?[ap]\.?m\.?)?", re.IGNORECASE)
"""A time without its day."""


class Unit(NamedTuple):
    """What a file counts glucose in."""

    name: str
    mg: float
    """mg/dL in one of it."""


MG, MMOL = Unit("mg/dL", 1.0), Unit("mmol/L", 18.016)


@dataclass
class Rows:
    """What the lines of a file say, in the order of the file."""

    glucose: list[tuple[int, float, float]] = field(default_factory=list)
    """(line, minute, mg/dL)."""
    carbs: list[tuple[int, float, float]] = field(default_factory=list)
    insulin: list[tuple[int, float, float]] = field(default_factory=list)
    unit: Unit = MG
    """The file's own."""


def table(path: Path) -> tuple[list[tuple[int, list[str]]], int, dict[str, int]]:
    """Number and cells of each line that is not empty, place of the header among them, and its columns."""
    text = text_of(path)
    for parts in SEPARATORS:
        found = list(lines(text, path, parts))
        if (top := _header(found)) is not None:
            return found, *top
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


def read_rows(
    path: Path, lines: Sequence[tuple[int, list[str]]], columns: dict[str, int], header: list[str], say: Say
) -> Rows:
    """Everything in ``lines``; UserError for a time or a number that is none."""
    cells = [(line, {what: row[at] for what, at in columns.items() if at < len(row)}) for line, row in lines]
    cells = [(line, row) for line, row in cells if row.get("time")]
    cells = _own(cells, say)
    clock, rows = Clock(path, [(line, _when(row)) for line, row in cells]), Rows()
    for (line, row), minute in zip(cells, clock.minutes, strict=True):
        for what, into in (("glucose", rows.glucose), ("carbs", rows.carbs), ("insulin", rows.insulin)):
            if _says(row, what):
                into.append((line, minute, _number(path, line, what, row[what])))
    named = header[columns["glucose"]], next((row.get("units", "") for _, row in cells), "")
    rows.unit = _unit(path, rows, named, say)
    rows.glucose = [(line, minute, _in_mg(value, rows.unit)) for line, minute, value in rows.glucose]
    return rows


def _own(cells: list[Line], say: Say) -> list[Line]:
    """Without glucose that no sensor measured and insulin that is no bolus, by what the lines say that they are."""
    told = any(_event(row) in SENSOR for _, row in cells)

    def other(row: dict[str, str]) -> bool:
        return told and _event(row) not in SENSOR and _says(row, "glucose")

    def slow(row: dict[str, str]) -> bool:
        return row.get("kind", "").lower().startswith("long") and _says(row, "insulin")

    for what, odd, why in (
        ("glucose", other, "glucose that is no reading of the sensor, but a calibration or from a drop of blood"),
        ("insulin", slow, "insulin that is long-acting, and no bolus"),
    ):
        left_out(say, [line for line, row in cells if _says(row, what)], [n for n, row in cells if odd(row)], why)
        cells = [(line, {**row, what: ""} if odd(row) else row) for line, row in cells]
    return cells


def _event(row: dict[str, str]) -> str:
    return row.get("event", "").lower()


def _says(row: dict[str, str], what: str) -> bool:
    return row.get(what, "").lower() not in ("", "null", "nan", "na")


def _when(row: dict[str, str]) -> str:
    """The time, with the day of its own column where it has none."""
    day = row.get("day", "")
    return f"{day} {row['time']}" if day and HOUR.fullmatch(row["time"]) else row["time"]


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


def _unit(path: Path, rows: Rows, named: Sequence[str], say: Say) -> Unit:
    """The file's: named by it, or told by its values, which is said."""
    values = sorted(value for *_, value in rows.glucose if value > 0)
    if not values:
        return MG
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
        say(f"glucose is taken for {told[:-1]}L (half of it is below {middle:g}).")
    return MMOL if told == "mmol/l" else MG


def _in_mg(value: float, unit: Unit) -> float:
    return -value if value < -1 else value * unit.mg


def left_out(say: Say, lines: Sequence[int], odd: Sequence[int], why: str) -> None:
    """Say how many of ``lines`` are left out because they are ``odd``."""
    if odd:
        say(f"left out {len(odd)} of {len(lines)}, from line {odd[0]} on: {why}.")
