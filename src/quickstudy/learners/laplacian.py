"""LaplacianShot. Ziko, Dolz, Granger, Ben Ayed (2020), "Laplacian Regularized Few-Shot Learning".

    a_qc = ||z_q - m_c||^2,  m_c the mean of z over the support of class c, z centred unit features as in ``simpleshot``
    w_qp = 1 if query p is among the k nearest of query q, else 0                               (p is not q)
    min over y of  sum_q y_q . a_q - lambda/2 sum_qp w_qp y_q . y_p  with y_q log y_q as a barrier: near queries agree
    y_q <- softmax(-a_q + lambda sum_p w_qp y_p),  from softmax(-a_q), repeated                 (bound optimisation)

w is not symmetric, as in the published code, so the objective falls over the updates but need not with every one.

The method is transductive by nature. By default the queries take no part, and what is left is SimpleShot;
``transductive=True`` is the method itself. Prototypes stay as they are: the paper's rectification of them is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.learners.base import Adapted, Logits, Traits, squared_distance
from quickstudy.learners.joint import Joint, JointConfig
from quickstudy.learners.simpleshot import SimpleShot, SimpleShotConfig
from quickstudy.tasks.base import Spec, check_counts


@dataclass(frozen=True, kw_only=True)
class LaplacianConfig(JointConfig, SimpleShotConfig):
    """LaplacianShot."""

    agreement: float = 1.0
    """lambda: how much near queries have to agree. The paper takes the best of 0.1 to 1.5 on validation tasks."""
    neighbours: int = 3
    """k (transductive only)."""
    iterations: int = 20
    """Times that y is updated (transductive only)."""


class Laplacian(SimpleShot, Joint):
    """SimpleShot whose near queries agree on their class."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True, joint=True)
    Config: ClassVar[type[Any]] = LaplacianConfig

    def __init__(self, spec: Spec, config: LaplacianConfig) -> None:
        super().__init__(spec, config)
        check_counts(neighbours=config.neighbours, iterations=config.iterations)
        if not config.agreement >= 0:
            raise UserError(f"--agreement is {config.agreement}; it must be 0 or more.")

    def _together(self, adapted: Adapted, features: Tensor, mask: Tensor) -> Logits:
        alone = self._compare(adapted, features).logits
        pull = self.config.agreement * nearest(self._transformed(features), mask, self.config.neighbours)
        logits = alone
        for _ in range(self.config.iterations):
            logits = alone + pull @ logits.softmax(-1)
        return Logits(logits)


def nearest(z: Tensor, mask: Tensor, k: int) -> Tensor:
    """[n, n] w: 1 from each row of ``z`` [n, f] to its ``k`` nearest others among those in ``mask`` [n], else 0."""
    others = mask & ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    distance = squared_distance(z, z)
    distance = torch.where(others, distance, torch.finfo(distance.dtype).max)
    near = distance.argsort(dim=-1, stable=True)[:, :k]
    return torch.zeros_like(distance).scatter(-1, near, 1.0) * others
