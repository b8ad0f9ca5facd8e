"""Noisy functions of four kinds, for which the best possible answer is known.

    y = sum_j w_j phi_j(x) + noise e,   w_j ~ N(0, s_j^2),  e ~ N(0, 1),  x uniform in [-5, 5]

    sine        phi = sin x, cos x                  s = 2, 2
    line        phi = 1, x                          s = 1, 0.6
    quadratic   phi = 1, x, x^2                     s = 1, 0.3, 0.15
    step        phi = [x < c], [x >= c]             s = 2, 2; c one of 32 places from -3.875 to 3.875

Kinds are equally likely, and so are the places of a step. Given the kind and the place, y is a Bayesian linear model,
so the posterior over all 35 of them is exact; its mean is the ``oracle``, which no learner can beat on average (Bishop
2006, "Pattern Recognition and Machine Learning", eqs. 3.49-3.54 and 3.67).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Spec, Task, masked_mean
from quickstudy.tasks.endless import Drawn, Endless

PLACES = torch.arange(32) * 0.25 - 3.875
KINDS = 4
NOISE = (0.01, 10.0)
"""Range of the noise: with less the posterior is no longer exact in float64."""


class Functions(Endless):
    """Sines, lines, quadratics and steps; the errors of queries contain their noise."""

    def __init__(self, *, noise: float = 0.3) -> None:
        if not NOISE[0] <= noise <= NOISE[1]:
            raise UserError(f"the noise of functions is {noise}; it must be from {NOISE[0]} to {NOISE[1]}.")
        self.noise = float(noise)
        name = "functions" + ("" if noise == 0.3 else f":noise={noise:g}")
        super().__init__(
            Spec(name=name, kind="regression", shape=(1,), outputs=1, metric="mse", shot_unit="point of the function")
        )

    def _functions(self, key: Tensor) -> Drawn:
        kind = draw.bits(key, 1, "kind")[:, 0] % KINDS
        place = draw.bits(key, 1, "place")[:, 0] % len(PLACES)
        which = torch.where(kind < KINDS - 1, kind, KINDS - 1 + place).view(-1, 1, 1, 1)
        weights = draw.normal(key, 3, "weights").unsqueeze(-1)

        def noisy(x: Tensor, stream: str) -> Tensor:
            chosen = features(x).gather(1, which.expand(-1, 1, x.shape[1], 3)).squeeze(1)
            return (chosen @ weights).squeeze(-1) + self.noise * draw.normal(key, x.shape[1], f"{stream} noise")

        return noisy

    def oracle(self, task: Task) -> Tensor:
        """[T] mean squared error of the exact posterior mean."""
        x, y = task.query.x.squeeze(-1).double(), task.query.y.squeeze(-1).double()
        return masked_mean((self.posterior_mean(task.support, x) - y).square(), task.query.mask)

    def posterior_mean(self, support: Examples, x: Tensor) -> Tensor:
        """[T, m] for ``x`` [T, m] after a support of [T, n] points."""
        here = support.mask.unsqueeze(-1).double()
        known = torch.where(here > 0, support.x.double(), 0).squeeze(-1)
        y = torch.where(here > 0, support.y.double(), 0).unsqueeze(1)
        phi = features(known) * here.unsqueeze(1)
        precision = torch.eye(3, dtype=torch.float64) + phi.mT @ phi / self.noise**2
        pull = phi.mT @ y / self.noise**2
        weights = torch.linalg.solve(precision, pull)
        evidence = 0.5 * (pull.mT @ weights).flatten(1) - 0.5 * torch.logdet(precision)
        belief = (evidence + log_prior()).softmax(-1)
        answers = (features(x) @ weights).squeeze(-1)
        return (belief.unsqueeze(-1) * answers).sum(1)


def features(x: Tensor) -> Tensor:
    """[T, n] -> [T, 35, n, 3]: those of every kind and place, times the deviations of their weights."""
    one, none = torch.ones_like(x), torch.zeros_like(x)
    kinds = [
        torch.stack([2 * x.sin(), 2 * x.cos(), none], -1),
        torch.stack([one, 0.6 * x, none], -1),
        torch.stack([one, 0.3 * x, 0.15 * x.square()], -1),
    ]
    left = (x.unsqueeze(1) < PLACES.to(x).view(-1, 1)).to(x.dtype)
    steps = torch.stack([2 * left, 2 * (1 - left), torch.zeros_like(left)], -1)
    return torch.cat([torch.stack(kinds, 1), steps], 1)


def log_prior() -> Tensor:
    """[35] float64."""
    places = len(PLACES)
    return torch.tensor([-math.log(KINDS)] * (KINDS - 1) + [-math.log(KINDS * places)] * places, dtype=torch.float64)
