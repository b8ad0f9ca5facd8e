"""Nothing changes: the forecast that every other one has to beat. The naive method of Hyndman and Athanasopoulos
(2021), "Forecasting: Principles and Practice".

    y(x) = 0

for inputs whose answers are changes from now on. Nothing is learnt, in training or from a support.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from quickstudy.learners.base import Adapted, Learner, Point, Traits
from quickstudy.tasks.base import Examples


@dataclass(frozen=True, kw_only=True)
class PersistenceConfig:
    """Nothing changes."""


class Persistence(Learner):
    """What is now will be later."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",), forms=("glucose",))
    Config: ClassVar[type[Any]] = PersistenceConfig

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """Nothing; one number, so that there is something to keep."""
        return {"none": support.y.new_zeros(1)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """No change [n, d]."""
        return Point(x.new_zeros(len(x), self.spec.outputs))
