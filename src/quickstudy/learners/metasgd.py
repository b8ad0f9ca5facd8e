"""Learned rates for every weight. Li, Zhou, Chen, Li (2017), "Meta-SGD: Learning to Learn Quickly for Few-Shot
Learning".

    theta_i = theta - alpha * grad L(theta; support_i), alpha of theta's shape        (eq. 2)
    min over theta, alpha of sum_i L(theta_i; query_i)                                (eq. 3)

Rates start alike, at ``inner_rate`` (the paper draws them between 0.005 and 0.1), may become negative, and are shared
by the rows of the output layer, so that any way can be met.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

from quickstudy.inner import Rule, sgd
from quickstudy.learners.base import Traits
from quickstudy.learners.descent import Descent, MetaConfig, key
from quickstudy.tasks.base import Spec


class MetaSGD(Descent):
    """MAML that learns the rate of every weight as well."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), gradient=True, transductive=True)
    Config: ClassVar[type[Any]] = MetaConfig
    default_steps = (1, 1)

    def __init__(self, spec: Spec, config: MetaConfig) -> None:
        super().__init__(spec, config, config.gradient)
        self.rates = nn.ParameterDict(
            {key(name): nn.Parameter(torch.full_like(value, self.rate)) for name, value in self._named().items()}
        )

    def _rule(self, steps: int) -> Rule:
        return sgd({name: self.rates[key(name)] for name in self._named()})
