"""FEAT. Ye, Hu, Zhan, Sha (2020), "Few-Shot Learning via Embedding Adaptation with Set-to-Set Functions".

    c_k   = mean of f(x_i) over the support of class k
    T(c)_q = LayerNorm(c_q + W sum_k a_qk V c_k),  a_q = softmax_k((Q c_q) . (K c_k) / sqrt(d))
    p(y = k | x) = softmax_k(-||f(x) - T(c)_k||^2 / t)

T is self-attention over the prototypes: it moves each in the light of the others. In training the examples of each
class, support and query alike, also go through T as a set of their own, and the means m_k of what comes out have to
attract their class (the contrastive term):

    loss = mean of -log p(y | x) over the query + balance * mean of -log softmax_y(-||f(x) - m||^2 / t2) over both

Defaults are those of the authors' code for a small convolutional net at one shot, where the backbone was pre-trained
(here: --init). Of its dropout this has the one behind W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.errors import UserError
from quickstudy.learners.attention import Attention
from quickstudy.learners.base import Adapted, Logits, Traits, class_means, only_present, present, squared_distance
from quickstudy.learners.metric import Episodic, EpisodicConfig
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Spec, Task, masked_mean


@dataclass(frozen=True, kw_only=True)
class FEATConfig(EpisodicConfig):
    """FEAT."""

    temperature: float = 64.0
    """Squared distances are divided by it."""
    temperature2: float = 16.0
    """The same in the contrastive term."""
    balance: float = 1.0
    """Weight of the contrastive term."""
    dropout: float = 0.5
    """Share of what attention adds to a prototype that is left out in training."""


class FEAT(Episodic):
    """Prototypes that attend to one another before queries are compared with them."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = FEATConfig

    def __init__(self, spec: Spec, config: FEATConfig) -> None:
        if min(config.temperature, config.temperature2) <= 0:
            raise UserError("--temperature and --temperature2 must be more than 0.")
        if not (0 <= config.dropout < 1 and config.balance >= 0):
            raise UserError("--dropout must be in [0, 1), and --balance 0 or more.")
        super().__init__(spec, config)
        self.adapts = SetToSet(self.net.features)

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        here, means = present(support), class_means(features, support)
        return {"prototypes": self.adapts(means, here.expand(len(here), -1)), "present": here}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        distance = squared_distance(features, adapted["prototypes"])
        return Logits(only_present(-distance / self.config.temperature, adapted["present"]))

    def _loss(self, support: Tensor, query: Tensor, task: Task) -> Tensor:
        here, means = present(task.support), class_means(support, task.support)
        prototypes = self.adapts(means, here.expand(len(here), -1), self._kept(task, means, "prototypes"))
        prediction = self._compare({"prototypes": prototypes, "present": here}, query)
        loss = masked_mean(prediction.nll(task.query.y), task.query.mask)
        if self.config.balance:
            loss = loss + self.config.balance * self._contrastive(support, query, task)
        return loss

    def _contrastive(self, support: Tensor, query: Tensor, task: Task) -> Tensor:
        features = torch.cat([support, query])
        everyone = Examples(*(torch.cat(pair) for pair in zip(task.support, task.query, strict=True)))
        labels = everyone.y * everyone.mask.unsqueeze(-1)
        # drawn for each part on its own, so that padding at the end of one moves nothing in the other
        kept = torch.cat([self._kept(task, support, "support"), self._kept(task, query, "query")])
        centres = class_means(self.adapts(features, labels @ labels.T > 0, kept), everyone)
        logits = -squared_distance(features, centres) / self.config.temperature2
        prediction = Logits(only_present(logits, labels.sum(0) > 0))
        return masked_mean(prediction.nll(everyone.y), everyone.mask)

    def _kept(self, task: Task, rows: Tensor, stream: str) -> Tensor:
        """[n, f] of 0 and 1 / (1 - dropout), hashed from the task's key."""
        left = draw.uniform(task.key, rows.numel(), f"feat {stream}").view(rows.shape) >= self.config.dropout
        return left.to(rows.dtype) / (1 - self.config.dropout)


class SetToSet(nn.Module):
    """T; the order of the rows is of no account."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.attention, self.norm = Attention(size, 1), nn.LayerNorm(size)

    def forward(self, rows: Tensor, seen: Tensor, kept: Tensor | float = 1.0) -> Tensor:
        """[n, f] -> [n, f]; row i looks at the rows ``seen`` [n, n] by it and is moved ``kept`` [n, f] times as far."""
        moved = kept * self.attention(rows, *self.attention.remember(rows, rows), seen)
        normalised: Tensor = self.norm(rows + moved)
        return normalised
