"""Learned curvature. Park, Oliva (2019), "Meta-Curvature".

    theta_i = theta - alpha MC(grad L(theta; support_i)), repeated                              (eq. 4)
    MC(G) = G x_1 M_o x_2 M_i x_3 M_f         matrices over outputs, inputs and kernel positions (section 3.1)
    min over theta, M of sum_i L(theta_i; query_i)

The matrices of every weight of the backbone start as identities, so that training starts as MAML does. The output layer
meets any number of classes, and its gradient is left as it is.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from quickstudy.inner import Rule, preconditioned, sgd
from quickstudy.inner.rules import identities
from quickstudy.learners.base import Traits
from quickstudy.learners.descent import Descent, MetaConfig, key
from quickstudy.tasks.base import Spec


class MetaCurvature(Descent):
    """MAML that learns how the gradient of each weight is turned and stretched."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), gradient=True, transductive=True)
    Config: ClassVar[type[Any]] = MetaConfig

    def __init__(self, spec: Spec, config: MetaConfig) -> None:
        super().__init__(spec, config, config.gradient)
        first = identities({f"net.{name}": value.detach() for name, value in self.net.named_parameters()})
        self.modes = {name: len(each) for name, each in first.items()}
        self.matrices = nn.ParameterDict(
            {f"{key(name)}-{mode}": nn.Parameter(one) for name, each in first.items() for mode, one in enumerate(each)}
        )

    def _rule(self, steps: int) -> Rule:
        named = {
            name: [self.matrices[f"{key(name)}-{at}"] for at in range(count)] for name, count in self.modes.items()
        }
        return preconditioned(sgd(self.rate), named)
