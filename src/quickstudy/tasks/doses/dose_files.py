"""Patients of one's own: a CSV file of doses and levels.

    id,time,dose,level,weight,apgar
    7,0,25,,1.4,7
    7,2,,17.3,1.4,7
    7,12.5,3.5,,1.4,7
    7,60,,?,1.4,7

A line is a dose, a level, or both: then the level was taken just before the dose. ``?`` asks for a level. Times of a
patient go forward. ``duration`` of an infusion and ``interval`` of doses in steady state are further columns of drugs
that have them; which covariates a drug needs is in ``drugs.py``. A cell or a header may name its unit: ``25 mg``,
``level (ug/L)``, ``weight (lb)``; a duration without one is in the unit of the time. Times may be hours and minutes:
``08:30``. What cannot be meant is refused, with the line and what to do about it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from quickstudy.errors import UserError, unknown
from quickstudy.tasks.doses.dose_units import amount, covariate, factor
from quickstudy.tasks.doses.dosing import Patient
from quickstudy.tasks.doses.drugs import DRUGS, Drug
from quickstudy.tasks.tabular.csv_table import numbered

MEASURED = ("time", "dose", "level")
NEEDED = ("id", *MEASURED)
SAME = {"subject": "id", "patient": "id", "conc": "level", "concentration": "level", "amt": "dose", "amount": "dose"}
"""Other names of columns."""
STRANGE = 300.0
"""Times more or less than the drug's usual dose or level: another unit must be meant."""


class DoseFile(NamedTuple):
    """What a file says."""

    patients: list[Patient]
    """In order of their first line; ``readings`` with a level of NaN are those asked for."""
    lines: dict[str, list[int]]
    """Of each patient, the lines of the readings."""


class _Line(NamedTuple):
    number: int
    time: float
    dose: float | None
    level: float | None
    """NaN where it is asked for."""
    duration: float
    interval: float
    known: tuple[float, ...]


def read(path: Path, drug: str) -> DoseFile:
    """The patients in the file at ``path``, in units of ``drug``; UserError for what cannot be meant."""
    if drug not in DRUGS:
        raise unknown("drug", drug, DRUGS)
    about = DRUGS[drug]
    header, rows = numbered(path, 1)
    columns, units = _columns(header, about, path)
    by_patient: dict[str, list[_Line]] = {}
    for number, cells in rows:
        row = dict(zip(columns, cells, strict=True))
        if not row["id"]:
            raise UserError(f"{path}, line {number} has no id. Give every line that of its patient.")
        by_patient.setdefault(row["id"], []).append(_line(row, units, about, path, number))
    _check_ids(by_patient, path)
    patients = [_patient(who, lines, about, path) for who, lines in by_patient.items()]
    read_at = {who: [one.number for one in lines if one.level is not None] for who, lines in by_patient.items()}
    return DoseFile(patients, read_at)


def _columns(header: list[str], about: Drug, path: Path) -> tuple[list[str], dict[str, str]]:
    """Names of the columns, and the units that the header says."""
    found = [re.fullmatch(r"\s*(.*?)\s*(?:[(\[](.*)[)\]])?\s*", name) for name in header]
    names = [match[1].lower() if match else "" for match in found]
    names = [SAME.get(name, name) for name in names]
    units = {name: match[2] for name, match in zip(names, found, strict=True) if match and match[2]}
    for name in (*NEEDED, *about.columns):
        if names.count(name) != 1:
            there = f"has {names.count(name)} columns {name!r}" if name in names else f"has no column {name!r}"
            wanted = ", ".join((*NEEDED, *about.columns))
            raise UserError(f"{path} {there}; expected {wanted}, once each.")
    return names, units


