"""The population behind a drug's patients, by expectation maximisation with Laplace's approximation.

    E   eta_i ~ N(mode, cov) of the posterior of each patient (``kinetics.posterior``)
    M   a, B     = ridge regression of theta_i on the patients' mean covariates, B ~ N(0, 0.3^2)
        Omega    = mean of (theta_i - a - B c_i)(...)^T + cov_i
        s^2      = mean of (y - log f)^2 + J cov J^T

theta_i being a + B c_i + eta_i. Two patients' worth of a spread of 0.2 keep Omega from collapsing. The start is the one
body that fits all patients best, of a grid. Beal and Sheiner (1982), "Estimating population kinetics".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional as F

from quickstudy.learners.doses.kinetics import log_level, parameters, posterior, sloped
from quickstudy.tasks.base import Examples
from quickstudy.tasks.doses.dosing import Layout

ROUNDS, STEPS = 60, 1
"""Of expectation maximisation, and Gauss-Newton steps in each."""
EFFECT = 0.3
"""Standard deviation of the effect of a covariate, for one unit of it."""
PATIENTS, SPREAD = 2.0, 0.2
GRID = (1.0, -1.0, -3.0, 3.0)
"""Logarithms of the parameters that are tried first."""


class Population(NamedTuple):
    """What is known of a patient before the first level."""

    centre: Tensor
    """[p] mean logarithms of the parameters."""
    effect: Tensor
    """[p, C] of covariates."""
    known: Tensor
    """[C] mean covariates."""
    spread: Tensor
    """[p, p] covariance between patients."""
    noise: Tensor
    """[] variance of the logarithm of a level."""


def typical(layout: Layout, population: Population, x: Tensor) -> Tensor:
    """[..., p] logarithms of the parameters of a patient of whom ``x`` [..., inputs] says the covariates."""
    return population.centre + (layout.known(x) - population.known) @ population.effect.T


def stacked(tasks: Iterable[Examples]) -> Examples:
    """Patients of unlike numbers of readings as one batch [P, n, ...] in float64."""
    whole = list(tasks)
    most = max(len(one.mask) for one in whole)
    return Examples(
        torch.stack([F.pad(one.x.double(), (0, 0, 0, most - len(one.x))) for one in whole]),
        torch.stack([F.pad(one.y.double(), (0, 0, 0, most - len(one.y))) for one in whole]),
        torch.stack([F.pad(one.mask, (0, most - len(one.mask))) for one in whole]),
    )


def estimate(layout: Layout, patients: Examples, rounds: int = ROUNDS) -> Population:
    """The population that ``patients`` (``stacked``) come from, in float64."""
    y, weight = patients.y.squeeze(-1), patients.mask.double()
    layout, x = used(layout, patients.x)
    count = weight.sum(-1, keepdim=True).clamp(min=1)
    known = (layout.known(x) * weight.unsqueeze(-1)).sum(1) / count
    size = len(parameters(layout))
    centre, noise = _common(layout, x[patients.mask], y[patients.mask])
    now = Population(
        centre,
        x.new_zeros(size, known.shape[-1]),
        known.mean(0),
        0.1 * torch.eye(size).to(x),
        noise,
    )
    eta = x.new_zeros(len(x), size)
    for _ in range(rounds):
        eta, cov, noise = _expect(layout, now, eta, x, y, weight)
        now = _maximise(now, eta, cov, known, noise)
    return now


def used(layout: Layout, x: Tensor) -> tuple[Layout, Tensor]:
    """``layout`` and ``x`` [..., inputs] without the slots that no reading needs."""
    given = layout.doses(x)["since"].flatten(0, -2).amax(0) > 0
    less = layout._replace(slots=int(given.sum()))
    return less, x[..., : less.inputs]


def _common(layout: Layout, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Parameters [p] of one body for all readings [n], and the variance that it leaves."""
    size = len(parameters(layout))
    points = torch.cartesian_prod(*[x.new_tensor(GRID[: 4 if size < 5 else 3])] * size)
    errors = torch.stack([(y - log_level(layout, point.expand(len(x), -1), x)).square().mean() for point in points])
    start = points[errors.argmin()]

    def curve(theta: Tensor) -> Tensor:
        return log_level(layout, theta, x)

    weak, base = 0.1 * torch.eye(size).to(x), start.expand(len(x), -1)
    eta, _ = posterior(curve, base, y, torch.eye(len(y)).to(x), weak, torch.zeros_like(start), 30)
    return start + eta, (y - curve(base + eta)).square().mean()


def _expect(
    layout: Layout, now: Population, start: Tensor, x: Tensor, y: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Modes [P, p] and covariances [P, p, p] of the patients' eta, and the variance of the readings."""
    precision = torch.linalg.inv(now.spread)

    def one(start: Tensor, x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        base = typical(layout, now, x)

        def curve(theta: Tensor) -> Tensor:
            return log_level(layout, theta, x)

        eta, cov = posterior(curve, base, y, (weight / now.noise).diag_embed(), precision, start, STEPS)
        found, slope = sloped(curve, base + eta)
        unsure = ((slope @ cov) * slope).sum(-1)
        return eta, cov, (weight * ((y - found).square() + unsure)).sum()

    eta, cov, error = vmap(one)(start, x, y, weight)
    return eta, cov, error.sum() / weight.sum()


def _maximise(now: Population, eta: Tensor, cov: Tensor, known: Tensor, noise: Tensor) -> Population:
    about = known - now.known
    theta = now.centre + about @ now.effect.T + eta
    centre = theta.mean(0)
    ridge = now.spread.diagonal().view(-1, 1, 1) / EFFECT**2 * torch.eye(about.shape[1]).to(about)
    pull = ((theta - centre).T @ about).unsqueeze(-1)
    effect = torch.linalg.solve(about.T @ about + ridge, pull).squeeze(-1)
    rest = theta - centre - about @ effect.T
    scatter = rest.T @ rest + cov.sum(0) + PATIENTS * SPREAD**2 * torch.eye(len(centre)).to(eta)
    return now._replace(centre=centre, effect=effect, spread=scatter / (len(eta) + PATIENTS), noise=noise)
