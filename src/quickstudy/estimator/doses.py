"""A patient's doses and levels as examples: vectors of ``tasks/dosing.py``, from a CSV file (``tasks/dose_files.py``).

    regressor = FewShotRegressor(weights="runs/newborns").fit("anna.csv")      # her doses, and her levels so far
    regressor.predict("anna.csv", return_std=True)                             # of the lines whose level is ?

Numbers are natural logarithms of levels in the drug's own unit, 20 mg/L for phenobarbital (``tasks/drugs.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from quickstudy.errors import UserError
from quickstudy.estimator.inputs import Array, Found
from quickstudy.estimator.records import Records, Told, spread
from quickstudy.tasks.base import Form, Spec
from quickstudy.tasks.dose_files import read
from quickstudy.tasks.dosing import records
from quickstudy.tasks.drugs import DRUGS


class Doses(Records):
    """Readings of one patient."""

    form: ClassVar[Form] = "doses"
    example: ClassVar[str] = "reading"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        options = dict(option.partition("=")[::2] for option in spec.name.split(":")[1:])
        self.drug = options.get("drug", "phenobarbital")

    def questions(self, place: Path | None) -> Found:
        """The lines of a file that ask for a level."""
        if place is None:
            raise UserError(
                "say for which doses: give the patient's file with a line for each time, and ? for its level."
            )
        found = self._lines(place)
        asked = np.isnan(found.targets)
        if not asked.any():
            raise UserError(f"{place} asks for nothing. Add a line with the time, and ? for the level.")
        return Found(*(part[asked] for part in found))

    def told(self, kept: Array, mean: Array, std: Array | None) -> list[list[Told]]:
        """Levels in the drug's own unit, with 90 % intervals; medians, for it is logarithms that are predicted."""
        about = DRUGS[self.drug]
        levels = about.level * np.exp(np.stack(spread(mean, std), -1)[:, 0])
        return [[Told("level", about.units[2], *map(float, row))] for row in levels]

    def read_place(self, place: Path) -> Found:
        """The levels in the file ``place``; the lines that ask for one are left for ``predict``."""
        found = self._lines(place)
        known = ~np.isnan(found.targets)
        if not known.any():
            raise UserError(f"{place} has no level to learn from. Add one, or ask a learner that needs none.")
        return Found(*(part[known] for part in found))

    def _lines(self, path: Path) -> Found:
        """Every reading in the file, with NaN for a level that is asked for."""
        told = read(path, self.drug)
        if len(told.patients) != 1:
            names = ", ".join(patient.name for patient in told.patients[:5])
            raise UserError(f"{path} has {len(told.patients)} patients ({names}); expected one. Give each a file.")
        (patient,), about = told.patients, DRUGS[self.drug]
        if not patient.readings:
            raise UserError(f"{path} has neither a level nor a ? for one. Expected doses and at least one level.")
        x, y, _ = records([patient], about.fields, about.slots)
        lines = np.array([f"line {number}" for number in told.lines[patient.name]])
        return Found(x[0].numpy(), y[0, :, 0].double().numpy(), lines)
