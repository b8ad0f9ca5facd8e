"""Logistic regression on the backbone's features. Bertinetto, Henriques, Torr, Vedaldi (2019), "Meta-learning with
Differentiable Closed-form Solvers" (LR-D2).

    W = argmin lambda / 2 ||W||^2 - sum_i log softmax(x_i W)[y_i],       logits = x W            (section 3.3)

x are the features and a constant 1, lambda is learnt. The paper's head is that of two classes, one against all others
where there are more; here all classes take part in one softmax. W = X^T a / lambda, and a is found by Newton's method:
with K = X X^T / lambda, logits f = K a of the support, and p = softmax(f) (all [way, n]),

    a <- a + t (y - p + b - a),    (K + diag(1 / p_c)) b_c + u = f_c - K (y_c - p_c),    sum_c b_c = 0

(Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", algorithm 3.3; see ``coupled.py``), t being the
best of 1, 1/2, 1/4, 1/8. Where Newton's method has settled, the derivative of one more step is that of the solution
(implicit differentiation), so gradients flow through one more step alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.learners.base import Adapted, Logits, Traits, check_positive, only_present, present
from quickstudy.learners.coupled import Coupled, with_derivative
from quickstudy.learners.metric import Episodic, EpisodicConfig, with_one
from quickstudy.tasks.base import Examples, Spec, check_counts

HALVINGS = 4
"""Lengths of a step that are tried: 1, 1/2, ..."""


@dataclass(frozen=True, kw_only=True)
class LogisticConfig(EpisodicConfig):
    """Logistic regression on features."""

    penalty: float = 1.0
    """Start of lambda, which is learnt."""
    newton_steps: int = 10
    """Newton steps, whatever the task: enough where logits are not extreme."""


class Logistic(Episodic):
    """The output layer is the logistic regression of the support's labels on its features."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = LogisticConfig

    def __init__(self, spec: Spec, config: LogisticConfig) -> None:
        super().__init__(spec, config)
        check_positive(penalty=config.penalty)
        check_counts(**{"newton-steps": config.newton_steps})
        self.log_penalty = nn.Parameter(torch.tensor(math.log(config.penalty)))

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        x, penalty = with_one(features) * support.mask.unsqueeze(-1), self.log_penalty.exp()
        here = present(support)
        dual = fit(x @ x.T / penalty, support.y.T * support.mask, here, self.config.newton_steps)
        return {"weight": x.T @ dual.T / penalty, "present": here}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        return Logits(only_present(with_one(features) @ adapted["weight"], adapted["present"]))


def fit(kernel: Tensor, y: Tensor, here: Tensor, steps: int) -> Tensor:
    """a [way, n] for the ``kernel`` [n, n] and the labels ``y`` [way, n]; rows of zeros in both count for nothing.

    Only the classes ``here`` [way] take part.
    """
    with torch.no_grad():
        dual, fixed = torch.zeros_like(y), kernel.detach()
        for _ in range(steps):
            dual = _best(fixed, y, here, dual, _newton(fixed, y, here, dual))
    return with_derivative(dual, _newton(kernel, y, here, dual))


def _newton(kernel: Tensor, y: Tensor, here: Tensor, dual: Tensor) -> Tensor:
    """``dual`` after a whole step; the derivative is that by ``kernel`` where ``dual`` stays."""
    logits = (dual @ kernel).detach()
    p = _log_softmax(logits, here).exp() * y.sum(0)
    right = logits - (y - p) @ kernel
    return y - p + Coupled(kernel, p).solve(right, torch.zeros_like(right[0]))


def _best(kernel: Tensor, y: Tensor, here: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """The point between ``start`` and ``end`` with the least penalised error."""
    lengths = 0.5 ** torch.arange(HALVINGS, dtype=y.dtype, device=y.device)
    points = start + lengths.view(-1, 1, 1) * (end - start)
    logits = points @ kernel
    errors = (0.5 * points * logits - y * _log_softmax(logits, here)).sum((-2, -1))
    return start + lengths.gather(0, errors.argmin(0, keepdim=True)) * (end - start)


def _log_softmax(logits: Tensor, here: Tensor) -> Tensor:
    """Over the classes ``here`` of ``logits`` [..., way, n]."""
    kept: Tensor = torch.where(here.unsqueeze(-1), logits, torch.finfo(logits.dtype).min)
    return kept.log_softmax(-2)
