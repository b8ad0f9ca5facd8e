"""Support vector machine on the backbone's features. Lee, Maji, Ravichandran, Soatto (2019), "Meta-Learning with
Differentiable Convex Optimization" (MetaOptNet-SVM).

    max over a of sum_i a_i^(y_i) - 1/2 sum_c ||w_c||^2,   w_c = sum_i a_i^c x_i
    where a_i^c <= C [c = y_i] and sum_c a_i^c = 0
    logits_c = gamma x . w_c                                                                  (section 3.3)

This is the dual of Crammer and Singer's (2001) multi-class machine without bias; gamma is learnt, C is not. A
primal-dual interior-point method solves it, with Mehrotra's predictor and corrector (Nocedal and Wright 2006,
"Numerical Optimization", algorithm 16.4). With slacks s = C y - a, their multipliers z and those of the sums u, a step
solves

    (K + diag(z_c / s_c)) da_c + u = y_c - K a_c - r_c / s_c        for every class c,   sum_c (a_c + da_c) = 0

one n x n system a class (``coupled.py``), r being what the products s z are to be in the end. The derivative is that of
one more step, as in OptNet (Amos and Kolter 2017): implicit differentiation at the solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.learners.base import Adapted, Logits, Traits, check_positive, only_present, present
from quickstudy.learners.coupled import Coupled, with_derivative
from quickstudy.learners.metric import Episodic, EpisodicConfig
from quickstudy.tasks.base import Examples, Spec, check_counts

SHORT = 0.99
"""Share of the way to the nearest bound that a step goes at most."""


@dataclass(frozen=True, kw_only=True)
class MetaOptNetConfig(EpisodicConfig):
    """Support vector machine on features."""

    slack_penalty: float = 0.1
    """C: what an example costs for each unit by which its margin is missed."""
    solver_steps: int = 15
    """Interior-point steps, whatever the task."""


class MetaOptNet(Episodic):
    """The output layer is the multi-class support vector machine of the support."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = MetaOptNetConfig

    def __init__(self, spec: Spec, config: MetaOptNetConfig) -> None:
        super().__init__(spec, config)
        check_positive(slack_penalty=config.slack_penalty)
        check_counts(**{"solver-steps": config.solver_steps})
        self.log_scale = nn.Parameter(torch.zeros(()))

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        x, here = features * support.mask.unsqueeze(-1), present(support)
        y = support.y.T * support.mask
        dual = solve(x @ x.T, y, here, self.config.slack_penalty, self.config.solver_steps)
        return {"weight": dual @ x, "present": here}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        return Logits(only_present(self.log_scale.exp() * features @ adapted["weight"].T, adapted["present"]))


class Iterate(NamedTuple):
    """Where the solver is; each [way, n], slacks and multipliers being 1 outside of the problem."""

    dual: Tensor
    slack: Tensor
    multiplier: Tensor


def solve(kernel: Tensor, y: Tensor, here: Tensor, penalty: float, steps: int) -> Tensor:
    """a [way, n] for the ``kernel`` [n, n] and the labels ``y`` [way, n]; rows of zeros in both count for nothing.

    Only the classes ``here`` [way] take part.
    """
    used = here.unsqueeze(-1) & (y.sum(0) > 0)
    with torch.no_grad():
        fixed, at = kernel.detach(), _start(y, used, penalty)
        # products nearer to 0 than this are lost in rounding
        least = torch.finfo(y.dtype).eps ** 0.75 * (1 / fixed.diagonal().amax()).clamp(max=penalty)
        for _ in range(steps):
            at = _step(fixed, y, used, at, least)
        inverse = _inverse(fixed, used, at)
    last = _direction(kernel, y, at, at.slack * at.multiplier, inverse)
    return with_derivative(at.dual, last.dual)


def _start(y: Tensor, used: Tensor, penalty: float) -> Iterate:
    """Inside of all bounds, and halfway to the point where an example counts for its class as much as it can."""
    dual = 0.5 * penalty * torch.where(used, y - 1 / used.sum(0, dtype=y.dtype).clamp(min=1), 0)
    return Iterate(dual, torch.where(used, penalty * y - dual, 1), torch.ones_like(y))


def _step(kernel: Tensor, y: Tensor, used: Tensor, at: Iterate, least: Tensor) -> Iterate:
    inverse = _inverse(kernel, used, at)
    ahead = _direction(kernel, y, at, torch.zeros_like(y), inverse)
    gap, left = (_gap(point, used) for point in (at, _moved(at, ahead, _room(at, ahead, used))))
    aim = torch.maximum(gap * (left / gap) ** 3, least)
    centred = _direction(kernel, y, at, aim - ahead.slack * ahead.multiplier, inverse)
    return _moved(at, centred, SHORT * _room(at, centred, used))


def _inverse(kernel: Tensor, used: Tensor, at: Iterate) -> Coupled:
    """Of a step's system; a proximal term keeps it solvable where ``kernel`` is singular, and moves no solution."""
    proximal = torch.finfo(kernel.dtype).eps ** 0.5 * kernel.diagonal().amax()
    return Coupled(kernel, torch.where(used, 1 / (at.multiplier / at.slack + proximal), 0))


def _direction(kernel: Tensor, y: Tensor, at: Iterate, products: Tensor, inverse: Coupled) -> Iterate:
    """To where slacks times multipliers are ``products`` to first order, and all equations hold."""
    wanted = products / at.slack
    dual = inverse.solve(y - at.dual @ kernel - wanted, -at.dual.sum(0))
    return Iterate(dual, -dual, wanted - at.multiplier + at.multiplier / at.slack * dual)


def _room(at: Iterate, direction: Iterate, used: Tensor) -> Tensor:
    """Scalar: how far it is to the nearest bound, at most 1."""
    pairs = zip(at[1:], direction[1:], strict=True)
    share = torch.stack([torch.where(used & (change < 0), -value / change, 1) for value, change in pairs])
    return share.amin().clamp(max=1)


def _moved(at: Iterate, direction: Iterate, length: Tensor) -> Iterate:
    return Iterate(*(value + length * change for value, change in zip(at, direction, strict=True)))


def _gap(at: Iterate, used: Tensor) -> Tensor:
    """Mean product of slack and multiplier: 0 at the solution."""
    return torch.where(used, at.slack * at.multiplier, 0).sum() / used.sum().clamp(min=1)
