"""A patient as a set of terms, each with an embedding, and a class as the mean of its patients. Zaheer et al. (2017),
"Deep Sets"; pooled by attention as in Lee et al. (2019), "Set Transformer"; terms made of those above them as in Choi
et al. (2017), "GRAM: Graph-based Attention Model for Healthcare Representation Learning".

    e_t = sum of idf_a E_a over the a above t, or t itself, / sqrt of the sum of idf_a^2,   E = E0 + R
    h(x) = sum of w_t e_t over the most specific terms t of x,   w_t = idf_t exp(q . e_t)
    logit_c = s cos(h(x), mean of h(x_i) / |h(x_i)| over the known patients i of c)

E0 [V, d] is drawn once and stays, so that without R and q, which are 0 at first and learnt through episodes, it is a
random projection of what ``idf`` compares (Johnson and Lindenstrauss 1984). A term that no training patient had has the
embedding of those above it; in training a part of the terms goes without its own E, and squares of R are penalised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Logits, check_positive, class_means, only_present, present
from quickstudy.learners.bestmatch import links
from quickstudy.learners.lowrank import check_share
from quickstudy.learners.termed import Termed, counts, rarity
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Spec, Task, WholeTasks, check_counts, masked_mean
from quickstudy.tasks.ontology import closures


@dataclass(frozen=True, kw_only=True)
class SetEncoderConfig:
    """Sets of terms, pooled by attention."""

    width: int = 128
    """d."""
    dropout: float = 0.3
    """Share of the terms that go without an embedding of their own in a training task."""
    penalty: float = 1e-3
    """Of the sum of squares of R."""
    scale: float = 20.0
    """Start of s."""


class SetEncoder(Termed):
    """Terms are embedded by what is above them, patients by their terms, classes by their patients."""

    Config: ClassVar[type[Any]] = SetEncoderConfig
    idf: Tensor
    start: Tensor
    links: Tensor
    pairs: Tensor

    def __init__(self, spec: Spec, config: SetEncoderConfig) -> None:
        super().__init__(spec, config)
        check_counts(width=config.width)
        check_share(dropout=config.dropout)
        check_positive(penalty=config.penalty, scale=config.scale)
        self._keep_terms("idf")
        above = [(at, one) for at, over in enumerate(closures(spec.parents)) for one in sorted(over)]
        self.register_buffer("pairs", torch.tensor(above).T.contiguous())  # [2, P] terms, and those above or equal
        self.register_buffer("links", links(spec.parents))
        self.register_buffer("start", torch.randn(*spec.shape, config.width) / config.width**0.5)
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
        return self._profiles(support, self._embeddings(None))

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, V]."""
        return self._compared(adapted, x, self._embeddings(None))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean error of the query, with some embeddings left out of the whole task, and the penalty."""
        stays = draw.uniform(task.key, self.idf.shape[0], "terms") >= self.config.dropout
        embedded = self._embeddings(stays)
        answer = self._compared(self._profiles(task.support, embedded), task.query.x, embedded)
        error = masked_mean(answer.nll(task.query.y), task.query.mask)
        return error + self.config.penalty * self.residual.square().sum()

    def _embeddings(self, stays: Tensor | None) -> Tensor:
        """e [V, d]; terms that do not ``stay`` [V] have none of their own."""
        term, above = self.pairs
        idf = self.idf if stays is None else self.idf * stays
        own = idf.unsqueeze(-1) * (self.start + self.residual)
        length = torch.zeros_like(idf).index_add(0, term, idf[above].square()).clamp(min=1e-12).sqrt()
        return torch.zeros_like(own).index_add(0, term, own[above]) / length.unsqueeze(-1)

    def _profiles(self, support: Examples, embedded: Tensor) -> Adapted:
        means = class_means(self._pooled(support.x, embedded), support)
        return {"profile": F.normalize(means, dim=-1), "present": present(support)}

    def _compared(self, adapted: Adapted, x: Tensor, embedded: Tensor) -> Logits:
        cosine = self._pooled(x, embedded) @ adapted["profile"].T
        return Logits(only_present(self.log_scale.exp() * cosine, adapted["present"]))

    def _pooled(self, x: Tensor, embedded: Tensor) -> Tensor:
        """h [n, d] of unit length; 0 for a patient without terms."""
        observed, _ = self._parts(x)
        child, parent = self.links
        specific = observed * (torch.zeros_like(observed).index_add(-1, parent, observed[..., child]) == 0)
        weight = specific * (self.idf * (embedded @ self.question).exp())
        return F.normalize(weight @ embedded, dim=-1)
