"""Waves from a few points, for the page: a meta-trained net, the same net from scratch, and the exact answer.

Both nets take the same gradient steps on the points. The exact answer is that of the Gaussian process whose mean and
covariance are those of the waves that the net was trained on, y = a sin(x - p) with a in [0.1, 5] and p in [0, pi]:

    y = w1 sin x + w2 cos x,   E w = (0, -2 E[a] / pi),   Var w1 = E[a^2] / 2,   Var w2 = E[a^2] / 2 - (E w2)^2

with w1 and w2 uncorrelated, so no other linear function of the points errs less on average (Bishop 2006, "Pattern
Recognition and Machine Learning", eqs. 3.49-3.51 and 6.66-6.67).
"""

from __future__ import annotations

import functools
import math
import time
from pathlib import Path
from typing import Annotated, Any

import torch
from fastapi import APIRouter
from pydantic import BaseModel, Field
from torch import Tensor

from quickstudy import learners, runs, weights
from quickstudy.inner import sgd, trajectory
from quickstudy.learners.base import Adapted, Learner
from quickstudy.server.routes.common import ERRORS
from quickstudy.tasks.base import Examples, masked_mean
from quickstudy.tasks.endless import INPUT
from quickstudy.tasks.sinusoid import AMPLITUDE

router = APIRouter(prefix="/v1/watch", tags=["playground"], responses=ERRORS)
RUN = Path(weights.__file__).parent / "sine"
SCRATCH_SEED = 1
PLACES = 121
"""Numbers x at which curves are told."""
NOISE = 0.1
"""Standard deviation of a point around its wave, of those that a hand puts somewhere."""
FURTHEST = 1e4
"""What is further from 0, after steps that were too long, is told as this."""

Number = Annotated[float, Field(ge=-20, le=20, allow_inf_nan=False)]
Curve = list[float]


class Asked(BaseModel):
    """Points of a wave, and how to learn from them."""

    points: list[tuple[Number, Number]] = Field(max_length=50)
    steps: int = Field(10, ge=0, le=20)
    rate: float = Field(0.02, gt=0, le=1)


@router.post("/sine")
def sine(asked: Asked) -> dict[str, Any]:
    """Curves at ``x``: of both nets before any step and after each, and of the exact answer with its deviation."""
    x = torch.linspace(*INPUT, PLACES).unsqueeze(-1)
    support = as_support(asked.points)
    start = time.perf_counter()
    meta, errors = curves(trained(), support, x, asked)
    adapt_ms = 1000 * (time.perf_counter() - start)
    scratch, scratch_errors = curves(untrained(), support, x, asked)
    mean, std = exact(asked.points, x.squeeze(-1).double())
    return {
        "x": x.squeeze(-1).tolist(),
        "meta": meta,
        "scratch": scratch,
        "exact": {"mean": mean.tolist(), "std": std.tolist()},
        "errors": {"meta": errors, "scratch": scratch_errors},
        "rate": trained().config.inner_rate,
        "ms": round(adapt_ms, 3),
    }


@functools.cache
def trained() -> Learner:
    """The net that comes with the package, meta-trained on waves."""
    return runs.load(RUN).learner()


@functools.cache
def untrained() -> Learner:
    """The same net as it was before any training."""
    run = runs.load(RUN)
    return learners.build(run.learner_name, run.spec, run.config, SCRATCH_SEED).eval()


def as_support(points: list[tuple[float, float]]) -> Examples:
    """Points as a support; without any, one that is masked out."""
    values = torch.tensor(points or [(0.0, 0.0)])
    return Examples(values[:, :1], values[:, 1:], torch.full((len(values),), bool(points)))


def curves(learner: Learner, support: Examples, x: Tensor, asked: Asked) -> tuple[list[Curve], list[float | None]]:
    """Curves of ``learner`` at ``x``, and its mean squared errors on the support, after 0, 1, ... steps."""
    start = {name: value.detach() for name, value in learner.adapt(support, 0).items()}
    moving = {name: value for name, value in start.items() if name != "present"}

    def answer(weights: Adapted, at: Tensor) -> Tensor:
        return learner.predict(start | weights, at, torch.ones(len(at), dtype=torch.bool))[0]

    def error(weights: Adapted, given: Any) -> Tensor:
        return masked_mean((answer(weights, support.x) - support.y).square().squeeze(-1), support.mask)

    path = trajectory(error, moving, sgd(asked.rate), asked.steps, "first-order")
    found = [moving, *(moved for moved, _ in path)]
    with torch.no_grad():
        told = [_finite(answer(one, x).squeeze(-1)).tolist() for one in found]
        errors = [_finite(error(one, None)).item() if support.mask.any() else None for one in found]
    return told, errors


def _finite(values: Tensor) -> Tensor:
    return values.nan_to_num(FURTHEST).clamp(-FURTHEST, FURTHEST)


def exact(points: list[tuple[float, float]], x: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior mean and standard deviation [n] of the wave at ``x`` [n], in float64."""
    low, high = AMPLITUDE
    square = (high**3 - low**3) / (3 * (high - low))
    prior = torch.tensor([0.0, -(low + high) / math.pi], dtype=torch.float64)
    spread = square / 2 - prior.square()
    values = torch.tensor(points, dtype=torch.float64).reshape(-1, 2)
    phi = waves(values[:, 0])
    precision = torch.diag(1 / spread) + phi.T @ phi / NOISE**2
    pull = prior / spread + phi.T @ values[:, 1] / NOISE**2
    posterior = torch.linalg.solve(precision, pull)
    at = waves(x)
    variance = (at * torch.linalg.solve(precision, at.T).T).sum(-1)
    return at @ posterior, variance.sqrt()


def waves(x: Tensor) -> Tensor:
    """[n, 2] for ``x`` [n]."""
    return torch.stack([x.sin(), x.cos()], -1)
