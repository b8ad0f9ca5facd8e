"""Linear regression on the recent past: autoregression with exogenous inputs (ARX). Ljung (1999), "System
Identification".

    y_j = w_j . [x, 1] + e_j,   e_j ~ N(0, s_j^2)

pooled: one w for all tasks. own: each task's, by ridge regression on its support alone. bayes: w_j ~ N(m_j, C_j) over
tasks, with m, C and s by maximum likelihood from the training tasks (EM; Laird and Ware 1982, "Random-Effects Models
for Longitudinal Data"), and for a new task the posterior given its support: empirical Bayes.

    E: V_t = (C^(-1) + X_t^T X_t / s^2)^(-1),   w_t = V_t (C^(-1) m + X_t^T y_t / s^2)
    M: m = mean of w_t,   C = mean of (w_t - m)(w_t - m)^T + V_t,   s^2 = mean of |y_t - X_t w_t|^2 + tr(V_t X_t^T X_t)

Errors of neighbouring moments go together, so an example of a support counts for a share t of one. The share, and the
ridge of own, are those of ``SHARES`` and ``RIDGES`` that predict the second half of training tasks best from their
beginning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Gaussian, Learner, Traits
from quickstudy.learners.cnp import flat
from quickstudy.learners.diseases.posterior import believe, expect
from quickstudy.learners.metric import with_one
from quickstudy.tasks.base import Examples, Spec, WholeTasks

SHARES = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03, 0.015)
RIDGES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
ROUNDS = 30
"""Of EM."""
BEGINNING = 12
"""Part of a training task that is learnt from to choose: one in so many of its examples."""


@dataclass(frozen=True, kw_only=True)
class ARXConfig:
    """Linear regression on the recent past."""

    prior: Literal["bayes", "pooled", "own"] = "bayes"
    """What a task's weights are: empirical Bayes, those of all tasks, or by ridge regression its own."""


@dataclass(frozen=True, kw_only=True)
class PooledConfig(ARXConfig):
    """The same weights for all tasks."""

    prior: Literal["bayes", "pooled", "own"] = "pooled"
    """What a task's weights are: empirical Bayes, those of all tasks, or by ridge regression its own."""


@dataclass(frozen=True, kw_only=True)
class OwnConfig(ARXConfig):
    """Each task's own weights, from its support alone."""

    prior: Literal["bayes", "pooled", "own"] = "own"
    """What a task's weights are: empirical Bayes, those of all tasks, or by ridge regression its own."""


class Moments(NamedTuple):
    """Of T tasks: all that linear regression needs of them, float64."""

    xx: Tensor
    """[T, f, f]."""
    xy: Tensor
    """[T, f, d]."""
    yy: Tensor
    """[T, d]."""
    n: Tensor
    """[T]."""


class ARX(Learner):
    """Fitted in closed form when training tasks are seen; there is nothing to train by gradients."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",), forms=("glucose",))
    Config: ClassVar[type[Any]] = ARXConfig

    mean: Tensor
    spread: Tensor
    noise: Tensor
    share: Tensor

    def __init__(self, spec: Spec, config: ARXConfig) -> None:
        super().__init__(spec, config)
        f, d = math.prod(spec.shape) + 1, spec.outputs
        self.register_buffer("mean", torch.zeros(f, d))
        self.register_buffer("spread", torch.eye(f).expand(d, -1, -1).clone())
        self.register_buffer("noise", torch.ones(d))
        self.register_buffer("share", torch.ones(d))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """The posterior of this task's deviation from the mean weights, see ``posterior.py``."""
        h, there = with_one(flat(support.x, support.mask)), support.mask.unsqueeze(-1)
        weight = there * (self.share / self.noise.square())
        return believe(h @ self.spread, torch.where(there, support.y - h @ self.mean, 0), weight)

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Gaussian:
        """Mean and std [n, d] for ``x`` [n, *shape]."""
        h = with_one(flat(x, mask))
        mean, variance = expect(adapted, h @ self.spread)
        return Gaussian(h @ self.mean + mean, (variance + self.noise.square()).sqrt())

    @torch.no_grad()
    def prepare(self, tasks: WholeTasks) -> None:
        """Fit everything to the training tasks."""
        whole, beginnings, ends = (_stacked(parts) for parts in zip(*map(_parts, tasks), strict=True))
        mean, spread, noise = _pooled(whole) if self.config.prior == "pooled" else _random_effects(whole)
        if self.config.prior == "own":
            mean = torch.zeros_like(mean)
            flat_prior = torch.eye(mean.shape[0]).to(mean).expand_as(spread)
            choices = [(noise.view(-1, 1, 1) / ridge**0.5 * flat_prior, torch.ones_like(noise)) for ridge in RIDGES]
        else:
            choices = [(spread, torch.full_like(noise, share)) for share in SHARES]
        errors = torch.stack([_errors(beginnings, ends, mean, *choice, noise) for choice in choices])
        best = errors.argmin(0)
        of_output = torch.arange(len(noise), device=noise.device)
        self.mean.copy_(mean)
        self.spread.copy_(torch.stack([choice[0] for choice in choices])[best, of_output])
        self.share.copy_(torch.stack([choice[1] for choice in choices])[best, of_output])
        self.noise.copy_(noise)


