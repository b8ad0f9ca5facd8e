"""Ridge regression on the backbone's features. Bertinetto, Henriques, Torr, Vedaldi (2019), "Meta-learning with
Differentiable Closed-form Solvers" (R2-D2).

    W = argmin ||X W - Y||^2 + lambda ||W||^2 = (X^T X + lambda I)^(-1) X^T Y
      = X^T (X X^T + lambda I)^(-1) Y                                    (section 3.2, by the Woodbury identity)
    logits = alpha x W

X [n, f + 1] are the support's features and a constant 1, Y its one-hot labels; lambda and alpha are learnt. The beta
that the paper adds to every logit cancels in the softmax. In regression the answer is x W itself: without shots, 0. Of
the two systems the smaller one is solved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.learners.base import Adapted, Logits, Point, Traits, check_positive, only_present, present
from quickstudy.learners.coupled import identity
from quickstudy.learners.metric import Episodic, EpisodicConfig, with_one
from quickstudy.tasks.base import Examples, Spec

SCALE = 10.0
"""Start of alpha."""


@dataclass(frozen=True, kw_only=True)
class R2D2Config(EpisodicConfig):
    """Ridge regression on features."""

    penalty: float = 0.0
    """Start of lambda, which is learnt; 0 is 50 for classification, as in the paper's code, and 1 for regression."""


class R2D2(Episodic):
    """The output layer is the ridge regression of the support's labels, or numbers, on its features."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), transductive=True)
    Config: ClassVar[type[Any]] = R2D2Config

    def __init__(self, spec: Spec, config: R2D2Config) -> None:
        super().__init__(spec, config)
        self.classifies = spec.kind == "classification"
        penalty = config.penalty or (50.0 if self.classifies else 1.0)
        check_positive(penalty=penalty)
        self.log_penalty = nn.Parameter(torch.tensor(math.log(penalty)))
        if self.classifies:
            self.log_scale = nn.Parameter(torch.tensor(math.log(SCALE)))

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        there = support.mask.unsqueeze(-1)
        weight = ridge(with_one(features) * there, support.y * there, self.log_penalty.exp())
        return {"weight": weight} | ({"present": present(support)} if self.classifies else {})

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits | Point:
        answers = with_one(features) @ adapted["weight"]
        if not self.classifies:
            return Point(answers)
        return Logits(only_present(self.log_scale.exp() * answers, adapted["present"]))


def ridge(x: Tensor, y: Tensor, penalty: Tensor) -> Tensor:
    """[f, d]: the least squared error of ``x`` [n, f] times it against ``y`` [n, d], plus ``penalty`` times its square.

    Rows of zeros in both count for nothing. Solved by LU, for in float32 a Cholesky factorisation breaks down first.
    """
    rows, features = x.shape
    if rows > features:
        return torch.linalg.solve(x.T @ x + penalty * identity(features, x), x.T @ y)
    return x.T @ torch.linalg.solve(x @ x.T + penalty * identity(rows, x), y)
