"""Logistic regression of each task on terms that weigh more the rarer they are: ``logistic`` without a backbone.
Genkin, Lewis, Madigan (2007), "Large-Scale Bayesian Logistic Regression for Text Categorization": a Gaussian prior.

    z(x) = idf * [x = 1] / |idf * [x = 1]|
    W = argmin lambda / 2 ||W||^2 - sum_i log softmax(z(x_i) W)[y_i],       logits = z(x) W

idf as in ``idf``, the minimum by Newton's method as in ``logistic``. It is what one would do without other tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Logits, only_present, present
from quickstudy.learners.diseases.idf import Idf
from quickstudy.learners.diseases.termed import weights
from quickstudy.learners.logistic import fit
from quickstudy.tasks.base import Examples, Spec, check_counts


@dataclass(frozen=True, kw_only=True)
class TermLogisticConfig:
    """Logistic regression on terms."""

    penalty: float = 0.01
    """lambda."""
    newton_steps: int = 10
    """Newton steps, whatever the task."""


class TermLogistic(Idf):
    """The weights are the logistic regression of the support's labels on its terms."""

    Config: ClassVar[type[Any]] = TermLogisticConfig

    def __init__(self, spec: Spec, config: TermLogisticConfig) -> None:
        super().__init__(spec, config)
        check_counts(**{"newton-steps": config.newton_steps})

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``weight`` [way, V]."""
        known = torch.where(support.mask.unsqueeze(-1), self._directions(support.x), 0)
        here, penalty = present(support), self.config.penalty
        dual = fit(known @ known.T / penalty, weights(support, known.dtype), here, self.config.newton_steps)
        return {"weight": dual @ known / penalty, "present": here}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, V]."""
        return Logits(only_present(self._directions(x) @ adapted["weight"].T, adapted["present"]))
