"""Simulated patients: each drug's studies in small, for tests and for whoever has no data.

A patient's volumes and clearances are log-normal around values like those of the literature and follow the first
covariate, the logarithm of weight; levels have an error of a tenth.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quickstudy.sim.compartments import Response, absorbed, level, one_compartment, three_compartments
from quickstudy.tasks import draw
from quickstudy.tasks.doses.dosing import Patient
from quickstudy.tasks.doses.drugs import DRUGS

PATIENTS = 60
BODY = {
    "phenobarbital": (4.2, 0.35),  # volume, clearance in units of the drug
    "quinidine": (2.3, 3.0, 12.0),  # and absorption
    "remifentanil": (0.05, 0.25, 0.1, 0.2, 0.05, 0.01),  # and volume and clearance of each other compartment
    "theophylline": (0.55, 0.25, 6.0),
}
SPREAD, NOISE = 0.25, 0.1


def response(drug: str, logs: Tensor) -> Response:
    """The body behind logarithms [..., p]."""
    if drug == "remifentanil":
        return three_compartments(*logs.exp().unbind(-1))
    body = one_compartment(*logs[..., :2].exp().unbind(-1))
    return absorbed(body, logs[..., 2].exp()) if len(BODY[drug]) == 3 else body


def simulated(drug: str) -> list[Patient]:
    """The same 60 patients every time."""
    key = draw.keys(torch.arange(PATIENTS), "pk", drug, "simulated")
    known = torch.cat(
        [0.3 * draw.normal(key, 1, "weight"), draw.uniform(key, len(DRUGS[drug].covariates) - 1, "x")], -1
    )
    logs = torch.tensor(BODY[drug]).log() + SPREAD * draw.normal(key, len(BODY[drug]), "body")
    logs[:, :2] += known[:, :1]
    doses, times = _plan(drug, key)
    given = times.unsqueeze(-1) - doses[:, None, :, 0]
    parts = [part.unsqueeze(1).expand_as(given) for part in doses[..., 1:].unbind(-1)]
    bodies = Response(*(part.unsqueeze(1) for part in response(drug, logs)))
    levels = level(bodies, given, *parts) * (NOISE * draw.normal(key, times.shape[1], "noise")).exp()
    return [
        Patient(
            name=f"pk/{drug}/simulated/{i}",
            doses=[tuple(dose) for dose in doses[i].tolist()],
            readings=[(at, found, tuple(own)) for at, found in zip(times[i].tolist(), levels[i].tolist(), strict=True)],
        )
        for i, own in enumerate(known.tolist())
    ]


def _plan(drug: str, key: Tensor) -> tuple[Tensor, Tensor]:
    """Doses [P, D, 4] and times of readings [P, R]."""
    some = draw.uniform(key, 1, "amount", 0.7, 1.3)
    if drug in ("remifentanil", "theophylline"):
        infused = drug == "remifentanil"
        doses = torch.stack([0 * some, (1.5 + infused) * some, (2.0 * infused) * some.clamp(max=1), 0 * some], -1)
        return doses, (draw.uniform(key, 9, "times", 0.05, 4.0 + 2 * infused)).sort(-1).values
    count, apart = 8, 0.5 if drug == "phenobarbital" else 0.25
    at = apart * torch.arange(count) + 0.1 * draw.uniform(key, count, "late")
    at[:, 0] = 0
    amount = some * torch.full((count,), 0.5 if drug == "phenobarbital" else 1.0)
    if drug == "phenobarbital":
        amount[:, 0] = 3 * some[:, 0]
    zeros = torch.zeros_like(at)
    times = draw.uniform(key, 4, "times", 0.05, 2 * apart * count).sort(-1).values
    return torch.stack([at, amount, zeros, zeros], -1), times
