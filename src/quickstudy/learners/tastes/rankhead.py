"""What a user will like next: strong statistics of an item, weighed by a small net that is trained to rank.

    u_th = sum_s w_th(y_s, s_s) v_ts / sqrt(n),   z_th(i) = u_th . v_ti          tables t, heads h, n of the support
    a_u = softmax over training users u of weight(u, support),   vote(i) = log(sum_u a_u [u likes i] + little)
    score(i) = net(s_i, z(i), vote(i), summary of the support)
    loss = mean over likes p of -log softmax of score(p) - log q(p) among p and all queries that are no likes, or
           -sum_i softmax(c y)_i log softmax(score)_i over what was rated

v_t are an item's tastes, factors and content, s its statistics: how many like it, and among those who came at the same
time (``item_tables.py``). z are inner products, so that it does not matter how tables are turned. Votes are those of
the k nearest training users (Herlocker, Konstan, Borchers and Riedl 1999, "An Algorithmic Framework for Performing
Collaborative Filtering"), whose weights are learnt: how many of the support's items they rated, rare ones counting
more, when they came, how much they rate. While it is trained, the user himself has no vote.

The first loss is a softmax over a sample of the catalogue (Bengio and Senecal 2008, "Adaptive Importance Sampling to
Accelerate Training of a Neural Probabilistic Language Model", with its correction for how often an item is drawn, q)
where the family asks about unrated items (ratings:judge=ranking). Otherwise it is ListNet's, which orders what a user
rated by how much he likes it (Cao, Qin, Liu, Tsai and Li 2007, "Learning to Rank: From Pairwise Approach to Listwise
Approach").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.learners.base import Adapted, Point, Traits
from quickstudy.learners.tastes.rated import ORDERS, Remembers, kept, looked_up, matrix, numbers
from quickstudy.tasks.base import Examples, Spec, Task, WholeTasks, check_counts, masked_mean

TABLES = ("taste", "factor", "content")
STATISTICS = ("mean", "count", "likes", "trend", "era")
LITTLE = 0.2
"""Of the share of all training users that like an item, added to every vote."""
GRADE = 0.7
"""c: with one star a standard unit, a star more is worth twice as much, as in the gain that is judged by."""
NEAR = {"rated": 2.0, "liked": 0.0, "apart": -0.5, "ratings": -0.5}
"""What says how near a training user is, and its weight at the start: the support's items that he rated and those that
both like, when he came, how much he has rated."""
SCALES = torch.tensor([3.0, 3.0, 20.0, 5.0, 1.0])
"""Of the same, and of the number of ratings, for a net."""


@dataclass(frozen=True, kw_only=True)
class RankHeadConfig:
    """Statistics weighed to rank."""

    width: int = 32
    """Hidden units of the nets."""
    heads: int = 2
    """Vectors of a user in each table."""
    neighbours: int = 100
    """Training users that have a vote."""


class RankHead(Remembers):
    """Scores that order items, and are no ratings; trained by a softmax over likes and what is none."""

    traits: ClassVar[Traits] = ORDERS
    Config: ClassVar[type[Any]] = RankHeadConfig
    seen: Tensor
    likes: Tensor
    total: Tensor
    came: Tensor

    def __init__(self, spec: Spec, config: RankHeadConfig) -> None:
        super().__init__(spec, config)
        check_counts(width=config.width, heads=config.heads, neighbours=config.neighbours)
        self.samples = spec.metric == "recall10"
        year = [place for place, name in enumerate(spec.names) if name == "year"][-1:]
        self.few = [place for name in STATISTICS for place in self.columns[name]] + year
        few, width, heads = len(self.few), config.width, config.heads
        self.weigh = nn.Sequential(nn.Linear(few + 1, width), nn.Tanh(), nn.Linear(width, len(TABLES) * heads))
        self.near = nn.Linear(len(NEAR), 1, bias=False)
        self.bend = nn.Sequential(nn.Linear(len(NEAR) + 1, width), nn.Tanh(), nn.Linear(width, 1))
        inputs = few + len(TABLES) * heads + 3
        self.net = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
        )
        self.direct = nn.Linear(inputs, 1)
        self._start()
        self.register_buffer("seen", torch.zeros(1, 1, dtype=torch.uint8))
        self.register_buffer("likes", torch.zeros(1, 1, dtype=torch.uint8))
        self.register_buffer("total", torch.zeros(1))
        self.register_buffer("came", torch.zeros(1))

    @torch.no_grad()
    def _start(self) -> None:
        """As nearest users alone."""
        for last in (self.net[-1], self.direct, self.bend[-1]):
            nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.constant_(self.weigh[-1].bias, 0.3)  # type: ignore[arg-type]
        self.direct.weight[0, len(self.few)] = 1.0
        self.near.weight.copy_(torch.tensor([list(NEAR.values())]))

    def prepare(self, tasks: WholeTasks) -> None:
        """``seen`` and ``likes`` [M, U] (1 or 0), the ``total`` [U] that users rated, and when they ``came``."""
        rated, seen = matrix(tasks)
        self.seen, self.likes = (value.T.to(torch.uint8).contiguous() for value in (seen, seen * (rated >= 0)))
        self.total = seen.sum(1).to(self.total)
        self.came = torch.stack([one.x[0, self.columns["era"][0]] for one in tasks]).to(self.came)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``user`` [heads, columns of all tables], ``summary`` [2], ``voters`` and ``votes`` [neighbours]."""
        return self._adapted(support, torch.zeros_like(self.came, dtype=torch.bool))

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 1] for ``x`` [n, inputs]."""
        sizes = [len(self.columns[name]) for name in TABLES]
        vectors = adapted["user"].split(sizes, -1)
        near = [self._of(x, name) @ vector.T for name, vector in zip(TABLES, vectors, strict=True)]
        near = [value.sign() * value.abs().log1p() for value in near]
        place = numbers(x)
        known = (place >= 0) & (place < len(self.likes))
        row = place.clamp(0, len(self.likes) - 1).unsqueeze(-1)
        liked = self.likes[row, adapted["voters"].long()].to(x.dtype) * known.unsqueeze(-1)
        share = (3 * self._of(x, "likes")).expm1() / len(self.came)
        vote = (liked @ adapted["votes"].unsqueeze(-1) + LITTLE * share + 1e-4).log()
        seen = torch.cat([x[..., self.few], vote, *near, adapted["summary"].expand(len(x), -1)], -1)
        return Point(self.direct(seen) + self.net(seen))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean over likes, or over what was rated."""
        query = task.query
        x, y = kept(query)
        score = self.predict(self._adapted(task.support, self._himself(task)), x, query.mask).mean.squeeze(-1)
        least = torch.finfo(score.dtype).min
        if not self.samples:
            score = torch.where(query.mask, score, least)
            wanted = torch.where(query.mask, GRADE * y, least).softmax(-1)
            return -(wanted * score.log_softmax(-1)).sum()
        score = score - self._often(x)
        liked = query.mask & (y >= 0)
        others = torch.where(query.mask & ~liked, score, least).logsumexp(-1)
        return masked_mean(torch.logaddexp(score, others) - score, liked)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Many users a step."""
        return {"shot": 5, "max_shot": 20, "query": 64, "tasks_per_step": 32, "steps": 800, "rate": 3e-3}

    def _often(self, x: Tensor) -> Tensor:
        """[n] log q and a constant: half of what was not rated is drawn evenly, half as often as it is rated."""
        count = (3 * self._of(x, "count")[..., 0]).expm1()
        return (1 + count * len(self.seen) / self.total.sum().clamp(min=1)).log()

    def _himself(self, task: Task) -> Tensor:
        """[U] bool: training users who rated all of the support and like all that is liked: the user, if he is one."""
        support, query = task.support, task.query
        rated = looked_up(self.seen, numbers(kept(support)[0])) | ~support.mask.unsqueeze(-1)
        liked = looked_up(self.likes, numbers(kept(query)[0])) | ~(query.mask & (query.y[:, 0] >= 0)).unsqueeze(-1)
        return rated.bool().all(0) & liked.bool().all(0)

    def _adapted(self, support: Examples, without: Tensor) -> Adapted:
        x, y = kept(support)
        there = support.mask.unsqueeze(-1)
        weights = self.weigh(torch.cat([y.unsqueeze(-1), x[..., self.few]], -1)) * there
        count = support.mask.sum().to(x.dtype)
        parts = weights.unflatten(-1, (len(TABLES), -1)).unbind(-2)
        scale = count.clamp(min=1).rsqrt()
        vectors = [part.T @ self._of(x, name) * scale for part, name in zip(parts, TABLES, strict=True)]
        summary = torch.stack([count / 10, y.sum() / count.clamp(min=1)])
        weight = torch.where(without, torch.finfo(x.dtype).min, self._nearness(x, y, support.mask))
        most, voters = weight.topk(min(self.config.neighbours, len(weight)))
        votes = {"votes": most.softmax(-1), "voters": voters.to(torch.int32)}
        return {"user": torch.cat(vectors, -1), "summary": summary} | votes

    def _nearness(self, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        """[U] logarithm of the weight of each training user's vote."""
        place, users = numbers(x), len(self.came)
        rare = (users / (3 * self._of(x, "count")[..., 0]).exp()).clamp(min=1).log() * mask
        seen, liked = (looked_up(table, place).to(x.dtype) for table in (self.seen, self.likes))
        count = mask.sum().to(x.dtype)
        era = torch.where(count > 0, (self._of(x, "era")[..., 0] * mask).sum() / count.clamp(min=1), 1.0)
        apart = self.came.to(x.dtype) - era
        total = self.total.to(x.dtype).clamp(min=1)
        told = [(rare @ seen).log1p(), ((rare * (y >= 0)) @ liked).log1p(), (10 * apart).square(), total.log()]
        told_all = torch.stack(told, -1)
        extra = torch.cat([told_all, (count / 10).expand(users, 1)], -1) / SCALES.to(x)
        return (self.near(told_all) + self.bend(extra)).squeeze(-1)
