"""One net for everybody, moved by what a task is off on average: the least that adaptation can be.

    y(x) = f(x) + mean over the support of (y_i - f(x_i))

f is trained on the examples of all training tasks, pooled (``pooled.py``). A baseline; in the words of Gelman and Hill
(2007), "Data Analysis Using Regression and Multilevel/Hierarchical Models", a varying intercept without pooling.
"""

from __future__ import annotations

from torch import Tensor

from quickstudy.learners.base import Adapted, Point
from quickstudy.learners.pooled import Pooled
from quickstudy.tasks.base import Examples, masked_mean


class Bias(Pooled):
    """Answers of one net, and a task's mean residual added to them."""

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``bias`` [d], the mean residual, 0 without a support; and the support's moments (norm=task)."""
        features, moments = self.net(support.x, support.mask, None)
        rest = support.y - self.head(features)
        return {"bias": masked_mean(rest.T, support.mask)} | (moments if self.net.keeps_moments else {})

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """Means [n, d] for ``x`` [n, *shape]."""
        return Point(super().predict(adapted, x, mask).mean + adapted["bias"])
