"""Body-only inner loop. Oh, Yoo, Kim, Yun (2021), "BOIL: Towards Representation Change for Few-shot Learning".

    theta_i = theta - alpha grad_theta L(w f_theta(x); support_i), repeated: the backbone alone moves        (eq. 2)
    min over theta, w of sum_i L(w f_theta_i(x); query_i)

The output layer w stands still within a task, so each class needs a row of its own to be pulled towards: rows that are
all alike, as other learners here start from, would leave every gradient at zero. It therefore knows its classes by
number, and as many of them as ``max_way``; rows beyond the ways of training keep their first random direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from quickstudy.learners.base import Traits
from quickstudy.learners.descent import Descent, MetaConfig
from quickstudy.tasks.base import Spec, check_counts


@dataclass(frozen=True, kw_only=True)
class BOILConfig(MetaConfig):
    """Body-only inner loop."""

    max_way: int = 20
    """Most classes that can be met."""


class BOIL(Descent):
    """MAML whose inner steps move the backbone alone."""

    traits: ClassVar[Traits] = Traits(
        kinds=("classification", "regression"), gradient=True, transductive=True, equivariant=False
    )
    Config: ClassVar[type[Any]] = BOILConfig
    default_rate = (0.5, 0.01)
    default_norm = "task"

    def __init__(self, spec: Spec, config: BOILConfig) -> None:
        check_counts(**{"max-way": config.max_way})
        super().__init__(spec, config, config.gradient, "learned", config.max_way)

    def _moves(self, name: str) -> bool:
        return name.startswith("net.")
