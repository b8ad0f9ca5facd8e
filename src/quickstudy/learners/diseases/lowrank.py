"""A low-rank metric beside the cosine of terms: what terms that often come together say of one another. The factors
start as in Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models", here beside ``idf``.

    logit_c = s (z(x) . z_c + (z(x) A) . (z_c B)),   A and B [V, r],   B = 0 at first

z(x) and z_c, the direction of a patient and of a class, are those of ``idf``, so that learning starts exactly there. In
training a part of the terms is left out of each task, and squares of A and B are penalised: there are more weights than
patients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.errors import UserError
from quickstudy.learners.base import Adapted, Logits, check_positive, only_present
from quickstudy.learners.diseases.idf import Idf, IdfConfig
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Spec, Task, check_counts

START = 0.05
"""Deviation of A at first."""


@dataclass(frozen=True, kw_only=True)
class LowRankConfig(IdfConfig):
    """Cosine of terms and a low-rank metric; the scale is where learning starts."""

    rank: int = 16
    """r."""
    dropout: float = 0.5
    """Share of the terms that a training task goes without."""
    penalty: float = 1e-2
    """Of the sum of squares of A and B."""


class LowRank(Idf):
    """``idf``, and terms that may stand for one another."""

    Config: ClassVar[type[Any]] = LowRankConfig

    def __init__(self, spec: Spec, config: LowRankConfig) -> None:
        super().__init__(spec, config)
        self.metric = nn.Parameter(START * torch.randn(*spec.shape, config.rank))
        self.other = nn.Parameter(torch.zeros(*spec.shape, config.rank))
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.scale)))

    def _check(self) -> None:
        check_counts(rank=self.config.rank)
        check_share(dropout=self.config.dropout)
        check_positive(scale=self.config.scale, penalty=self.config.penalty)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``profile`` [way, V] of unit length, and ``code`` [way, r], the same times B."""
        found = super().adapt(support)
        return found | {"code": found["profile"] @ self.other}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, V]."""
        asked = self._directions(x)
        alike = asked @ adapted["profile"].T + (asked @ self.metric) @ adapted["code"].T
        return Logits(only_present(self.log_scale.exp() * alike, adapted["present"]))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean error of the query, with some terms left out of the whole task, and the penalty."""
        squares = self.metric.square().sum() + self.other.square().sum()
        return super().loss(without_some(task, self.config.dropout), progress) + self.config.penalty * squares


def without_some(task: Task, share: float) -> Task:
    """``task`` without a random ``share`` of the terms, in support and query alike."""
    stays = draw.uniform(task.key, task.query.x.shape[-1], "terms") >= share
    support, query = (one._replace(x=torch.where(stays, one.x, 0)) for one in (task.support, task.query))
    return task._replace(support=support, query=query)


def check_share(**values: float) -> None:
    """UserError unless every setting is a share from 0 to less than 1."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise UserError(f"--{name} is {value}; it must be from 0 to less than 1.")