class PooledARX(ARX):
    """``arx`` that does not look at the support."""

    Config: ClassVar[type[Any]] = PooledConfig


class OwnARX(ARX):
    """``arx`` that knows nothing of other tasks."""

    Config: ClassVar[type[Any]] = OwnConfig


def _parts(task: Examples) -> tuple[Moments, Moments, Moments]:
    """Moments of a task, of its beginning, and of its second half."""
    x, y = with_one(flat(task.x, task.mask)) * task.mask.unsqueeze(-1), flat(task.y, task.mask)
    some = slice(0, len(x) // BEGINNING), slice(len(x) // 2, None)

    def moments(at: slice) -> Moments:
        a, b = x[at].double(), y[at].double()
        return Moments(a.T @ a, a.T @ b, b.square().sum(0), task.mask[at].sum())

    return moments(slice(None)), moments(some[0]), moments(some[1])


def _stacked(moments: tuple[Moments, ...]) -> Moments:
    return Moments(*(torch.stack(leaves) for leaves in zip(*moments, strict=True)))


def _pooled(m: Moments) -> tuple[Tensor, Tensor, Tensor]:
    """Least squares over all tasks; a prior that no task leaves."""
    xx, xy = m.xx.sum(0), m.xy.sum(0)
    mean = torch.linalg.solve(xx + 1e-6 * _trace(xx) * torch.eye(len(xx)).to(xx), xy)
    left = m.yy.sum(0) - 2 * (mean * xy).sum(0) + (mean * (xx @ mean)).sum(0)
    noise = (left / m.n.sum()).clamp(min=1e-8).sqrt()
    return mean, xx.new_zeros(xy.shape[1], *xx.shape), noise


def _random_effects(m: Moments) -> tuple[Tensor, Tensor, Tensor]:
    """m [f, d], a root of C [d, f, f] and s [d], by EM from the pooled answer; one output at a time."""
    mean, _, noise = _pooled(m)
    found = [_em(m.xx, m.xy[..., j], m.yy[:, j], m.n, mean[:, j], noise[j]) for j in range(mean.shape[1])]
    means, roots, noises = (torch.stack(leaves) for leaves in zip(*found, strict=True))
    return means.T, roots, noises


def _em(xx: Tensor, xy: Tensor, yy: Tensor, n: Tensor, mean: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    f = len(mean)
    eye = torch.eye(f).to(xx)
    spread = 0.1 * eye
    for _ in range(ROUNDS):
        root = torch.linalg.cholesky(spread)
        inner = root.T @ xx @ root / noise**2 + eye
        variance = root @ torch.linalg.solve(inner, root.T.expand_as(xx))
        weights = mean + (variance @ ((xy - xx @ mean) / noise**2).unsqueeze(-1)).squeeze(-1)
        mean = weights.mean(0)
        off = weights - mean
        spread = (off.unsqueeze(-1) * off.unsqueeze(-2) + variance).mean(0)
        spread = (spread + spread.T) / 2 + 1e-10 * eye
        left = yy - 2 * (weights * xy).sum(-1) + (weights * (xx @ weights.unsqueeze(-1)).squeeze(-1)).sum(-1)
        noise = ((left + (variance * xx).sum((-1, -2))).sum() / n.sum()).clamp(min=1e-8).sqrt()
    return mean, torch.linalg.cholesky(spread), noise


def _errors(first: Moments, last: Moments, mean: Tensor, root: Tensor, share: Tensor, noise: Tensor) -> Tensor:
    """[d]: mean squared error on ``last`` of what ``first`` teaches."""
    eye = torch.eye(len(mean)).to(mean)
    found = []
    for j in range(len(noise)):
        scale = share[j] / noise[j] ** 2
        pull = root[j].T @ ((first.xy[..., j] - first.xx @ mean[:, j]) * scale).unsqueeze(-1)
        weights = (
            mean[:, j] + (root[j] @ torch.linalg.solve(root[j].T @ first.xx @ root[j] * scale + eye, pull))[..., 0]
        )
        left = last.yy[:, j] - 2 * (weights * last.xy[..., j]).sum(-1)
        found.append((left + (weights * (last.xx @ weights.unsqueeze(-1))[..., 0]).sum(-1)).sum() / last.n.sum())
    return torch.stack(found)


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).mean(-1)
