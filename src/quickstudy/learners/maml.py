"""Model-agnostic meta-learning. Finn, Abbeel, Levine (2017), "Model-Agnostic Meta-Learning for Fast Adaptation".

    theta_i = theta - alpha grad L(theta; support_i), repeated                 (eq. 1)
    min over theta of sum_i L(theta_i; query_i)                                (algorithm 2)

The meta-gradient is exact (second order) unless ``gradient=first-order`` (section 5.2). With ``step_losses`` the
query loss is averaged over all inner steps instead of taken after the last, so that a learner trained with few steps is
not spoilt by more of them at test (Antoniou, Edwards, Storkey 2019, "How to Train Your MAML", eq. 3 with equal
weights throughout).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Traits
from quickstudy.learners.descent import Descent, Head, MetaConfig
from quickstudy.tasks.base import Spec, Task


@dataclass(frozen=True, kw_only=True)
class MAMLConfig(MetaConfig):
    """MAML."""

    step_losses: bool = False
    """Train on the query loss after every inner step, not after the last alone."""
    head: Head = "shared"
    """Start of the output layer: one learned vector for all classes, zeros, or one a class (needs --max-way)."""
    max_way: int = 20
    """Most classes that head=learned can meet."""


class MAML(Descent):
    """A start from which a few gradient steps on the support are enough."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), gradient=True, transductive=True)
    Config: ClassVar[type[Any]] = MAMLConfig
    colour_rate = 0.03

    def __init__(self, spec: Spec, config: MAMLConfig) -> None:
        super().__init__(spec, config, config.gradient, config.head, config.max_way)

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: the query loss after the last inner step, or with ``step_losses`` its mean over all of them."""
        if not self.config.step_losses:
            return super().loss(task, progress)
        start, *after = self._descent(task.support, self.steps)
        return torch.stack([self._query_loss(weights, task) for weights in after or [start]]).mean()
