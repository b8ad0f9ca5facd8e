"""Sine waves as tasks: the regression benchmark of MAML.

Finn, Abbeel, Levine (2017), "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", section 5.1:
y = a sin(x - p) with a in [0.1, 5], p in [0, pi], x in [-5, 5], mean squared error.
"""

import math

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

AMPLITUDE = (0.1, 5.0)
PHASE = (0.0, math.pi)
INPUT = (-5.0, 5.0)


class Sinusoid:
    """Waves of random amplitude and phase; every split draws its own, without end."""

    splits: tuple[Split, ...] = ("train", "val", "test")

    def __init__(self) -> None:
        self.spec = Spec(
            name="sinusoid", kind="regression", shape=(1,), outputs=1, metric="mse", shot_unit="point of the wave"
        )

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] waves: ``shot`` support points and ``query`` query points each; ``shot`` may be 0, ``way`` is ignored."""
        check_split(self, split)
        check_counts(query=query)
        check_counts(least=0, shot=shot)
        key = draw.keys(index, "sinusoid", split, seed)
        amplitude = draw.uniform(key, 1, "amplitude", *AMPLITUDE)
        phase = draw.uniform(key, 1, "phase", *PHASE)

        def examples(n: int, stream: str) -> Examples:
            x = draw.uniform(key, n, stream, *INPUT)
            y = amplitude * torch.sin(x - phase)
            return Examples(x.unsqueeze(-1), y.unsqueeze(-1), torch.ones_like(x, dtype=torch.bool))

        return Task(
            support=examples(shot, "support"),
            query=examples(query, "query"),
            classes=key.new_zeros((len(index), 0)),
            unit=index.to(torch.int64),
            key=key,
        )

    def tasks(self, split: Split) -> WholeTasks:
        """A thousand waves of 20 points each."""
        batch = self.sample(split, torch.arange(1000), way=0, shot=0, query=20, seed=0).query
        return WholeTasks(len(batch.x), lambda number: Examples(*(leaf[number] for leaf in batch)))

    def members(self, split: Split) -> frozenset[str] | None:
        """None: waves are unlimited, and each split hashes its own."""
        return None

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """``mse``: mean squared error over the query points [T]."""
        return squared_error(predict, task)
