"""A strong statistic, and what is meta-learned beside it: ridge regression of a user's ratings on features of items, of
which some are learnt, around a learnt prior mean. Bertinetto, Henriques, Torr, Vedaldi (2019), "Meta-learning with
Differentiable Closed-form Solvers"; Harrison, Sharma, Pavone (2018), "Meta-Learning Priors for Efficient Online
Bayesian Regression" (ALPaCA), has the mean.

    y(i) = g(x_i) + w . phi(x_i),   g(x_i) = b_i + g_0(s_i),   phi(x_i) = [1, f(s_i), content_i, q_i]
    w = argmin sum_k (y_k - y(k))^2 + sum_j penalty_j w_j^2                       over the support

b_i is the item's mean, q_i its factors (``item_tables.py``); g_0 and f are outputs of one small net of a few numbers
s_i, whose weights are learnt with the penalties, one for each group of phi, through the solution. Without g_0 and f it
is matrix factorisation with fold-in and item content. What the net sees is kept small on purpose: given all of x it
learns the training users' opinions of single items by heart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.learners.base import Adapted, Point
from quickstudy.learners.r2d2 import ridge
from quickstudy.learners.tastes.rated import Rated, kept
from quickstudy.tasks.base import Examples, Spec, check_counts

STARTS = {"offset": 3.0, "learnt": 7.0, "content": 50.0, "factor": 50.0}
"""Penalties of the groups of phi at the start."""


@dataclass(frozen=True, kw_only=True)
class RidgeRatingsConfig:
    """Ridge regression on features of items."""

    width: int = 32
    """Hidden units of the net."""
    learnt: int = 8
    """Features that it makes."""


class RidgeRatings(Rated):
    """A user is a few weights, in closed form; what they weigh, and how much is believed of them, is meta-learned."""

    Config: ClassVar[type[Any]] = RidgeRatingsConfig

    def __init__(self, spec: Spec, config: RidgeRatingsConfig) -> None:
        super().__init__(spec, config)
        check_counts(width=config.width, learnt=config.learnt)
        year = [place for place, name in enumerate(spec.names) if name == "year"][-1:]
        self.few = self.columns["mean"] + self.columns["count"] + year
        width, last = config.width, nn.Linear(config.width, 1 + config.learnt)
        nn.init.zeros_(last.bias)
        with torch.no_grad():
            last.weight[0] = 0.0  # so that the first prior mean is the item's
        self.net = nn.Sequential(nn.Linear(len(self.few), width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), last)
        self.log_penalty = nn.Parameter(torch.tensor([math.log(start) for start in STARTS.values()]))
        sizes = (1, config.learnt, len(self.columns["content"]), len(self.columns["factor"]))
        self.group = [number for number, size in enumerate(sizes) for _ in range(size)]

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``user`` [features]: w."""
        x, y = kept(support)
        mean, features = self._features(x)
        there = support.mask.unsqueeze(-1)
        rest = (y - mean).unsqueeze(-1)
        return {"user": ridge(features * there, rest * there, torch.ones_like(rest[:1, 0].sum())).squeeze(-1)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 1] for ``x`` [n, inputs]."""
        mean, features = self._features(x)
        return Point((mean + features @ adapted["user"]).unsqueeze(-1))

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Many users a step, a few seconds in all: with more it learns the training users by heart."""
        return {"shot": 5, "max_shot": 20, "query": 64, "tasks_per_step": 32, "steps": 800, "rate": 2e-3}

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """g [n], and phi [n, features] in units in which each penalty is 1."""
        found = self.net(x[..., self.few])
        parts = [torch.ones_like(found[..., :1]), found[..., 1:], self._of(x, "content"), self._of(x, "factor")]
        unit = (-0.5 * self.log_penalty)[self.group].exp()
        return self._mean(x) + found[..., 0], torch.cat(parts, -1) * unit
