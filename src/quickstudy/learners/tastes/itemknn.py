"""What a user thinks of the items that are most like this one. Sarwar, Karypis, Konstan and Riedl (2001), "Item-based
Collaborative Filtering Recommendation Algorithms": adjusted cosine, weighted sum.

    sim(i, s) = sum_u r_ui r_us / sqrt(sum_u r_ui^2 sum_u r_us^2),   damped by n / (n + shrink), n users who rated both
    y(i) = b_i + a + sum_s sim(i, s) e_s / (sum_s |sim(i, s)| + damping),   over the k most similar of the support

r_ui is what a training user's mean leaves of his rating, b_i the item's mean, a the user's offset from it (itemmean),
e_s what both leave of the rating of s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Point, check_positive
from quickstudy.learners.tastes.rated import Remembers, kept, looked_up, matrix, numbers
from quickstudy.tasks.base import Examples, Spec, WholeTasks, check_counts


@dataclass(frozen=True, kw_only=True)
class ItemKNNConfig:
    """Item nearest neighbours."""

    k: int = 20
    """Neighbours that are asked."""
    shrink: float = 20.0
    """Users who rated both items at which a similarity counts half."""
    damping: float = 1.0
    """Similarity to nothing in particular that is added to that of the neighbours."""
    offset: float = 3.0
    """Ratings without a difference that are added to a user's own, for his offset."""


class ItemKNN(Remembers):
    """The support's items vote with what they leave of the user's ratings, as far as they are like the query."""

    Config: ClassVar[type[Any]] = ItemKNNConfig
    ratings: Tensor

    def __init__(self, spec: Spec, config: ItemKNNConfig) -> None:
        super().__init__(spec, config)
        check_counts(k=config.k)
        check_positive(shrink=config.shrink, damping=config.damping, offset=config.offset)
        self.register_buffer("ratings", torch.zeros(1, 1))

    def prepare(self, tasks: WholeTasks) -> None:
        """``ratings`` [M, U]: r, and 0 where there is none."""
        rated, seen = matrix(tasks)
        mean = rated.sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1)
        # no rating is exactly a user's mean, so that one can be told from none
        self.ratings = (((rated - mean) + 1e-6) * seen).T.contiguous()

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``item`` and ``rest`` [n]: the support's items and what their means and the offset leave; ``offset`` [1]."""
        x, y = kept(support)
        rest = (y - self._mean(x)) * support.mask
        offset = rest.sum() / (support.mask.sum() + self.config.offset)
        item = torch.where(support.mask, numbers(x), -1)
        return {"item": item, "rest": (rest - offset) * support.mask, "offset": offset.unsqueeze(0)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 1] for ``x`` [n, inputs]."""
        here, there = looked_up(self.ratings, numbers(x)), looked_up(self.ratings, adapted["item"])
        both = (here != 0).to(here.dtype) @ (there != 0).to(here.dtype).T
        length = here.norm(dim=-1, keepdim=True) * there.norm(dim=-1)
        alike = here @ there.T / length.clamp(min=1e-6) * both / (both + self.config.shrink)
        if alike.shape[-1] > self.config.k:
            least = alike.abs().topk(self.config.k, dim=-1).values[:, -1:]
            alike = torch.where(alike.abs() >= least, alike, 0)
        told = alike @ adapted["rest"] / (alike.abs().sum(-1) + self.config.damping)
        return Point((self._mean(x) + adapted["offset"] + told).unsqueeze(-1))
