"""The four studies behind ``pk``, as published with the R packages nlme and datasets, and their units.

phenobarbital   59 newborns, injections; Grasela and Donn (1985)          24 h, 10 mg, 20 mg/L
quinidine       136 patients, tablets; Verme et al. (1992)                24 h, 200 mg, 2 mg/L
remifentanil    65 volunteers, one infusion each; Minto et al. (1997)     10 min, 1 mg, 10 ug/L
theophylline    12 volunteers, one swallowed dose each; Boeckmann et al.  5 h, 300 mg, 5 mg/L
(unit of time, of a dose and of a level)

Units are such that numbers are near 1. Covariates are logarithms of ratios, or 0 and 1, or differences in decades.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from quickstudy.errors import UserError
from quickstudy.tasks.doses.covariates import Covariate, below, decades, is_one, ratio
from quickstudy.tasks.doses.dosing import Patient

Row = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Drug:
    """How one study is read."""

    file: str
    time: float
    """Hours (minutes for remifentanil) in a unit of time."""
    dose: float
    """Milligrams (micrograms for remifentanil) in a unit of dose."""
    level: float
    """mg/L (ug/L for remifentanil) in a unit of level."""
    fields: tuple[str, ...]
    slots: int
    """Room for so many doses, the last before a reading."""
    covariates: tuple[Covariate, ...]
    published: Mapping[str, str]
    """What the study calls the columns of the covariates."""
    units: tuple[str, str, str]
    """Of time, dose and level in a file."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the covariates, once each."""
        return tuple(dict.fromkeys(one.column for one in self.covariates))

    @property
    def measured(self) -> dict[str, str]:
        """The unit of each column of the covariates, empty where it has none."""
        return {one.column: one.unit for one in self.covariates}

    def known(self, row: Row) -> tuple[float, ...]:
        """The covariates of a row of one's own; ValueError, in words, for a cell that says nothing."""
        return tuple(self._value(one, row[one.column].strip()) for one in self.covariates)

    def _value(self, one: Covariate, cell: str) -> float:
        try:
            return one.value(cell)
        except ValueError as error:
            raise ValueError(f"the {one.column} is {cell!r}; {error}.") from error


SWINGS, AGES, STAYS = math.log(1.5), 0.2, 0.5
"""At most from one line of a patient to the next: half as heavy again, two years, the same."""
_HEART = ("no/mild", "moderate", "severe")
_RACE = ("caucasian", "black", "latin")
DRUGS = {
    "phenobarbital": Drug(
        file="nlme__Phenobarb.csv",
        time=24.0,
        dose=10.0,
        level=20.0,
        fields=("since", "amount"),
        slots=20,
        covariates=(
            Covariate("log weight", "weight", ratio(1.5, "kg"), "kg", SWINGS),
            Covariate("apgar below 5", "apgar", below(5), most=STAYS),
        ),
        published={"Wt": "weight", "Apgar": "apgar"},
        units=("h", "mg", "mg/L"),
    ),
    "quinidine": Drug(
        file="nlme__Quinidine.csv",
        time=24.0,
        dose=200.0,
        level=2.0,
        fields=("since", "oral amount", "interval"),
        slots=24,
        covariates=(
            Covariate("log weight", "weight", ratio(75, "kg"), "kg", SWINGS),
            Covariate("age", "age", decades(65), "years", AGES),
            Covariate("log glycoprotein", "glycoprotein", ratio(1, "mg/100 dL"), "mg/100 dL"),
            Covariate("creatinine below 50", "creatinine", below(50), "mL/min"),
            Covariate("moderate heart failure", "heart", is_one(_HEART[1], *_HEART)),
            Covariate("severe heart failure", "heart", is_one(_HEART[2], *_HEART)),
            Covariate("black", "race", is_one(_RACE[1], *_RACE), most=STAYS),
            Covariate("latin", "race", is_one(_RACE[2], *_RACE), most=STAYS),
            Covariate("smokes", "smokes", is_one("yes", "no")),
            Covariate("drinks", "drinks", is_one("current", "former", "none")),
        ),
        published={
            "Weight": "weight",
            "Age": "age",
            "glyco": "glycoprotein",
            "Creatinine": "creatinine",
            "Heart": "heart",
            "Race": "race",
            "Smoke": "smokes",
            "Ethanol": "drinks",
        },
        units=("h", "mg", "mg/L"),
    ),
    "remifentanil": Drug(
        file="nlme__Remifentanil.csv",
        time=10.0,
        dose=1000.0,
        level=10.0,
        fields=("since", "amount", "duration"),
        slots=4,
        covariates=(
            Covariate("log lean mass", "lean mass", ratio(55, "kg"), "kg", SWINGS),
            Covariate("age", "age", decades(40), "years", AGES),
            Covariate("male", "sex", is_one("male", "female"), most=STAYS),
        ),
        published={"LBM": "lean mass", "Age": "age", "Sex": "sex"},
        units=("min", "ug", "ug/L"),
    ),
    "theophylline": Drug(
        file="datasets__Theoph.csv",
        time=5.0,
        dose=300.0,
        level=5.0,
        fields=("since", "oral amount"),
        slots=4,
        covariates=(Covariate("log weight", "weight", ratio(70, "kg"), "kg", SWINGS),),
        published={"Wt": "weight"},
        units=("h", "mg", "mg/L"),
    ),
}


