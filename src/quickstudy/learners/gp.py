"""Gaussian process on the backbone's features. Patacchiola, Turner, Crowley, O'Boyle, Storkey (2020), "Bayesian
Meta-Learning for the Few-Shot Setting via Deep Kernels" (DKT).

    k(x, x') = v k0(f(x), f(x')),  y = g(x) + e,  g ~ GP(m, k),  e ~ N(0, s^2)
    mean = m + k_*^T (K + s^2 I)^(-1) (y - m)
    var  = k(x, x) - k_*^T (K + s^2 I)^(-1) k_* + s^2
    loss = -log p(y_support, y_query | x_support, x_query) / n                     (the marginal likelihood)

k0 is exp(-||a - b||^2 / 2 l^2) (rbf), a . b / (|a| |b|) (cosine) or the mean of a b (linear); v, s, l and in regression
the prior mean m are learnt. Classification is regression on labels of +1 and -1, one process a class, m being the mean
of these, 2 / way - 1. The class of the largest mean wins, as in the paper; the logits are those of its own noise model,

    log p(y = c | x) = log N(1; mean_c, var) + sum over the others k of log N(-1; mean_k, var) = 2 mean_c / var + const.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Gaussian, Logits, Traits, only_present, present, squared_distance
from quickstudy.learners.metric import Episodic, EpisodicConfig
from quickstudy.tasks.base import Examples, Spec, Task

NOISE = 0.1
"""Start of s^2."""
FLOOR = 1e-4
"""Least s^2 for v = 1: less, and the kernel's matrix can no longer be factorised in float32."""


@dataclass(frozen=True, kw_only=True)
class GPConfig(EpisodicConfig):
    """Gaussian process on features."""

    kernel: Literal["auto", "rbf", "cosine", "linear"] = "auto"
    """How features are compared; auto is cosine for classification and rbf for regression."""


class GP(Episodic):
    """The answer is a Gaussian process's, whose kernel compares features; trained by its marginal likelihood."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), transductive=True)
    Config: ClassVar[type[Any]] = GPConfig

    def __init__(self, spec: Spec, config: GPConfig) -> None:
        super().__init__(spec, config)
        self.classifies = spec.kind == "classification"
        self.kernel = config.kernel if config.kernel != "auto" else ("cosine" if self.classifies else "rbf")
        self.log_variance = nn.Parameter(torch.zeros(()))
        self.log_noise = nn.Parameter(torch.tensor(math.log(NOISE)))
        if self.kernel == "rbf":
            self.log_length = nn.Parameter(torch.zeros(()))
        if not self.classifies:
            self.prior = nn.Parameter(torch.zeros(spec.outputs))

    def _loss(self, support: Tensor, query: Tensor, task: Task) -> Tensor:
        """Scalar: negative log marginal likelihood of support and query together, for each of them and each output."""
        features = torch.cat([support, query])
        both = Examples(*(torch.cat(leaves) for leaves in zip(task.support, task.query, strict=True)))
        centred, factor = self._centred(both), self._factor(features, both.mask)
        white = torch.linalg.solve_triangular(factor, centred, upper=False)
        half_log_det = factor.diagonal().log().sum()
        count = both.mask.sum().clamp(min=1)
        return (0.5 * white.square().sum(0).mean() + half_log_det) / count + 0.5 * math.log(2 * math.pi)

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        factor = self._factor(features, support.mask)
        weights = torch.cholesky_solve(self._centred(support), factor)
        state = {"support": features, "mask": support.mask, "factor": factor, "weights": weights}
        return state | ({"present": present(support)} if self.classifies else {})

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits | Gaussian:
        cross = self._kernel(adapted["support"], features) * adapted["mask"].unsqueeze(-1)
        white = torch.linalg.solve_triangular(adapted["factor"], cross, upper=False)
        var = (self._prior_var(features) - white.square().sum(0)).clamp(min=0) + self._noise()
        mean = cross.T @ adapted["weights"]
        if self.classifies:  # m would add the same to every logit
            return Logits(only_present(2 * mean / var.unsqueeze(-1), adapted["present"]))
        mean = self.prior + mean
        return Gaussian(mean, var.sqrt().unsqueeze(-1).expand_as(mean))

    def _centred(self, examples: Examples) -> Tensor:
        """[n, way or d]: what the process explains, zeros in padding."""
        if self.classifies:
            there = present(examples).sum(dtype=examples.y.dtype).clamp(min=1)
            centred = 2 * (examples.y - 1 / there)
        else:
            centred = examples.y - self.prior
        return torch.where(examples.mask.unsqueeze(-1), centred, 0)

    def _factor(self, features: Tensor, mask: Tensor) -> Tensor:
        """[n, n] lower Cholesky factor of K + s^2 I; rows of padding are those of the identity."""
        pairs = mask.unsqueeze(-1) & mask
        diagonal = torch.where(mask, self._noise(), 1).diag()
        factor: Tensor = torch.linalg.cholesky(self._kernel(features, features) * pairs + diagonal)
        return factor

    def _kernel(self, a: Tensor, b: Tensor) -> Tensor:
        """[n, f], [m, f] -> [n, m]."""
        variance = self.log_variance.exp()
        if self.kernel == "rbf":
            return variance * torch.exp(-0.5 * squared_distance(a, b).clamp(min=0) / (2 * self.log_length).exp())
        if self.kernel == "linear":
            return variance * a @ b.T / self.net.features
        return variance * F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T

    def _prior_var(self, features: Tensor) -> Tensor:
        """[n]: the kernel's diagonal."""
        variance = self.log_variance.exp()
        return variance * features.square().mean(-1) if self.kernel == "linear" else variance.expand(len(features))

    def _noise(self) -> Tensor:
        return self.log_noise.exp() + FLOOR * self.log_variance.exp()
