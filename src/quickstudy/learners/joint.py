"""What transductive learners on a frozen backbone share: with ``transductive=True`` all queries of a task are answered
together, by what they have in common; without it each on its own, by the support alone.

A learner of this kind says in ``_state`` what it keeps of the support's features, in ``_compare`` how a query's are
judged by it, and in ``_together`` how those of all queries are. Queries that are padding have no say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from quickstudy.learners.base import Adapted, Prediction
from quickstudy.learners.pretrained import Frozen, PretrainedConfig
from quickstudy.tasks.base import Spec


@dataclass(frozen=True, kw_only=True)
class JointConfig(PretrainedConfig):
    """A learner that can answer queries together."""

    transductive: bool = False
    """Answer all queries of a task together; otherwise each on its own, which is the inductive limit of the method."""


class Joint(Frozen):
    """Base of the learners that can answer queries together."""

    def __init__(self, spec: Spec, config: JointConfig) -> None:
        super().__init__(spec, replace(config, transductive=False))  # the moments stay those of the support
        self.transductive = config.transductive
        self.config = replace(self.config, transductive=config.transductive)

    @property
    def through_features(self) -> bool:
        """Whether it sees nothing of its inputs but their features."""
        return True

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        """Logits [n, way] for ``x`` [n, *shape]."""
        features, _ = self._embed(x, mask, adapted)
        return self._together(adapted, features, mask) if self.transductive else self._compare(adapted, features)

    def _together(self, adapted: Adapted, features: Tensor, mask: Tensor) -> Prediction:
        """Logits [n, way] of queries with ``features`` [n, f], of which only the rows in ``mask`` [n] are real."""
        raise NotImplementedError
