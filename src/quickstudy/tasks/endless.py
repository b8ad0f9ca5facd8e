"""What families share whose tasks are random functions of one number: every split draws its own, without end."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from quickstudy.tasks import draw
from quickstudy.tasks.base import (
    Examples,
    Predict,
    Spec,
    Split,
    Task,
    WholeTasks,
    check_counts,
    check_split,
    squared_error,
)

INPUT = (-5.0, 5.0)
Drawn = Callable[[Tensor, str], Tensor]
"""(x [T, n], name of its stream) -> y [T, n]."""


class Endless:
    """Base of such families; each says in ``_functions`` what it draws."""

    splits: tuple[Split, ...] = ("train", "val", "test")
    on_device = True

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def _functions(self, key: Tensor) -> Drawn:
        """The functions of tasks with ``key`` [T]."""
        raise NotImplementedError

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] functions: ``shot`` support and ``query`` query points each; ``shot`` may be 0, ``way`` is ignored."""
        check_split(self, split)
        check_counts(query=query)
        check_counts(least=0, shot=shot)
        key = draw.keys(index, self.spec.name.partition(":")[0], split, seed)
        function = self._functions(key)

        def examples(n: int, stream: str) -> Examples:
            x = draw.uniform(key, n, stream, *INPUT)
            return Examples(x.unsqueeze(-1), function(x, stream).unsqueeze(-1), torch.ones_like(x, dtype=torch.bool))

        return Task(
            support=examples(shot, "support"),
            query=examples(query, "query"),
            classes=key.new_zeros((len(index), 0)),
            unit=index.to(torch.int64),
            key=key,
        )

    def tasks(self, split: Split) -> WholeTasks:
        """A thousand functions of 20 points each."""
        batch = self.sample(split, torch.arange(1000), way=0, shot=0, query=20, seed=0).query
        return WholeTasks(len(batch.x), lambda number: Examples(*(leaf[number] for leaf in batch)))

    def members(self, split: Split) -> frozenset[str] | None:
        """None: functions are unlimited, and each split hashes its own."""
        return None

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """``mse``: mean squared error over the query points [T]."""
        return squared_error(predict, task)
