"""Each patient's compartment model fitted to that patient's levels alone: what one does without a population. The first
of the two stages in Sheiner and Beal (1981), "Evaluation of Methods for Estimating Population Pharmacokinetic
Parameters. II. Biexponential Model and Experimental Pharmacokinetic Data".

    eta = argmin sum_i (y_i - log f(a + eta; doses_i))^2 / s^2 + ||eta||^2 / spread^2

With fewer levels than parameters there is no unique fit; the one nearest to a is taken, which is the one body that fits
the training patients on the whole, without covariates. ``spread`` is so wide that it matters where levels say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import check_positive
from quickstudy.learners.doses.mappk import MapPK, MapPKConfig
from quickstudy.tasks.base import Spec


@dataclass(frozen=True, kw_only=True)
class ScratchPKConfig(MapPKConfig):
    """A fit of one's own for each patient."""

    newton_steps: int = 20
    """Gauss-Newton steps."""
    spread: float = 2.0
    """Standard deviation of the logarithm of a parameter around the start."""


class ScratchPK(MapPK):
    """Least squares for one patient, from the same start for all."""

    Config: ClassVar[type[Any]] = ScratchPKConfig

    def __init__(self, spec: Spec, config: ScratchPKConfig) -> None:
        super().__init__(spec, config)
        check_positive(spread=config.spread)

    def _base(self, x: Tensor) -> Tensor:
        centre = self.population().centre
        return centre.expand(len(x), len(centre))

    def _spread(self) -> Tensor:
        return self.config.spread**2 * torch.eye(len(self.population().centre)).to(self.population().centre)
