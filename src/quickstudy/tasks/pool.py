"""Episodes from labelled examples that live in memory: sampling is hashing and indexing.

A class's examples get a random order for each episode; the support takes them from the front and the query from the
back, so that an episode has the same query at 1 shot and at 5, and its support only grows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Predict, Spec, Split, Task, WholeTasks, accuracy, check_counts, check_split


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The classes of one split, their examples side by side.

    ``narrow`` is the share of episodes whose classes all come from ``groups`` (least, most) groups, for example from
    one to three alphabets; more groups are added only where those have too few classes.
    """

    x: Tensor
    """[N, ...] examples, uint8 for images, sorted by class."""
    start: Tensor
    """[C] int64 position of each class's first example."""
    count: Tensor
    """[C] int64 number of examples of each class."""
    group: Tensor
    """[C] int64 number of the group (alphabet) of each class, from 0."""
    names: tuple[str, ...]
    """[C] namespaced names."""
    narrow: float = 0.0
    groups: tuple[int, int] = (1, 1)

    def choose_classes(self, key: Tensor, way: int) -> Tensor:
        """[T] keys -> [T, way] class ids, without repetition."""
        if self.narrow == 0:
            return draw.order(key, len(self.count), "classes", way)
        sizes = torch.bincount(self.group)
        enough = sizes >= way
        eligible = (enough if bool(enough.any()) else torch.ones_like(enough)).expand(len(key), -1)
        ranked = draw.order(key, len(sizes), "groups", allowed=eligible)
        filled = sizes[ranked].cumsum(-1)
        wanted = draw.bits(key, 1, "group count") % (self.groups[1] - self.groups[0] + 1) + self.groups[0]
        needed = torch.maximum((filled < way).sum(-1, keepdim=True) + 1, wanted)
        chosen = torch.zeros_like(eligible).scatter(-1, ranked, torch.arange(len(sizes)) < needed)
        wide = draw.uniform(key, 1, "narrow") >= self.narrow
        return draw.order(key, len(self.count), "classes", way, allowed=chosen[:, self.group] | wide)

    def place(self, classes: Tensor, key: Tensor, shot: int, query: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Positions in ``x`` and masks of support [T, way, shot] and query [T, way, query]."""
        most = int(self.count.max())
        count = self.count[classes].unsqueeze(-1)
        slot = torch.arange(most)
        ranked = draw.order(draw.mix(key.unsqueeze(-1) ^ classes), most, "examples", allowed=slot < count)
        queries = torch.minimum(torch.full_like(count, query), (count - shot).clamp(min=1))
        supports = torch.minimum(torch.full_like(count, shot), count - queries)
        start = self.start[classes].unsqueeze(-1)
        front = slot[:shot] < supports
        back = slot[:query] < queries
        from_back = (count - 1 - slot[:query]).clamp(min=0)
        return start + ranked[..., :shot], front, start + ranked.gather(-1, from_back), back


class PoolFamily:
    """A classification family over one pool a split; pools are made when they are first asked for."""

    def __init__(self, spec: Spec, pools: dict[Split, Callable[[], Pool]]) -> None:
        self.spec = spec
        self.splits: tuple[Split, ...] = tuple(pools)
        self._make = pools
        self._pools: dict[Split, Pool] = {}

    def pool(self, split: str) -> Pool:
        known = check_split(self, split)
        if known not in self._pools:
            self._pools[known] = self._make[known]()
        return self._pools[known]

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] episodes; a class with fewer than ``shot + query`` examples gives what it has, one query at least."""
        pool = self.pool(split)
        self._check(pool, split, way, shot, query)
        key = draw.keys(index, self.spec.name.partition(":")[0], split, seed)
        classes = pool.choose_classes(key, way)
        support, support_mask, query_at, query_mask = pool.place(classes, key, shot, query)

        def examples(at: Tensor, mask: Tensor) -> Examples:
            tasks, ways, each = at.shape
            x = pool.x[at.flatten()].unflatten(0, (tasks, ways * each))
            x = x.to(torch.float32).mul_(1 / 255) if x.dtype == torch.uint8 else x
            y = torch.eye(ways).repeat_interleave(each, 0).expand(tasks, -1, -1)
            return Examples(x, y, mask.flatten(1))

        return Task(
            support=examples(support, support_mask),
            query=examples(query_at, query_mask),
            classes=classes,
            unit=index.to(torch.int64),
            key=key,
        )

    def _check(self, pool: Pool, split: Split, way: int, shot: int, query: int) -> None:
        check_counts(way=way, shot=shot, query=query)
        where = f"{self.spec.name}, split {split}"
        if way > len(pool.count):
            raise UserError(f"--way is {way}, but {where} has {len(pool.count)} classes. Ask for at most that many.")
        if pool.narrow == 1 and pool.groups[1] == 1 and way > (most := int(torch.bincount(pool.group).max())):
            raise UserError(f"--way is {way}, but the largest group of {where} has {most} classes. Ask for fewer.")
        if shot >= (most := int(pool.count.max())):
            raise UserError(
                f"--shot is {shot}, but no class of {where} has more than {most} examples, and one must be left for "
                f"the query. Ask for at most {most - 1}."
            )

    def tasks(self, split: Split) -> WholeTasks:
        """Each class whole: x [count, ...], y [count, 1] of ones."""
        pool = self.pool(split)
        starts, counts = pool.start.tolist(), pool.count.tolist()

        def whole(number: int) -> Examples:
            start, count = starts[number], counts[number]
            x = pool.x[start : start + count]
            x = x.to(torch.float32).mul_(1 / 255) if x.dtype == torch.uint8 else x
            return Examples(x, torch.ones(count, 1), torch.ones(count, dtype=torch.bool))

        return WholeTasks(len(counts), whole)

    def members(self, split: Split) -> frozenset[str] | None:
        return frozenset(self.pool(split).names)

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """``accuracy``: share of right answers among the queries [T]."""
        return accuracy(predict, task)
