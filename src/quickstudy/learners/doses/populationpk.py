"""Population pharmacokinetics: what a patient's covariates and doses say, whatever levels were measured. Beal and
Sheiner (1982), "Estimating population kinetics".

    mean = log f(a + B c; doses),    var = J Omega J^T + s^2,    J = d mean / d eta

a, B, Omega and s are estimated from the training patients (``population.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Gaussian, Learner, Traits
from quickstudy.learners.doses.kinetics import log_level, parameters, sloped
from quickstudy.learners.doses.population import Population, estimate, stacked, typical
from quickstudy.tasks.base import Examples, Spec, WholeTasks
from quickstudy.tasks.doses.dosing import layout


@dataclass(frozen=True, kw_only=True)
class PopulationPKConfig:
    """Population pharmacokinetics."""


class PopulationPK(Learner):
    """The typical patient with these covariates; base of the learners that individualise it."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",), forms=("doses",))
    Config: ClassVar[type[Any]] = PopulationPKConfig

    def __init__(self, spec: Spec, config: Any) -> None:
        super().__init__(spec, config)
        self.layout = layout(spec.names)
        size = len(parameters(self.layout))
        known = torch.zeros(self.layout.covariates)
        start = Population(torch.zeros(size), torch.zeros(size, len(known)), known, torch.eye(size), torch.ones(()))
        for name, value in start._asdict().items():
            self.register_buffer(name, value)

    def prepare(self, tasks: WholeTasks) -> None:
        """Estimate the population."""
        self._fill(estimate(self.layout, stacked(tasks)))

    def _fill(self, found: Population) -> None:
        for now, value in zip(self.population(), found, strict=True):
            now.copy_(value)

    def population(self) -> Population:
        """What is known before the first level."""
        return Population(*(self.get_buffer(name) for name in Population._fields))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``eta`` [p] and ``cov`` [p, p]: mean and covariance of this patient's distance from the typical one."""
        spread = self.population().spread
        return {"eta": torch.zeros_like(spread[0]), "cov": spread}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Gaussian:
        """Mean and std [n, 1] of the logarithm of the level."""
        x = torch.where(mask.unsqueeze(-1), x, 0)
        mean, unsure = self._unsure(adapted, x)
        return Gaussian(mean.unsqueeze(-1), (unsure + self._query_noise(x)).sqrt().unsqueeze(-1))

    def _base(self, x: Tensor) -> Tensor:
        """[n, p] logarithms of the typical patient's parameters."""
        return typical(self.layout, self.population(), x)

    def _query_noise(self, x: Tensor) -> Tensor:
        """[n] or [] variance of the readings ``x`` [n, inputs] that are predicted."""
        return self.population().noise

    def _unsure(self, adapted: Adapted, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [n], and its variance [n] for what is not known of the patient."""
        mean, slope = sloped(lambda theta: log_level(self.layout, theta, x), self._base(x) + adapted["eta"])
        return mean, ((slope @ adapted["cov"]) * slope).sum(-1).clamp(min=0)
