"""What an entry may learn from: the host draws train and val tasks when it asks, and never those of the test."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from quickstudy.challenge import wire
from quickstudy.challenge.check import Block
from quickstudy.challenge.suite import Suite
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.tasks.base import Split, TaskFamily, WholeTasks, check_counts, check_room

MOST, NUMBERS = 4096, 50_000_000
"""Tasks, and numbers of their inputs, of one request."""


def hello(suite: Suite, block: Block, pace: float = 1.0) -> dict[str, Any]:
    """The first message to an entry, on a machine that takes ``pace`` times as long as the standard one."""
    spec = block.train.spec
    budget = {"cpu": suite.cpu * pace, "wall": suite.wall, "memory": suite.memory, "training": suite.training * pace}
    return {
        "challenge": suite.name,
        "kind": spec.kind,
        "shape": list(spec.shape),
        "outputs": spec.outputs,
        "ways": list(block.way),
        "shots": list(block.shot),
        "query": block.tasks.query,
        "inductive": suite.inductive,
        "splits": splits(block.train),
        "budget": budget,
        "spec": asdict(spec),
    }


def splits(family: TaskFamily) -> list[Split]:
    """Those that may be learnt from."""
    return [split for split in family.splits if split != "test"]


class Teacher:
    """Answers what an entry asks before it is ready; a request that is not right is refused, in words."""

    def __init__(self, family: TaskFamily) -> None:
        self.family = family
        self._wholes: dict[Split, WholeTasks] = {}

    def __call__(self, message: dict[str, Any], binary: bool) -> dict[str, Any]:
        known = {"tasks": self._tasks, "batch": self._batch, "whole": self._whole, "count": self._count}
        try:
            if message["ask"] not in known:
                raise UserError(f"ask is {message['ask']!r}; expected {', '.join(known)}")
            split = message.get("split", "train")
            if split not in splits(self.family):
                raise UserError(f"split is {split!r}; expected {' or '.join(splits(self.family))}")
            return known[message["ask"]](message, split, binary)
        except (UserError, KeyError, TypeError, ValueError, IndexError, OverflowError, RuntimeError) as error:
            return {"refused": str(error) if isinstance(error, UserError) else f"the request is not right: {error!r}"}

    def _drawn(self, message: dict[str, Any], split: Split, index: Tensor) -> Any:
        way, shot, query = (
            int(message.get(name, standard)) for name, standard in (("way", 5), ("shot", 1), ("query", 5))
        )
        check_counts(**{"number of tasks": len(index)})
        if len(index) > MOST:
            raise UserError(f"so many tasks are too many at once; ask for at most {MOST}")
        check_room(self.family.spec, len(index), way=way, shot=shot, query=query)
        ways = way if self.family.spec.kind == "classification" else 1
        if len(index) * ways * (shot + query) * math.prod(self.family.spec.shape) > NUMBERS:
            raise UserError(f"these tasks have more than {NUMBERS:,} numbers; ask for fewer at once")
        seed = int(message.get("seed", 0))
        return self.family.sample(split, index, way=way, shot=shot, query=query, seed=seed)

    def _batch(self, message: dict[str, Any], split: Split, binary: bool) -> dict[str, Any]:
        return {"leaves": wire.leaves(self._drawn(message, split, torch.tensor(message["index"], dtype=torch.int64)))}

    def _tasks(self, message: dict[str, Any], split: Split, binary: bool) -> dict[str, Any]:
        first, count = int(message.get("first", 0)), int(message.get("count", 1))
        index = torch.arange(first, first + min(max(count, 0), MOST + 1))
        drawn = self._drawn(message, split, index)
        kind = self.family.spec.kind
        tasks = []
        for number in range(batch.size(drawn)):
            task = batch.take(drawn, number)
            parts = {name: wire.examples(getattr(task, name), kind, binary) for name in ("support", "query")}
            tasks.append(parts | {"classes": task.classes.tolist()})
        return {"tasks": tasks}

    def _whole(self, message: dict[str, Any], split: Split, binary: bool) -> dict[str, Any]:
        return {"leaves": wire.leaves(self._tasks_of(split)[int(message["number"])])}

    def _count(self, message: dict[str, Any], split: Split, binary: bool) -> dict[str, Any]:
        return {"count": len(self._tasks_of(split))}

    def _tasks_of(self, split: Split) -> WholeTasks:
        """Kept, for some families draw several whole tasks at a time."""
        if split not in self._wholes:
            self._wholes[split] = self.family.tasks(split)
        return self._wholes[split]
