"""A net whose last layer is Bayesian. Harrison, Sharma, Pavone (2018), "Meta-Learning Priors for Efficient Online
Bayesian Regression" (ALPaCA), with a prior of its own for each output, noise that depends on the input, and tempering.

    h = [net(x), x, 1],   y_j = (m_j + L_j u_j) . h + e_j,   u_j ~ N(0, I),   e_j ~ N(0, s_j(x)^2)
    p(u_j | support) ~ N(u_j; 0, I) prod over i of N(y_ij; (m_j + L_j u_j) . h_i, s_ij^2)^(t_j)
    y_j(x) ~ N((m_j + L_j E u_j) . h + a_j,  h . L_j V(u_j) L_j^T h + (s_j(x) b_j)^2),   a, log b = reader(h, E u)
    min over net, m, L, s, t, reader of E -log p(y_query | x_query, support)

The posterior is Gaussian and in closed form (``posterior.py``). L [features, rank] says in which directions tasks
differ, and how much. The temper t is how much an example counts among others: below 1 where, as in time series, their
errors go together (Grünwald 2012, "The Safe Bayesian"). Where inputs are numbers, h has them beside what the net makes
of them, so that linear regression is in it. The reader, a small net, adds what is not linear in u; without it
(reader=0) the answer is that of a Gaussian process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Gaussian, Traits
from quickstudy.learners.diseases.posterior import believe, expect
from quickstudy.learners.metric import Episodic, EpisodicConfig, with_one
from quickstudy.tasks.base import Examples, Spec, check_counts

LEAST = 1e-2
"""Least deviation of the noise, in units of y."""
WIDTH = 64
"""Hidden units for numbers where no width is given."""
START = 0.1
"""Scale of L at the start."""


@dataclass(frozen=True, kw_only=True)
class BayesLinearConfig(EpisodicConfig):
    """Net with a Bayesian last layer."""

    rank: int = 32
    """Directions in which tasks differ, for each output."""
    reader: int = 64
    """Hidden units of the net that reads u; 0 has none."""


class BayesLinear(Episodic):
    """Features are learnt over tasks; what a task adds is a linear layer, with its uncertainty, in closed form."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",), transductive=True)
    Config: ClassVar[type[Any]] = BayesLinearConfig

    def __init__(self, spec: Spec, config: BayesLinearConfig) -> None:
        self.skips = len(spec.shape) == 1
        super().__init__(spec, replace(config, width=config.width or WIDTH) if self.skips else config)
        check_counts(rank=config.rank)
        check_counts(least=0, reader=config.reader)
        features = self.net.features + (math.prod(spec.shape) if self.skips else 0) + 1
        self.mean = nn.Parameter(torch.zeros(features, spec.outputs))
        self.spread = nn.Parameter(START * torch.randn(spec.outputs, features, config.rank) / features**0.5)
        self.noise = nn.Parameter(torch.zeros(features, spec.outputs))
        read = features + config.rank * spec.outputs
        self.reader = reader(read, config.reader, spec.outputs) if config.reader else None
        self.log_temper = nn.Parameter(torch.full((spec.outputs,), -1.0))

    def _embed(self, x: Tensor, mask: Tensor, moments: Adapted | None) -> tuple[Tensor, Adapted]:
        features, found = self.net(x, mask, moments)
        if self.skips:
            features = torch.cat([features, torch.where(mask.unsqueeze(-1), x, 0)], -1)
        return features, found

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        h, there = with_one(features), support.mask.unsqueeze(-1)
        weight = torch.where(there, self.log_temper.exp() / self._deviation(h).square(), 0)
        return believe(self._directions(h), torch.where(there, support.y - h @ self.mean, 0), weight)

    def _compare(self, adapted: Adapted, features: Tensor) -> Gaussian:
        h = with_one(features)
        mean, variance = expect(adapted, self._directions(h))
        mean, deviation = h @ self.mean + mean, self._deviation(h)
        if self.reader is not None:
            known = adapted["deviation"].flatten().expand(len(h), -1)
            more, factor = self.reader(torch.cat([h, known], -1)).chunk(2, -1)
            mean, deviation = mean + more, deviation * factor.clamp(-2, 2).exp()
        return Gaussian(mean, (variance + deviation.square()).sqrt())

    def _directions(self, h: Tensor) -> Tensor:
        """[d, n, rank]: L^T h of examples with ``h`` [n, features + 1]."""
        spread = self.spread.transpose(0, 1)
        return (h @ spread.flatten(1)).unflatten(-1, spread.shape[1:]).transpose(0, 1)

    def _deviation(self, h: Tensor) -> Tensor:
        """[n, d]: s of examples with ``h`` [n, features + 1]."""
        return LEAST + F.softplus(h @ self.noise + 0.5)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Supports of every size up to a day's, where shots are hours."""
        if spec.shot_unit == "hour":
            return {"shot": 4, "max_shot": 24, "query": 64, "tasks_per_step": 8, "steps": 12_000, "rate": 2e-3}
        return super().recipe(spec)


def reader(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """[n, inputs] -> [n, 2 outputs]; zeros before it is trained."""
    last = nn.Linear(width, 2 * outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)
