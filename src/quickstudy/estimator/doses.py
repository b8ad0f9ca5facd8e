"""A patient's doses and levels as examples: vectors of ``doses/dosing.py`` from a CSV file (``doses/dose_files.py``).

    regressor = FewShotRegressor(weights="runs/newborns").fit("anna.csv")      # her doses, and her levels so far
    regressor.predict("anna.csv", return_std=True)                             # of the lines whose level is ?

Levels in a file that is predicted from are not learnt: that is what fit and add do. Which patient a model is about is
saved with it. Numbers are natural logarithms of levels in the drug's own unit, 20 mg/L for phenobarbital
(``tasks/doses/drugs.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from quickstudy.errors import UserError
from quickstudy.estimator.inputs import Array, Found
from quickstudy.estimator.records import Records, Told, fresh, spelt, spoken, spread
from quickstudy.tasks.base import Form, Spec
from quickstudy.tasks.doses.dose_files import read, same_id
from quickstudy.tasks.doses.dosing import records
from quickstudy.tasks.doses.drugs import DRUGS
from quickstudy.tasks.places import notice


class Doses(Records):
    """Readings of one patient."""

    form: ClassVar[Form] = "doses"
    example: ClassVar[str] = "reading"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        options = dict(option.partition("=")[::2] for option in spec.name.split(":")[1:])
        self.drug = options.get("drug", "phenobarbital")
        self.patient = ""
        """Whose levels were learnt; empty before that, and for points that did not come from a file."""

    def note(self) -> dict[str, Array]:
        return {"patient": spelt(self.patient)} if self.patient else {}

    def restore(self, kept: dict[str, Array]) -> None:
        self.patient = spoken(kept["patient"]) if "patient" in kept else ""

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

    def remarks(self, place: Path, known: Array, truth: Array) -> list[str]:
        """Levels in the file that were not learnt, and levels that were, later than one that is asked for."""
        found = self._lines(place)
        asked = np.isnan(found.targets)
        new = fresh(found, known, truth) & ~asked
        said = []
        if new.any():
            said.append(
                f"the model has not learnt the level in {_named(found.names[new])}, which had no part in this. "
                "To have it learn: quickstudy add MODEL FILE."
            )
        hours = found.kept[:, 0]
        late = ~asked & ~new & (hours > hours[asked].min())
        if late.any():
            early = found.names[asked & (hours < hours[late].max())]
            said.append(f"what is told of {_named(early)} rests on later levels as well: {_named(found.names[late])}.")
        return said

    def told(self, kept: Array, mean: Array, std: Array | None) -> list[list[Told]]:
        """Levels in the drug's own unit, with 90 % intervals; medians, for it is logarithms that are predicted."""
        about = DRUGS[self.drug]
        levels = about.level * np.exp(np.stack(spread(mean, std), -1)[:, 0])
        return [[Told("level", about.units[2], *map(float, row))] for row in levels]

    def read_place(self, place: Path) -> Found:
        """The levels in the file ``place``; the lines that ask for one are left for ``predict``.

        Without any the learner's answers are those of a typical patient with the same covariates, which is said.
        """
        found = self._lines(place)
        known = ~np.isnan(found.targets)
        if not known.any():
            notice(f"{place} has no level yet: levels are told as of a typical patient. Add some: quickstudy add.")
        return Found(*(part[known] for part in found))

    def _lines(self, path: Path) -> Found:
        """Every reading in the file, with NaN for a level that is asked for."""
        told = read(path, self.drug)
        if len(told.patients) != 1:
            names = ", ".join(patient.name for patient in told.patients[:5])
            raise UserError(f"{path} has {len(told.patients)} patients ({names}); expected one. Give each a file.")
        (patient,), about = told.patients, DRUGS[self.drug]
        if self.patient and same_id(patient.name) != same_id(self.patient):
            raise UserError(
                f"{path} is about patient {patient.name!r}, and the model has learnt from {self.patient!r}. Fit one "
                "for each patient, or write the id in one way."
            )
        if not patient.readings:
            raise UserError(f"{path} has neither a level nor a ? for one. Expected doses and at least one level.")
        x, y, _ = records([patient], about.fields, about.slots)
        self.patient = self.patient or patient.name
        lines = np.array([f"line {number}" for number in told.lines[patient.name]])
        return Found(x[0].numpy(), y[0, :, 0].double().numpy(), lines)


def _named(lines: Array) -> str:
    return ", ".join(lines.tolist())
