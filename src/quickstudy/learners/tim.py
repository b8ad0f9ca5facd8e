"""Transductive Information Maximisation. Boudiaf, Masud, Rony, Dolz, Piantanida, Ben Ayed (2020), "Transductive
Information Maximization For Few-Shot Learning", solved by alternating directions (TIM-ADM).

With z = f(x) / ||f(x)|| of a backbone f pre-trained by cross-entropy, S the support, Q all queries of the task:

    p_ik  proportional over k to exp(-tau/2 ||w_k - z_i||^2)
    min over w of  lambda CE(S) - H(mean of p_i over Q) + alpha mean of H(p_i) over Q

w_k starts from the mean of class k's support. Proposition 1 alternates, u_ik = p_ik^(1 + alpha):

    q_ik  proportional over k to u_ik / sqrt(sum_j u_jk)                                                     i, j in Q
    w_k = (lambda/(1+alpha) sum_S (y_ik z_i + p_ik (w_k - z_i)) + |S|/|Q| sum_Q (q_ik z_i + p_ik (w_k - z_i)))
          / (lambda/(1+alpha) sum_S y_ik + |S|/|Q| sum_Q q_ik)

The method is transductive by nature. By default the queries take no part: what is left is p with the first w, the
softmax over distances to class means. ``transductive=True`` is the method itself; it takes it that a task's queries are
spread about evenly over its classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.learners.base import (
    Adapted,
    Logits,
    Traits,
    check_positive,
    class_means,
    only_present,
    squared_distance,
)
from quickstudy.learners.joint import Joint, JointConfig
from quickstudy.tasks.base import Examples, Spec, check_counts


@dataclass(frozen=True, kw_only=True)
class TIMConfig(JointConfig):
    """Transductive information maximisation."""

    iterations: int = 150
    """Times that q and w are updated (transductive only)."""
    temperature: float = 15.0
    """tau."""
    support_weight: float = 0.1
    """lambda, of the cross-entropy of the support."""
    confidence_weight: float = 0.1
    """alpha, of the entropy of each query's answer."""


class TIM(Joint):
    """Class weights under which the queries' answers are sure, and even over the classes."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True, joint=True)
    Config: ClassVar[type[Any]] = TIMConfig

    def __init__(self, spec: Spec, config: TIMConfig) -> None:
        super().__init__(spec, config)
        check_counts(iterations=config.iterations)
        check_positive(
            temperature=config.temperature,
            support_weight=config.support_weight,
            confidence_weight=config.confidence_weight,
        )

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        unit = F.normalize(features, dim=-1)
        labels = support.y * support.mask.unsqueeze(-1)
        return {"support": unit, "labels": labels, "prototypes": class_means(unit, support)}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        return self._logits(adapted["prototypes"], adapted, F.normalize(features, dim=-1))

    def _together(self, adapted: Adapted, features: Tensor, mask: Tensor) -> Logits:
        weights, labels = adapted["prototypes"], adapted["labels"]
        queries = F.normalize(features, dim=-1)
        z = torch.cat([adapted["support"], queries])
        real = torch.cat([labels.sum(-1), mask.to(labels.dtype)]).unsqueeze(-1)
        support_rate = self.config.support_weight / (1 + self.config.confidence_weight)
        query_rate = labels.sum() / mask.sum().clamp(min=1)
        rate = torch.cat([labels.new_full((len(labels),), support_rate), query_rate.expand(len(queries))])
        for _ in range(self.config.iterations):
            p = self._logits(weights, adapted, z).logits.softmax(-1) * real
            target = torch.cat([labels, self._assignments(p[len(labels) :])])
            weights = self._step(weights, z, rate.unsqueeze(-1) * target, rate.unsqueeze(-1) * p)
        return self._logits(weights, adapted, queries)

    def _logits(self, weights: Tensor, adapted: Adapted, z: Tensor) -> Logits:
        logits = -0.5 * self.config.temperature * squared_distance(z, weights)
        return Logits(only_present(logits, adapted["labels"].sum(0) > 0))

    def _assignments(self, p: Tensor) -> Tensor:
        """q [n, way] of queries answered by ``p`` [n, way]; zeros where that is zeros."""
        u = p ** (1 + self.config.confidence_weight)
        q = u / _above_zero(u.sum(0)).sqrt()
        return q / _above_zero(q.sum(-1, keepdim=True))

    def _step(self, weights: Tensor, z: Tensor, target: Tensor, p: Tensor) -> Tensor:
        """The next w [way, f], from ``target`` (y or q) and ``p`` [n, way], each times its part's rate."""
        moved = (target - p).T @ z + p.sum(0).unsqueeze(-1) * weights
        return moved / _above_zero(target.sum(0)).unsqueeze(-1)


def _above_zero(value: Tensor) -> Tensor:
    return value.clamp(min=torch.finfo(value.dtype).tiny)
