"""What a user will like next: strong statistics of an item, weighed by a small net that is trained to rank.

    u_th = sum_s w_th(y_s, s_s) v_ts / sqrt(n),   z_th(i) = u_th . v_ti          tables t, heads h, n of the support
    score(i) = net(s_i, z(i), summary of the support)
    loss = mean over likes p of -log softmax of score(p) among p and all queries that are no likes

v_t are an item's tastes, factors and content, s its statistics: how many like it, and among those who came at the same
time (tasks/item_tables.py). z are inner products, so that it does not matter how tables are turned, and a new user is
the few vectors u. The loss is the softmax over a sample of the catalogue (Bengio and Senecal 2008, "Adaptive Importance
Sampling to Accelerate Training of a Neural Probabilistic Language Model"; drawn evenly, it needs no correction) where
the family asks about unrated items (ratings:judge=ranking), and else over what the user rated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.learners.base import Adapted, Point
from quickstudy.learners.rated import Rated, kept
from quickstudy.tasks.base import Examples, Spec, Task, check_counts, masked_mean

TABLES = ("taste", "factor", "content")
STATISTICS = ("mean", "count", "likes", "trend", "era")


@dataclass(frozen=True, kw_only=True)
class RankHeadConfig:
    """Statistics weighed to rank."""

    width: int = 32
    """Hidden units of the nets."""
    heads: int = 2
    """Vectors of a user in each table."""


class RankHead(Rated):
    """Scores that order items, and are no ratings; trained by a softmax over likes and what is none."""

    Config: ClassVar[type[Any]] = RankHeadConfig

    def __init__(self, spec: Spec, config: RankHeadConfig) -> None:
        super().__init__(spec, config)
        check_counts(width=config.width, heads=config.heads)
        year = [place for place, name in enumerate(spec.names) if name == "year"][-1:]
        self.few = [place for name in STATISTICS for place in self.columns[name]] + year
        few, width, heads = len(self.few), config.width, config.heads
        self.weigh = nn.Sequential(nn.Linear(few + 1, width), nn.Tanh(), nn.Linear(width, len(TABLES) * heads))
        inputs = few + len(TABLES) * heads + 2
        self.net = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
        )
        self.direct = nn.Linear(inputs, 1)
        with torch.no_grad():
            for last in (self.net[-1], self.direct):
                nn.init.zeros_(last.weight)  # type: ignore[arg-type]
            self.direct.weight[0, self.few.index(self.columns["trend"][0])] = 3.0
            nn.init.constant_(self.weigh[-1].bias, 0.3)  # type: ignore[arg-type]

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``user`` [heads, columns of all tables] and ``summary`` [2]: how many ratings, and their mean."""
        x, y = kept(support)
        there = support.mask.unsqueeze(-1)
        weights = self.weigh(torch.cat([y.unsqueeze(-1), x[..., self.few]], -1)) * there
        count = support.mask.sum().to(x.dtype)
        parts = weights.unflatten(-1, (len(TABLES), -1)).unbind(-2)
        scale = count.clamp(min=1).rsqrt()
        vectors = [part.T @ self._of(x, name) * scale for part, name in zip(parts, TABLES, strict=True)]
        summary = torch.stack([count / 10, y.sum() / count.clamp(min=1)])
        return {"user": torch.cat(vectors, -1), "summary": summary}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 1] for ``x`` [n, inputs]."""
        sizes = [len(self.columns[name]) for name in TABLES]
        vectors = adapted["user"].split(sizes, -1)
        near = [self._of(x, name) @ vector.T for name, vector in zip(TABLES, vectors, strict=True)]
        near = [value.sign() * value.abs().log1p() for value in near]
        seen = torch.cat([x[..., self.few], *near, adapted["summary"].expand(len(x), -1)], -1)
        return Point(self.direct(seen) + self.net(seen))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean over likes."""
        query = task.query
        x, y = kept(query)
        score = self.predict(self.adapt(task.support), x, query.mask).mean.squeeze(-1)
        liked = query.mask & (y >= 0)
        least = torch.finfo(score.dtype).min
        others = torch.where(query.mask & ~liked, score, least).logsumexp(-1)
        return masked_mean(torch.logaddexp(score, others) - score, liked)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Many users a step."""
        return {"shot": 5, "max_shot": 20, "query": 64, "tasks_per_step": 32, "steps": 800, "rate": 3e-3}
