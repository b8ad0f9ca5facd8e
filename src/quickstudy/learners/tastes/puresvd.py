"""Items near those that a user likes, in the space of training users' likes. Cremonesi, Koren and Turrin (2010),
"Performance of Recommender Algorithms on Top-N Recommendation Tasks" (PureSVD).

    L = U S V^T,   score(i) = sum_s V_s S^2 V_i^T          over what the support holds

L are likes of training users, each row of length 1; ``taste`` are the rows of V S (tasks/tastes/item_tables.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from quickstudy.learners.base import Adapted, Point, Traits
from quickstudy.learners.tastes.rated import ORDERS, Rated, kept
from quickstudy.tasks.base import Examples


@dataclass(frozen=True, kw_only=True)
class PureSVDConfig:
    """Singular vectors of likes."""


class PureSVD(Rated):
    """An item's score is how near it is to what the user has rated; its numbers order items, and are no ratings."""

    traits: ClassVar[Traits] = ORDERS
    Config: ClassVar[type[Any]] = PureSVDConfig

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``user`` [tastes]: the sum of those of the support's items, liked or not."""
        return {"user": (self._of(kept(support)[0], "taste") * support.mask.unsqueeze(-1)).sum(0)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 1] for ``x`` [n, inputs]; without support all are equal."""
        return Point((self._of(x, "taste") @ adapted["user"]).unsqueeze(-1))
