"""Patients as tensors, and how a reading becomes one flat vector.

    time | covariates | dose 1: since, amount, [duration], [interval] | dose 2: ... | and so on, last dose first

``since`` is the time from the (beginning of the) dose to the reading. Only doses before the reading are in it, and of
an infusion that still runs only what has run in until then: nothing of a reading's vector is from its future. A dose
that was the last of many, ``interval`` apart, replaces all before it (steady state). Slots that are left are zeros.
Times are at most 30 units, after which nothing is left of a dose.

P patients, R readings and D doses at most, C covariates, F fields of a dose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

FIELDS = ("since", "amount", "oral amount", "duration", "interval")
"""What is known of a dose; ``oral amount`` says that it is absorbed first."""
LONGEST = 30.0


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One patient's history, in the units of its drug."""

    name: str
    doses: Sequence[tuple[float, float, float, float]]
    """(time, amount, duration or 0, interval or 0)."""
    readings: Sequence[tuple[float, float, tuple[float, ...]]]
    """(time, level, covariates at that time)."""


class Records(NamedTuple):
    """All readings of P patients."""

    x: Tensor
    """[P, R, inputs]."""
    y: Tensor
    """[P, R, 1] natural logarithm of the level."""
    readings: Tensor
    """[P] int64 how many readings each has; they come first."""


class Layout(NamedTuple):
    """Where things stand in a reading's vector."""

    covariates: int
    slots: int
    fields: tuple[str, ...]

    @property
    def inputs(self) -> int:
        return 1 + self.covariates + self.slots * len(self.fields)

    @property
    def oral(self) -> bool:
        return "oral amount" in self.fields

    def doses(self, x: Tensor) -> dict[str, Tensor]:
        """Each field [..., D] of the vectors ``x`` [..., inputs]."""
        table = x[..., 1 + self.covariates :].unflatten(-1, (self.slots, len(self.fields)))
        return dict(zip(self.fields, table.unbind(-1), strict=True))

    def known(self, x: Tensor) -> Tensor:
        """Covariates [..., C]."""
        return x[..., 1 : 1 + self.covariates]


def names(covariates: Iterable[str], slots: int, fields: Iterable[str]) -> tuple[str, ...]:
    """What each number of a vector is, as ``layout`` reads it."""
    fields = tuple(fields)
    return ("time", *covariates, *(f"dose {slot} {field}" for slot in range(1, slots + 1) for field in fields))


def layout(named: Sequence[str]) -> Layout:
    """The layout behind ``names``."""
    first = [name.removeprefix("dose 1 ") for name in named if name.startswith("dose 1 ")]
    doses = sum(name.startswith("dose ") for name in named)
    return Layout(len(named) - 1 - doses, doses // max(len(first), 1), tuple(first))


def records(patients: Sequence[Patient], fields: Sequence[str], slots: int) -> Records:
    """Vectors and levels of all readings that have a dose before them; the others are left out."""
    kept = [
        [one for one in patient.readings if any(dose[0] < one[0] for dose in patient.doses)] for patient in patients
    ]
    most = max(len(readings) for readings in kept)
    many = max(len(patient.doses) for patient in patients)
    inputs = 1 + len(kept[0][0][2] if kept[0] else patients[0].readings[0][2]) + slots * len(fields)
    x, y = torch.zeros(len(patients), most, inputs), torch.zeros(len(patients), most, 1)
    dose = torch.full((len(patients), many, 4), torch.inf, dtype=torch.float64)
    for i, (patient, readings) in enumerate(zip(patients, kept, strict=True)):
        dose[i, : len(patient.doses)] = torch.tensor(sorted(patient.doses), dtype=torch.float64)
        for j, (_, level, _) in enumerate(readings):
            y[i, j, 0] = torch.tensor(level, dtype=torch.float64).log()
    time = torch.full((len(patients), most), -torch.inf, dtype=torch.float64)
    for i, readings in enumerate(kept):
        if readings:
            time[i, : len(readings)] = torch.tensor([one[0] for one in readings], dtype=torch.float64)
            known = torch.tensor([one[2] for one in readings], dtype=torch.float64)
            x[i, : len(readings), 1 : 1 + known.shape[1]] = known.float()
    x[..., 0] = time.clamp(0, LONGEST)
    x[..., inputs - slots * len(fields) :] = history(time, dose, fields, slots).flatten(-2).float()
    return Records(x, y, torch.tensor([len(readings) for readings in kept]))


def history(time: Tensor, doses: Tensor, fields: Sequence[str], slots: int) -> Tensor:
    """[P, R, slots, F] what was given before each ``time`` [P, R], of ``doses`` [P, D, 4] in order of time.

    Times of inf stand for doses that there are not.
    """
    given, amount, lasts, apart = (part.unsqueeze(-2) for part in doses.unbind(-1))
    before = given < time.unsqueeze(-1)
    steady = before & (apart > 0) & apart.isfinite()
    place = torch.arange(doses.shape[1])
    last_steady = torch.where(steady, place, -1).amax(-1, keepdim=True)
    before = before & (place >= last_steady)
    since = torch.where(before, time.unsqueeze(-1) - given, 0)
    lasts = torch.where(before, lasts, 0)
    come = torch.minimum(since, lasts)
    part = torch.where(lasts > 0, come / torch.where(lasts > 0, lasts, 1), 1)
    amount = torch.where(before, amount, 0) * part
    found = {
        "since": since.clamp(max=LONGEST),
        "amount": amount,
        "oral amount": amount,
        "duration": come,
        "interval": torch.where(before, apart, 0),
    }
    table = torch.stack([found[field] * torch.ones_like(since) for field in fields], -1)
    latest = torch.where(before, place, -1).argsort(dim=-1, descending=True, stable=True)[..., :slots]
    table = table.gather(-2, latest.unsqueeze(-1).expand(*latest.shape, len(fields)))
    return torch.nn.functional.pad(table, (0, 0, 0, slots - latest.shape[-1]))
