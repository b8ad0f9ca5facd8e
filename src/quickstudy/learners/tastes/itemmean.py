"""What others think of an item, and how much a user differs from them (Koren, Bell and Volinsky 2009, "Matrix
Factorization Techniques for Recommender Systems", eq. 3).

    y(i) = b_i + a,   a = sum_s (y_s - b_s) / (n + shrink)         over the n ratings of the support

b_i is the item's mean among training users, itself shrunk (tasks/tastes/item_tables.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from quickstudy.learners.base import Adapted, Point, check_positive
from quickstudy.learners.tastes.rated import Rated, kept
from quickstudy.tasks.base import Examples, Spec


@dataclass(frozen=True, kw_only=True)
class ItemMeanConfig:
    """Item mean and user offset."""

    shrink: float = 3.0
    """Ratings without a difference that are added to a user's own."""


class ItemMean(Rated):
    """The item's mean and the user's offset from it."""

    Config: ClassVar[type[Any]] = ItemMeanConfig

    def __init__(self, spec: Spec, config: ItemMeanConfig) -> None:
        super().__init__(spec, config)
        check_positive(shrink=config.shrink)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``offset`` [1]."""
        x, y = kept(support)
        rest = (y - self._mean(x)) * support.mask
        return {"offset": (rest.sum() / (support.mask.sum() + self.config.shrink)).unsqueeze(0)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 1] for ``x`` [n, inputs]."""
        return Point((self._mean(x) + adapted["offset"]).unsqueeze(-1))
