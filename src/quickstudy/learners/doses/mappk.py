"""Empirical-Bayes individualisation: the most probable body, given the population and this patient's levels so far.
Sheiner, Beal, Rosenberg, Marathe (1979), "Forecasting individual pharmacokinetics". The standard of the trade.

    eta  = argmin sum_i (y_i - log f(a + B c_i + eta; doses_i))^2 / s^2 + eta^T Omega^-1 eta
    cov  = (J^T J / s^2 + Omega^-1)^-1                                             (Laplace, at the mode)
    mean = log f(a + B c + eta),    var = J cov J^T + s^2

by a fixed number of damped Gauss-Newton steps (``kinetics.posterior``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted
from quickstudy.learners.doses.kinetics import log_level, posterior
from quickstudy.learners.doses.populationpk import PopulationPK
from quickstudy.tasks.base import Examples, Spec, check_counts


@dataclass(frozen=True, kw_only=True)
class MapPKConfig:
    """Empirical-Bayes individualisation."""

    newton_steps: int = 8
    """Gauss-Newton steps."""


class MapPK(PopulationPK):
    """The posterior mode of a patient's parameters, and its Laplace approximation."""

    Config: ClassVar[type[Any]] = MapPKConfig

    def __init__(self, spec: Spec, config: MapPKConfig) -> None:
        super().__init__(spec, config)
        check_counts(**{"newton-steps": config.newton_steps})

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``eta`` [p] and ``cov`` [p, p] of the posterior."""
        keep = support.mask.unsqueeze(-1)
        x, y = torch.where(keep, support.x, 0), torch.where(keep, support.y, 0).squeeze(-1)
        base, precision = self._base(x), torch.linalg.inv(self._spread())

        def curve(theta: Tensor) -> Tensor:
            return log_level(self.layout, theta, x)

        weight = (support.mask / self._support_noise(x)).diag_embed()
        start = torch.zeros_like(precision[0])
        eta, cov = posterior(curve, base, y, weight, precision, start, self.config.newton_steps)
        return {"eta": eta, "cov": cov}

    def _spread(self) -> Tensor:
        """[p, p] covariance of eta before the first level."""
        return self.population().spread

    def _support_noise(self, x: Tensor) -> Tensor:
        """[n] or [] variance of the readings ``x`` [n, inputs] of a support."""
        return self.population().noise