def _line(row: Mapping[str, str], units: dict[str, str], about: Drug, path: Path, number: int) -> _Line:
    where = f"{path}, line {number}"
    time, dose, level = (
        amount(row[name], name, usual, units, where) for name, usual in zip(MEASURED, about.units, strict=True)
    )
    size = {name: _factor(units, name, about, where) for name in MEASURED}
    if time is None:
        raise UserError(f"{where} has no time. Give it, in {about.units[0]} since the first dose or of the clock.")
    if dose is None and level is None and row["level"] != "?":
        raise UserError(f"{where} has neither dose nor level. Give one, ask for a level with ?, or leave the line out.")
    if dose is not None and dose <= 0:
        raise UserError(
            f"{where} has a dose of {row['dose']}; a dose is more than 0. Leave lines without a dose empty."
        )
    if level is not None and level <= 0:
        raise UserError(
            f"{where} has a level of {row['level']}; it must be more than 0, for its logarithm is learnt from. Leave "
            "out levels too low to be measured."
        )
    if dose is not None and not 1 / STRANGE < dose * size["dose"] / about.dose < STRANGE:
        raise UserError(
            f"{where} has a dose of {row['dose']}, and {about.dose:g} {about.units[1]} is usual. Is it in another "
            "unit? Say which in the header, for example: dose (mg)."
        )
    if level is not None and not 1 / STRANGE < level * size["level"] / about.level < STRANGE:
        raise UserError(
            f"{where} has a level of {row['level']}, and {about.level:g} {about.units[2]} is usual. Is it in another "
            f"unit? Say which in the header, for example: level (ng/mL)."
        )
    lasts, apart = (_lasting(row.get(name, ""), name, units, about, where) for name in ("duration", "interval"))
    if min(lasts, apart) < 0:
        raise UserError(f"{where} has a duration or an interval below 0. Leave it empty where there is none.")
    if (lasts and "duration" not in about.fields) or (apart and "interval" not in about.fields):
        raise UserError(f"{where} has a duration or interval, which this drug's doses do not have. Leave it empty.")
    try:
        known = about.known(
            {name: covariate(row[name], name, unit, units, where) for name, unit in about.measured.items()}
        )
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    if level is not None:
        level = level * size["level"] / about.level
    return _Line(
        number,
        time * size["time"] / about.time,
        None if dose is None else dose * size["dose"] / about.dose,
        math.nan if row["level"] == "?" else level,
        lasts,
        apart,
        known,
    )


def _lasting(cell: str, name: str, units: dict[str, str], about: Drug, where: str) -> float:
    """A duration or an interval in the drug's unit of time; without a unit of its own it has that of the time."""
    value = amount(cell, name, units["time"], units, where)
    return 0.0 if value is None else value * _factor(units, name, about, where) / about.time


def _factor(units: Mapping[str, str], name: str, about: Drug, where: str) -> float:
    """What one of the column's unit is in the drug's."""
    own = about.units[MEASURED.index(name) if name in MEASURED else 0]
    return factor(name, units.get(name, own), own, where)


def same_id(who: str) -> str:
    """Equal for ids that are written in two ways."""
    return who.lower().lstrip("0")


def _check_ids(by_patient: Mapping[str, list[_Line]], path: Path) -> None:
    """One patient has one id: otherwise he would be learnt from and asked about."""
    seen: dict[object, str] = {}
    for who, lines in by_patient.items():
        same = tuple((one.time, one.dose, str(one.level)) for one in lines) if len(lines) > 1 else None
        for key in (same_id(who), same):
            if key is not None and key in seen:
                raise UserError(
                    f"{path}, line {lines[0].number}: {who!r} and {seen[key]!r} look like one patient, by their ids or "
                    "by the same doses and levels. Give one patient one id, or leave one out."
                )
            seen[key] = who


def _check_body(who: str, before: _Line, after: _Line, about: Drug, path: Path) -> None:
    """What is known of one patient does not jump."""
    for one, was, now in zip(about.covariates, before.known, after.known, strict=True):
        if abs(now - was) > one.most:
            raise UserError(
                f"{path}, line {after.number}: the {one.column} of patient {who} is quite another than in line "
                f"{before.number}. Are these two patients under one id? Give each an id, or put the {one.column} right."
            )


def _patient(who: str, lines: list[_Line], about: Drug, path: Path) -> Patient:
    for before, after in pairwise(lines):
        _check_body(who, before, after, about, path)
        if after.time < before.time:
            raise UserError(
                f"{path}, line {after.number}: the clock of patient {who} goes back, from line {before.number}. Sort "
                "the lines by time, and count days on rather than from 0 again."
            )
    doses = [one for one in lines if one.dose is not None]
    if not doses:
        raise UserError(
            f"{path}: patient {who} has no dose (line {lines[0].number}). A level says nothing without one."
        )
    if len(doses) > about.slots:
        raise UserError(
            f"{path}: patient {who} has {len(doses)} doses by line {doses[-1].number}, and there is room for "
            f"{about.slots}. Leave out the oldest" + (", or give an interval." if "interval" in about.fields else ".")
        )
    start = doses[0].time
    for one in lines:
        if one.level is not None and one.time <= start:
            raise UserError(
                f"{path}, line {one.number}: this level of patient {who} comes before the first dose (line "
                f"{doses[0].number}). Leave it out, or add the doses before it."
            )
    return Patient(
        name=who,
        doses=[(one.time - start, one.dose or 0.0, one.duration, one.interval) for one in doses],
        readings=[(one.time - start, one.level, one.known) for one in lines if one.level is not None],
    )
