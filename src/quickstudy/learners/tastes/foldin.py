"""A new user is folded into a matrix factorisation: the items' factors stay, his own are a ridge regression. Koren,
Bell and Volinsky (2009), "Matrix Factorization Techniques for Recommender Systems", eqs. 4-5; for a user who was not
there when the items' factors were found, one half-step of alternating least squares.

    y(i) = b_i + a + p . q_i
    a, p = argmin sum_s (y_s - b_s - a - p . q_s)^2 + shrink a^2 + penalty |p|^2      over the support

b and q are those of training users (tasks/tastes/item_tables.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Point, check_positive
from quickstudy.learners.metric import with_one
from quickstudy.learners.tastes.rated import Rated, kept
from quickstudy.tasks.base import Examples, Spec


@dataclass(frozen=True, kw_only=True)
class FoldInConfig:
    """Matrix factorisation with ridge fold-in."""

    shrink: float = 3.0
    """Penalty of the user's offset."""
    penalty: float = 100.0
    """Penalty of the user's factors; those of items have a spread of 1."""


class FoldIn(Rated):
    """Ridge regression of what the items' means leave on the items' factors."""

    Config: ClassVar[type[Any]] = FoldInConfig

    def __init__(self, spec: Spec, config: FoldInConfig) -> None:
        super().__init__(spec, config)
        check_positive(shrink=config.shrink, penalty=config.penalty)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``user`` [factors + 1]: factors, then the offset."""
        x, y = kept(support)
        there = support.mask.unsqueeze(-1)
        factors = with_one(self._of(x, "factor")) * there
        penalty = torch.full((factors.shape[-1],), self.config.penalty, dtype=x.dtype, device=x.device)
        penalty = torch.where(
            torch.arange(len(penalty), device=x.device) < len(penalty) - 1, penalty, self.config.shrink
        )
        rest = (y - self._mean(x)) * support.mask
        return {"user": torch.linalg.solve(factors.T @ factors + penalty.diag(), factors.T @ rest)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 1] for ``x`` [n, inputs]."""
        found = self._mean(x) + with_one(self._of(x, "factor")) @ adapted["user"]
        return Point(found.unsqueeze(-1))
