"""Naive Bayes whose prior and weights are meta-learned: ``naivebayes`` with a residual for each term.

    m_t = sigmoid(logit m0_t + u_t),   k_t = k0_t exp(v_t),   a_t = a exp(p_t),   b_t = b exp(q_t)

and likewise for terms being excluded. m0 and k0 are the moments of ``naivebayes``; a, b and the residuals u, v, p, q
(zero at first) are learnt through episodes, with adaptation in closed form. What is learnt is which terms can be
trusted, how much patients of one disease differ in each, and how often terms that say the same come together.

Weights that make up for terms which are not independent, learnt by the error of the answers, are those of Zaidi,
Cerquides, Carman, Webb (2013), "Alleviating Naive Bayes Attribute Independence Assumption by Attribute Weighting", for
one task; to learn them and the prior over many tasks is this package's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.learners.diseases.naivebayes import RARE, NaiveBayes, NaiveBayesConfig
from quickstudy.tasks.base import Spec, Task


@dataclass(frozen=True, kw_only=True)
class MetaBayesConfig(NaiveBayesConfig):
    """Naive Bayes with a meta-learned prior; the four weights are where learning starts."""

    penalty: float = 1e-4
    """Of the sum of squared residuals: how far a term that few episodes speak of stays with the moments."""


class MetaBayes(NaiveBayes):
    """A prior for each term that episodes have shaped, and the posterior of each class in closed form."""

    Config: ClassVar[type[Any]] = MetaBayesConfig

    def __init__(self, spec: Spec, config: MetaBayesConfig) -> None:
        super().__init__(spec, config)
        start = [[config.observed, config.excluded], [config.unobserved, config.unexcluded]]
        self.log_weight = nn.Parameter(torch.tensor([[math.log(one) for one in pair] for pair in start]))
        self.residual = nn.Parameter(torch.zeros(4, 2, *spec.shape))

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """A high rate: each term has its own four numbers, which few episodes speak of."""
        return super().recipe(spec) | {"rate": 0.03}

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean error of the query, and the penalty."""
        return super().loss(task, progress) + self.config.penalty * self.residual.square().sum()

    def _prior(self) -> tuple[Tensor, Tensor]:
        mean = (self.mean.logit() + self.residual[0]).sigmoid()
        return mean.clamp(RARE / 10, 1 - RARE / 10), self.spread * self.residual[1].exp()

    def _weights(self) -> tuple[Tensor, Tensor]:
        yes, no = (self.log_weight.unsqueeze(-1) + self.residual[2:]).exp().unsqueeze(2)
        return yes, no
