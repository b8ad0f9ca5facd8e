"""What learners that know pharmacokinetics share: a compartment model with a population around it.

    y = log f(theta; doses) + e,   theta = a + B (c - mean c) + eta,   eta ~ N(0, Omega),   e ~ N(0, s^2)

theta are logarithms of volumes, clearances and rates, c the covariates, f the closed form of ``sim/compartments.py``:
one compartment after injections, one with absorption after what is swallowed (absorption is faster than elimination),
three after infusions. Sheiner, Rosenberg, Marathe (1977), "Estimation of population characteristics of pharmacokinetic
parameters from routine clinical data"; Lindstrom and Bates (1990), "Nonlinear mixed effects models for repeated
measures data".
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, vmap

from quickstudy.sim.compartments import absorbed, level, one_compartment, three_compartments
from quickstudy.tasks.doses.dosing import Layout

LEAST_LEVEL = 1e-4
"""Added to every level, so that its logarithm is finite before the first dose."""
FARTHEST = 6.0
"""Most that a parameter may be off its centre, in logarithms."""
LONGEST = 2.0
"""Most that one step moves a parameter."""
LENGTHS = (1.0, 0.5, 0.2, 0.05, 0.0)
"""Of a step, as a share of Gauss and Newton's: that which helps most is taken."""
Curve = Callable[[Tensor], Tensor]
"""theta [n, p] -> logarithms of the levels [n], row by row."""


def parameters(layout: Layout) -> tuple[str, ...]:
    """What theta are the logarithms of."""
    if layout.oral:
        return ("volume", "clearance", "absorption beyond elimination")
    if "duration" in layout.fields:
        return ("volume", "clearance", "near volume", "clearance to it", "far volume", "clearance to it")
    return ("volume", "clearance")


def log_level(layout: Layout, theta: Tensor, x: Tensor) -> Tensor:
    """[...] logarithm of the level for ``theta`` [..., p] at the readings ``x`` [..., inputs]."""
    doses, values = layout.doses(x), theta.exp().unbind(-1)
    if layout.oral:
        volume, clearance, beyond = values
        body = absorbed(one_compartment(volume, clearance), clearance / volume + beyond)
    else:
        body = three_compartments(*values) if "duration" in doses else one_compartment(*values)
    amount = doses["oral amount" if layout.oral else "amount"]
    found = level(body, doses["since"], amount, doses.get("duration"), doses.get("interval"))
    return (found.clamp(min=0) + LEAST_LEVEL).log()


def sloped(curve: Curve, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of the levels [n] and their derivatives [n, p] by the same row of ``theta`` [n, p]."""

    def total(theta: Tensor) -> tuple[Tensor, Tensor]:
        found = curve(theta)
        return found.sum(), found

    slope, found = grad(total, has_aux=True)(theta)  # a row of the one depends on a row of the other alone
    return found, slope


def posterior(
    curve: Curve, base: Tensor, y: Tensor, weight: Tensor, precision: Tensor, start: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Mode [p] and covariance [p, p] (Laplace) of eta by Gauss-Newton ``steps``, theta being ``base`` [n, p] + eta.

    ``weight`` [n, n] is the precision of the readings ``y`` [n], 0 in padding; ``precision`` [p, p] that of eta.
    Of each step the best of LENGTHS is taken.
    """
    eta = start
    lengths = torch.tensor(LENGTHS, dtype=y.dtype, device=y.device)

    def cost(eta: Tensor) -> Tensor:
        left = y - curve(base + eta)
        return left @ weight @ left + eta @ precision @ eta

    def normal_equations(eta: Tensor) -> tuple[Tensor, Tensor]:
        found, slope = sloped(curve, base + eta)
        pulled = slope.T @ weight
        return pulled @ slope + precision, pulled @ (y - found) - precision @ eta

    for _ in range(steps):
        step = torch.linalg.solve(*normal_equations(eta)).clamp(-LONGEST, LONGEST)
        points = (eta + lengths.unsqueeze(-1) * step).clamp(-FARTHEST, FARTHEST)
        best = vmap(cost)(points.detach()).argmin(0, keepdim=True)
        eta = points.gather(0, best.unsqueeze(-1).expand(1, len(eta))).squeeze(0)
    return eta, torch.linalg.inv(normal_equations(eta)[0])
