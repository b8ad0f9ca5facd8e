"""The mean of all training tasks, whatever the task: what a learner has to beat to have learnt anything.

    y(x) = m,   m = mean of y_i,   std = sqrt(mean of (y_i - m)^2)       over all examples i of all training tasks

A baseline, as scikit-learn's ``DummyRegressor`` is; every R^2 is against such a mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Gaussian, Learner, Traits
from quickstudy.tasks.base import Examples, Spec, WholeTasks


@dataclass(frozen=True, kw_only=True)
class GrandMeanConfig:
    """The mean of all training tasks."""


class GrandMean(Learner):
    """One answer to every question of regression."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",))
    Config: ClassVar[type[Any]] = GrandMeanConfig

    def __init__(self, spec: Spec, config: GrandMeanConfig) -> None:
        super().__init__(spec, config)
        self.register_buffer("mean", torch.zeros(spec.outputs))
        self.register_buffer("std", torch.ones(spec.outputs))

    def prepare(self, tasks: WholeTasks) -> None:
        """Mean and standard deviation of each output."""
        y = torch.cat([task.y[task.mask] for task in tasks])
        self.get_buffer("mean").copy_(y.mean(0))
        self.get_buffer("std").copy_(y.std(0, correction=0).clamp(min=1e-6))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """Nothing is taken from the support, but a state has to have something in it: ``mean`` [d]."""
        return {"mean": self.get_buffer("mean").clone()}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Gaussian:
        """The same mean and std [n, d] for every row."""
        size = len(x), len(adapted["mean"])
        return Gaussian(adapted["mean"].expand(size), self.get_buffer("std").expand(size))