def read(name: str, folder: Path) -> list[Patient]:
    """The patients of the study ``name``, in its units; UserError where its file is missing or another."""
    drug, path = DRUGS[name], folder / DRUGS[name].file
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise UserError(
            f"there is no {path}. Set QUICKSTUDY_DATA to a folder that has pk/{drug.file} (the table of that name in "
            f"R, written as CSV), or try pk:drug={name}:simulated=true, which needs no data."
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table ({error}). Put the original file there again.") from error
    by_patient: dict[str, list[Row]] = {}
    try:
        for row in rows:
            by_patient.setdefault(row.get("ID") or row["Subject"], []).append(row)
        return [_patient(name, drug, who, own) for who, own in by_patient.items()]
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{path} is not the table that was expected ({error!r}). Put the one of the R package there."
        ) from error


def _patient(name: str, drug: Drug, who: str, rows: list[Row]) -> Patient:
    find = {"remifentanil": _infusions, "theophylline": _single}.get(name, _given)
    doses = [
        (at / drug.time, amount / drug.dose, lasts / drug.time, apart / drug.time)
        for at, amount, lasts, apart in find(rows)
    ]
    readings = [
        (
            float(row.get("time") or row["Time"]) / drug.time,
            float(row["conc"]) / drug.level,
            drug.known({own: row[theirs] for theirs, own in drug.published.items()}),
        )
        for row in rows
        if row["conc"] and float(row["conc"]) > 0
    ]
    return Patient(name=f"pk/{name}/{who}", doses=doses, readings=readings)


def _given(rows: list[Row]) -> list[tuple[float, float, float, float]]:
    """Doses as rows of their own."""
    return [
        (float(row["time"]), float(row["dose"]), 0.0, float(row.get("interval") or 0)) for row in rows if row["dose"]
    ]


def _infusions(rows: list[Row]) -> list[tuple[float, float, float, float]]:
    """Rates that hold from a row to the next one; equal ones in a row are one infusion."""
    found: list[tuple[float, float, float, float]] = []
    for row, after in pairwise(rows):
        at, lasts, rate = float(row["Time"]), float(after["Time"]) - float(row["Time"]), float(row["Rate"])
        if (
            rate > 0
            and found
            and math.isclose(sum(found[-1][::2]), at)
            and math.isclose(rate, found[-1][1] / found[-1][2])
        ):
            found[-1] = (found[-1][0], found[-1][1] + rate * lasts, found[-1][2] + lasts, 0.0)
        elif rate > 0:
            found.append((at, rate * lasts, lasts, 0.0))
    return found


def _single(rows: list[Row]) -> list[tuple[float, float, float, float]]:
    """One dose at the start, in mg for each kg."""
    return [(0.0, float(rows[0]["Dose"]) * float(rows[0]["Wt"]), 0.0, 0.0)]
