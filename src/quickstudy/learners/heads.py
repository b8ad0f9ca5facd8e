"""A learner as two parts: a net that makes features of each example on its own, and a head that learns from features.

Whoever keeps features need not compute them again when there is one example more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, NamedTuple

from torch import Tensor

from quickstudy.learners.base import Adapted, Learner, Prediction, Traits
from quickstudy.learners.metric import Compares
from quickstudy.nets.backbone import Backbone
from quickstudy.tasks.base import Examples


class Head(Learner):
    """What ``whole`` does with features [n, f] in place of inputs."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"))

    def __init__(self, whole: Compares) -> None:
        spec = replace(whole.spec, shape=(whole.net.features,), form="numbers")
        super().__init__(spec, whole.config)
        self.whole = whole

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """What ``whole`` keeps of a support whose x are features [n, f]."""
        return self.whole._state(support.x, support)

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        """Predictions for features ``x`` [n, f]."""
        return self.whole._compare(adapted, x)


class Halves(NamedTuple):
    """Both parts of a learner."""

    net: Backbone
    head: Head


def halves(learner: Learner) -> Halves | None:
    """The parts of ``learner``; None where features depend on other examples, or more than features is looked at."""
    if not isinstance(learner, Compares) or learner.transductive or learner.net.keeps_moments:
        return None
    if not learner.through_features:
        return None
    return Halves(learner.net, Head(learner).train(learner.training))
