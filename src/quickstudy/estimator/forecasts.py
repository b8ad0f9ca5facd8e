"""A person's glucose as examples: moments of a record, from a CSV file (``tasks/glucose/files.py``).

    regressor = FewShotRegressor(weights="runs/glucose").fit("ada.csv")         # everything that is known of her
    regressor.predict("today.csv", return_std=True)                             # from its last reading on

Numbers are changes in standard units; ``told`` makes glucose of them, in the unit of the file that was read last. What
has to be said of a file is said once, and a saved model knows what was.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from quickstudy.errors import UserError
from quickstudy.estimator.inputs import Array, Found
from quickstudy.estimator.records import Records, Told, spelt, spoken, spread
from quickstudy.sim.glucose import MINUTES
from quickstudy.tasks.base import Form, Spec
from quickstudy.tasks.glucose.cells import MG, MMOL, SHOWN
from quickstudy.tasks.glucose.files import person
from quickstudy.tasks.glucose.lives import DAY
from quickstudy.tasks.glucose.windows import AHEAD, LAGS, LEAD, SCALE, STEPS, Windows, now
from quickstudy.tasks.places import notice

BREAK = "\n"


class Forecasts(Records):
    """Moments from which the next hour is told."""

    form: ClassVar[Form] = "glucose"
    example: ClassVar[str] = "moment"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.unit = MG
        self.said: list[str] = []
        """Of which file what, each once."""

    def note(self) -> dict[str, Array]:
        return {"unit": spelt(self.unit.name), "said": spelt(BREAK.join(["", *self.said]))}

    def restore(self, kept: dict[str, Array]) -> None:
        if "unit" in kept:
            self.unit = MMOL if spoken(kept["unit"]) == MMOL.name else MG
            self.said = spoken(kept["said"]).split(BREAK)[1:]

    def read_place(self, place: Path) -> Found:
        """Every moment of the record whose next hour is known."""
        windows, last, start = self._record(place)
        at = torch.arange(LEAD, last - STEPS[-1]).unsqueeze(0)
        y, there = windows.answers(torch.zeros(1, dtype=torch.int64), at)
        if not bool(there.any()):
            raise UserError(f"{place} has no hour of glucose without a gap to learn from.")
        names = [_clock(start, step) for step in at[0, there[0]].tolist()]
        return Found(_inputs(windows, at)[there[0]].numpy(), y[0, there[0]].double().numpy(), np.array(names))

    def questions(self, place: Path | None) -> Found:
        """The last moment of the record."""
        if place is None:
            raise UserError("say from where on: give the record up to now, a CSV of time, glucose, carbs and insulin.")
        windows, last, start = self._record(place)
        _say_silent(place, windows.seen[0, last - 1 - LAGS : last].tolist())
        at = torch.tensor([[last - 1]])
        names = np.array([f"from {_clock(start, last - 1)} on"])
        return Found(_inputs(windows, at).numpy(), np.full((1, len(AHEAD)), np.nan), names)

    def told(self, kept: Array, mean: Array, std: Array | None) -> list[list[Told]]:
        """Glucose in 30 and 60 minutes, with 90 % intervals; none beyond what a sensor shows."""
        level = now(torch.from_numpy(kept)).double().numpy()[:, None, None]
        levels = (level + SCALE.double().numpy()[:, None] * np.stack(spread(mean, std), -1)).clip(*SHOWN)
        what = [(f"glucose in {ahead} min", self.unit.name) for ahead in AHEAD]
        return [
            [Told(*one, *map(float, row)) for one, row in zip(what, rows, strict=True)]
            for rows in levels / self.unit.mg
        ]

    def _record(self, place: Path) -> tuple[Windows, int, int]:
        """The record, its steps, and the step of the day at which it begins."""
        if not place.is_file():
            raise UserError(f"{place} is no file. Give one CSV of time, glucose, carbs and insulin.")
        heard: list[str] = []
        records, start, self.unit = person(place, heard.append)
        for text in heard:
            if (own := f"{place.name}: {text}") not in self.said:
                notice(f"{place}: {text}")
                self.said.append(own)
        return Windows(records, torch.tensor([start])), records.glucose.shape[1], start


def _inputs(windows: Windows, at: torch.Tensor) -> torch.Tensor:
    """[n, inputs] at the steps ``at`` [1, n]."""
    first = torch.zeros(1, dtype=torch.int64)
    return windows.inputs(first, at, first)[0]


def _say_silent(place: Path, recent: list[bool]) -> None:
    """What is missing of the two hours before the last reading, and how much came after."""
    if silent := recent.count(False):
        since = recent[::-1].index(False)
        notice(
            f"{place}: {silent * MINUTES} of the last {LAGS * MINUTES} minutes have no glucose, and after them there "
            f"{'is one reading' if since == 1 else f'are {since} readings'}: how it has changed is hardly known."
        )


def _clock(start: int, step: int) -> str:
    """Day of the record, and time."""
    day, rest = divmod(start + step, DAY)
    hour, minute = divmod(rest * MINUTES, 60)
    return f"day {day + 1} {hour:02}:{minute:02}"
