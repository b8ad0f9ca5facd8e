"""One net for everybody: what tasks have in common, and nothing of the one at hand. Complete pooling, in the words of
Gelman and Hill (2007), "Data Analysis Using Regression and Multilevel/Hierarchical Models".

    min over theta of the mean of L(f_theta(x), y) over the examples of all training tasks, pooled

The support is not looked at. It is what adaptation is worth less the adaptation: fine-tuning (``finetune.py``) before
its first step.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from quickstudy.learners.base import Adapted, Point, Traits
from quickstudy.learners.pretrained import Pretrained, PretrainedConfig
from quickstudy.tasks.base import Examples


class Pooled(Pretrained):
    """The same answers for every task."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",), transductive=True)
    Config: ClassVar[type[Any]] = PretrainedConfig

    head: nn.Module

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """The support's moments where the net keeps them (norm=task), and one number, so that there is something."""
        _, moments = self.net(support.x, support.mask, None)
        return {"none": support.y.new_zeros(1)} | (moments if self.net.keeps_moments else {})

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """Means [n, d] for ``x`` [n, *shape]."""
        features, _ = self.net(x, mask, None if self.transductive else adapted)
        return Point(self.head(features))
