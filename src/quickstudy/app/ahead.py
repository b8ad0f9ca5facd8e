"""A family whose episodes are drawn some at a time and kept: the same episodes, at a third of the cost for glyphs."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from quickstudy.inner import batch
from quickstudy.tasks.base import Predict, Split, Task, TaskFamily, WholeTasks


class Ahead:
    """``family``, ``block`` episodes drawn at once.

    Of training only the last block is kept, for it does not come back; of other splits everything, for several
    learners are judged on it.
    """

    def __init__(self, family: TaskFamily, block: int = 8) -> None:
        self.family, self.block = family, block
        self.spec, self.splits = family.spec, family.splits
        self._blocks: dict[tuple[Any, ...], Task] = {}
        self._whole: dict[Split, WholeTasks] = {}

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """Episodes ``index`` as the family draws them."""
        counts = {"way": way, "shot": shot, "query": query, "seed": seed}
        return batch.stack([self._episode(split, int(number), counts) for number in index])

    def _episode(self, split: Split, number: int, counts: dict[str, int]) -> Task:
        first = number - number % self.block
        place = (split, first, *counts.values())
        if place not in self._blocks:
            if split == "train":
                self._blocks = {kept: block for kept, block in self._blocks.items() if kept[0] != "train"}
            self._blocks[place] = self.family.sample(split, torch.arange(first, first + self.block), **counts)
        return batch.take(self._blocks[place], number - first)

    def tasks(self, split: Split) -> WholeTasks:
        """The family's, made once."""
        if split not in self._whole:
            whole = self.family.tasks(split)
            self._whole[split] = WholeTasks(len(whole), functools.cache(whole.make))
        return self._whole[split]

    def members(self, split: Split) -> frozenset[str] | None:
        """The family's."""
        return self.family.members(split)

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """The family's."""
        return self.family.score(predict, task)
