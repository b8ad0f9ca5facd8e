"""What wrappers of images share: a family over a family that changes images and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Predict, Split, Task, TaskFamily, WholeTasks


class ImageWrapper(ABC):
    """``base`` with other images; what is random in them is hashed from the task's key."""

    name: ClassVar[str]
    """What the wrapper is called, which also sets its random numbers apart."""

    def __init__(self, base: TaskFamily) -> None:
        if len(base.spec.shape) != 3:
            raise UserError(f"{self.name} takes images, and {base.spec.name} has inputs of shape {base.spec.shape}.")
        self.base, self.spec, self.splits = base, base.spec, base.splits

    @abstractmethod
    def changed(self, images: Tensor, keys: Tensor, split: Split) -> Tensor:
        """[n, C, H, W] and a key for each -> [n, C, ...]."""

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """The base's episodes with other images."""
        task = self.base.sample(split, index, way=way, shot=shot, query=query, seed=seed)
        support = task.support._replace(x=self._images(task.support.x, task.key, split, "support"))
        return task._replace(
            support=support, query=task.query._replace(x=self._images(task.query.x, task.key, split, "query"))
        )

    def tasks(self, split: Split) -> WholeTasks:
        """The base's, with other images."""
        whole = self.base.tasks(split)

        def made(number: int) -> Examples:
            task, key = whole[number], draw.keys(torch.tensor([number]), self.name, split)
            return task._replace(x=self._images(task.x.unsqueeze(0), key, split, "whole").squeeze(0))

        return WholeTasks(len(whole), made)

    def members(self, split: Split) -> frozenset[str] | None:
        return self.base.members(split)

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        return self.base.score(predict, task)

    def _images(self, x: Tensor, key: Tensor, split: Split, stream: str) -> Tensor:
        tasks, n = x.shape[:2]
        keys = draw.bits(key, n, f"{self.name}/{stream}").flatten()
        return self.changed(x.flatten(0, 1), keys, split).unflatten(0, (tasks, n))
