"""Who lives in the simulator of ``glucose.py``: children, adolescents and adults, the published ones or drawn.

Numbers of patients are lognormal within a group, as in Dalla Man et al. (2014), "Statistical strategy"; b, a share, is
logit-normal. Medians and deviations here were fitted to the 30 virtual patients that come with the academic version of
the simulator (10 a group), each number by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from quickstudy.sim.glucose import FREE, MINUTES, complete, simulate

GROUPS = ("child", "adolescent", "adult")
FITTED = {
    "BW": (35.33, 47.13, 84.6, 0.18),
    "EGPb": (2.906, 3.121, 2.488, 0.16),
    "Gb": (138.9, 143.7, 142.6, 0.04),
    "Ib": (106.9, 103.4, 107.2, 0.13),
    "kabs": (0.1451, 0.128, 0.134, 1.05),
    "kmax": (0.03968, 0.03273, 0.03708, 0.45),
    "kmin": (0.01019, 0.009589, 0.006491, 0.44),
    "b": (0.7991, 0.8149, 0.8152, 1.05),
    "d": (0.1352, 0.1764, 0.1677, 0.33),
    "Vg": (1.858, 1.839, 1.843, 0.08),
    "Vi": (0.05464, 0.04983, 0.05089, 0.24),
    "Vmx": (0.09311, 0.05392, 0.04582, 0.42),
    "Km0": (227.6, 230.9, 235.7, 0.10),
    "k1": (0.06517, 0.06394, 0.06006, 0.31),
    "k2": (0.09856, 0.1161, 0.1198, 0.44),
    "p2u": (0.05014, 0.03258, 0.03223, 0.34),
    "m1": (0.218, 0.1704, 0.1892, 0.34),
    "CL": (0.3772, 0.7259, 1.156, 0.10),
    "ki": (0.007949, 0.01034, 0.007475, 0.52),
    "kp2": (0.003987, 0.006502, 0.003877, 0.60),
    "kp3": (0.01029, 0.01118, 0.008431, 0.51),
    "kd": (0.01625, 0.01638, 0.01582, 0.11),
    "ksc": (0.08727, 0.08238, 0.09211, 0.27),
    "ka1": (0.003922, 0.003575, 0.003278, 0.31),
    "ka2": (0.0183, 0.01647, 0.01526, 0.32),
}
"""Median of children, adolescents and adults, and the deviation of the logarithm (of b: of the logit) in a group."""
HOURS = 5
"""After which a bolus has to have covered a meal."""
MEAL = 0.6
"""g/kg of that meal."""
HALVINGS = 12
MOST = 0.5
"""U/g that are tried at most."""


def drawn(group: Tensor, normal: Tensor) -> dict[str, Tensor]:
    """``FREE`` numbers [n] of people of ``group`` [n] (place in ``GROUPS``) from ``normal`` [n, len(FREE)]."""
    medians = torch.tensor([FITTED[name][:3] for name in FREE], dtype=torch.float64).T[group]
    return varied({name: medians[:, at] for at, name in enumerate(FREE)}, normal)


def varied(free: Mapping[str, Tensor], off: Tensor) -> dict[str, Tensor]:
    """People like those of ``free`` [n], their numbers ``off`` [n, len(FREE)] by so many deviations of a group."""
    found = {}
    for at, name in enumerate(FREE):
        value, step = free[name].double(), FITTED[name][3] * off[:, at].double()
        found[name] = (value.logit() + step).sigmoid() if name == "b" else value * step.exp()
    found["kmin"] = torch.minimum(found["kmin"], 0.9 * found["kmax"])
    return found


def people(free: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``complete``, and ``ratio`` [n]: U that cover a gram, so that glucose is back where it was after five hours."""
    p = complete(free)
    meal = (MEAL * p["BW"]).float()
    steps, nothing = HOURS * 60 // MINUTES + 1, torch.zeros_like(meal)
    quiet = nothing.expand(steps, -1)
    low, high = nothing.clone(), torch.full_like(meal, MOST)
    for _ in range(HALVINGS):
        tried = (low + high) / 2
        above = _after(p, quiet, meal, meal * tried) > p["Gb"]
        low, high = torch.where(above, tried, low), torch.where(above, high, tried)
    return p | {"ratio": (low + high).double() / 2}


def _after(p: Mapping[str, Tensor], quiet: Tensor, meal: Tensor, bolus: Tensor) -> Tensor:
    """[n] glucose at the end of as many steps as ``quiet`` has, after that meal and bolus."""

    def act(step: int, sensor: Tensor) -> tuple[Tensor, Tensor]:
        return (meal, bolus) if step == 0 else (quiet[0], quiet[0])

    return simulate(p, quiet, act).glucose[-1]
