"""A linear autoencoder of likes in closed form. Steck (2019), "Embarrassingly Shallow Autoencoders for Sparse Data"
(EASE^R).

    B = argmin |X - X B|^2 + penalty |B|^2,  diag(B) = 0
    P = (X^T X + penalty I)^(-1),   B_ij = -P_ij / P_jj                                     (eq. 8)
    score(j) = sum_s B_sj                                  over what the support holds

X [U, M] are likes of training users. P is M x M, but of U users it is, by the Woodbury identity,

    P = (I - Z^T Z) / penalty,   Z = C^(-1) X,   C C^T = X X^T + penalty I                 (C lower triangular)

so that Z [U, M] is all that is kept, and a user is the sum of the columns of his items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Point, Traits, check_positive
from quickstudy.learners.tastes.rated import ORDERS, Remembers, kept, looked_up, matrix, numbers
from quickstudy.tasks.base import Examples, Spec, WholeTasks


@dataclass(frozen=True, kw_only=True)
class EASEConfig:
    """Linear autoencoder of likes."""

    penalty: float = 1000.0
    """Penalty of the weights between items."""


class EASE(Remembers):
    """An item's score is the sum of the weights to it from the items rated; its numbers order items."""

    traits: ClassVar[Traits] = ORDERS
    Config: ClassVar[type[Any]] = EASEConfig
    vectors: Tensor

    def __init__(self, spec: Spec, config: EASEConfig) -> None:
        super().__init__(spec, config)
        check_positive(penalty=config.penalty)
        self.register_buffer("vectors", torch.zeros(1, 1))

    def prepare(self, tasks: WholeTasks) -> None:
        """``vectors`` [M, U]: Z^T."""
        rated, seen = matrix(tasks)
        likes = (seen * (rated >= 0)).double()
        gram = likes @ likes.T + self.config.penalty * torch.eye(len(likes), dtype=likes.dtype, device=likes.device)
        half = torch.linalg.solve_triangular(torch.linalg.cholesky(gram), likes, upper=False)
        self.vectors = half.T.to(self.vectors.dtype).contiguous()

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``user`` [U]: the sum of the vectors of the support's items, liked or not."""
        own = looked_up(self.vectors, numbers(kept(support)[0]))
        return {"user": (own * support.mask.unsqueeze(-1)).sum(0)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 1] for ``x`` [n, inputs]; an item that was rated already is not weighed with itself."""
        own = looked_up(self.vectors, numbers(x))
        return Point(((own @ adapted["user"]) / (1 - own.square().sum(-1))).unsqueeze(-1))
