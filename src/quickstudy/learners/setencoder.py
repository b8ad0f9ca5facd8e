"""A patient as a set of terms, each with an embedding, and a class as the mean of its patients. Zaheer et al. (2017),
"Deep Sets"; pooled by attention as in Lee et al. (2019), "Set Transformer".

    h(x) = sum of idf_t exp(q . E_t / sqrt d) E_t over the terms t of x,   E = E0 + R
    logit_c = s cos(h(x), mean of h(x_i) / |h(x_i)| over the known patients i of c)

x has every term above those that were found, and a term that was never met in training counts as those above it, so
that none is without an embedding. E0 [V, d] is drawn once and stays: without R and q, which are 0 at first and learnt
through episodes, h is a random projection of what ``idf`` compares (Johnson and Lindenstrauss 1984). In training a part
of the terms is left out of each task, and squares of R are penalised: there are more weights than patients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Logits, check_positive, class_means, only_present, present
from quickstudy.learners.lowrank import check_share, without_some
from quickstudy.learners.termed import Termed, counts, rarity
from quickstudy.tasks.base import Examples, Spec, Task, WholeTasks, check_counts


@dataclass(frozen=True, kw_only=True)
class SetEncoderConfig:
    """Sets of terms, pooled by attention."""

    width: int = 256
    """d."""
    dropout: float = 0.3
    """Share of the terms that a training task goes without."""
    penalty: float = 1e-3
    """Of the sum of squares of R."""
    scale: float = 20.0
    """Start of s."""


class SetEncoder(Termed):
    """Terms are embedded, patients are the sums of their terms, classes the means of their patients."""

    Config: ClassVar[type[Any]] = SetEncoderConfig
    idf: Tensor
    start: Tensor

    def __init__(self, spec: Spec, config: SetEncoderConfig) -> None:
        super().__init__(spec, config)
        check_counts(width=config.width)
        check_share(dropout=config.dropout)
        check_positive(penalty=config.penalty, scale=config.scale)
        self._keep_terms("idf")
        self.register_buffer("start", torch.randn(*spec.shape, config.width))
        self.residual = nn.Parameter(torch.zeros(*spec.shape, config.width))
        self.question = nn.Parameter(torch.zeros(config.width))
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.scale)))

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """That of other learners of terms, at a higher rate."""
        return super().recipe(spec) | {"rate": 3e-3}

    def prepare(self, tasks: WholeTasks) -> None:
        """Fill ``idf`` [V]."""
        size, observed, _ = counts(tasks)
        self.idf.copy_(rarity(observed.sum(0), size.sum()))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``profile`` [way, d] of unit length."""
        means = class_means(self._pooled(support.x), support)
        return {"profile": F.normalize(means, dim=-1), "present": present(support)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, V]."""
        cosine = self._pooled(x) @ adapted["profile"].T
        return Logits(only_present(self.log_scale.exp() * cosine, adapted["present"]))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean error of the query, with some terms left out of the whole task, and the penalty."""
        error = super().loss(without_some(task, self.config.dropout), progress)
        return error + self.config.penalty * self.residual.square().sum()

    def _pooled(self, x: Tensor) -> Tensor:
        """h [n, d] of unit length; 0 for a patient without terms."""
        embedded = self.start + self.residual
        weight = self.idf * (embedded @ self.question / self.config.width**0.5).exp()
        return F.normalize((self._parts(x)[0] * weight) @ embedded, dim=-1)
