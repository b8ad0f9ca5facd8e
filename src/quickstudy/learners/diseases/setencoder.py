"""A patient as a set of terms, each with an embedding, and a class as the mean of its patients. Zaheer et al. (2017),
"Deep Sets"; pooled by attention as in Lee et al. (2019), "Set Transformer".

    h(x) = sum of idf_t exp(q . E_t / sqrt d) E_t over the terms t of x,   E = E0 + R
    logit_c = s (z(x) . z_c + g cos(h(x), mean of h(x_i) / |h(x_i)| over the known patients i of c))

z(x) and z_c are those of ``idf``, beside which the sets stand: g, q and R are 0 at first and learnt through episodes,
E0 [V, d] is drawn once and stays. x has every term above those that were found, and a term that was never met in
training counts as those above it, so that none is without an embedding. In training a part of the terms is left out of
each task, and squares of R are penalised: there are more weights than patients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Logits, check_positive, class_means, only_present
from quickstudy.learners.diseases.idf import Idf, IdfConfig
from quickstudy.learners.diseases.lowrank import check_share, without_some
from quickstudy.tasks.base import Examples, Spec, Task, check_counts


@dataclass(frozen=True, kw_only=True)
class SetEncoderConfig(IdfConfig):
    """Cosine of terms and sets of terms, pooled by attention; the scale is where learning starts."""

    width: int = 64
    """d."""
    dropout: float = 0.5
    """Share of the terms that a training task goes without."""
    penalty: float = 0.1
    """Of the sum of squares of R."""


class SetEncoder(Idf):
    """``idf``, and sets of embedded terms beside it."""

    Config: ClassVar[type[Any]] = SetEncoderConfig
    start: Tensor

    def __init__(self, spec: Spec, config: SetEncoderConfig) -> None:
        super().__init__(spec, config)
        self.register_buffer("start", torch.randn(*spec.shape, config.width))
        self.residual = nn.Parameter(torch.zeros(*spec.shape, config.width))
        self.question = nn.Parameter(torch.zeros(config.width))
        self.share = nn.Parameter(torch.tensor(0.0))
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.scale)))

    def _check(self) -> None:
        check_counts(width=self.config.width)
        check_share(dropout=self.config.dropout)
        check_positive(scale=self.config.scale, penalty=self.config.penalty)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """That of other learners of terms, at a higher rate."""
        return super().recipe(spec) | {"rate": 1e-2}

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``profile`` [way, V] and ``code`` [way, d], both of unit length."""
        means = class_means(self._pooled(support.x), support)
        return super().adapt(support) | {"code": F.normalize(means, dim=-1)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, V]."""
        alike = self._directions(x) @ adapted["profile"].T + self.share * (self._pooled(x) @ adapted["code"].T)
        return Logits(only_present(self.log_scale.exp() * alike, adapted["present"]))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean error of the query, with some terms left out of the whole task, and the penalty."""
        error = super().loss(without_some(task, self.config.dropout), progress)
        return error + self.config.penalty * self.residual.square().sum()

    def _pooled(self, x: Tensor) -> Tensor:
        """h [n, d] of unit length; 0 for a patient without terms."""
        embedded = self.start + self.residual
        weight = self.idf * (embedded @ self.question / self.config.width**0.5).exp()
        return F.normalize((self._parts(x)[0] * weight) @ embedded, dim=-1)
