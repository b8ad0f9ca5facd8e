"""What most like, for everybody: items in the order of how many training users like them. The baseline of every
recommender (Cremonesi, Koren and Turrin 2010, "Performance of Recommender Algorithms on Top-N Recommendation Tasks").

    score(i) = log(1 + likes of i)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from quickstudy.learners.base import Adapted, Point, Traits
from quickstudy.learners.tastes.rated import ORDERS, Rated
from quickstudy.tasks.base import Examples


@dataclass(frozen=True, kw_only=True)
class PopularityConfig:
    """Popularity."""


class Popularity(Rated):
    """Every user gets the items that most like; its numbers order items, and are no ratings."""

    traits: ClassVar[Traits] = ORDERS
    Config: ClassVar[type[Any]] = PopularityConfig

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``rated`` [1]: how many; nothing depends on them."""
        return {"rated": support.mask.sum(0, keepdim=True)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 1] for ``x`` [n, inputs]."""
        return Point(self._of(x, "likes"))
