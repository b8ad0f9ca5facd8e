"""What learners of patients share: x says of each term whether it was observed (1), excluded (-1) or neither (0)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Learner, Traits
from quickstudy.tasks.base import Examples, Spec, WholeTasks


class Termed(Learner):
    """Base of such learners."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), forms=("terms",))

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Ways and shots as they will be asked for; weights settle within few steps, and then fit the training."""
        return {"way": 20, "shot": 1, "max_shot": 5, "query": 5, "tasks_per_step": 2, "steps": 200}

    def _keep_terms(self, *names: str) -> None:
        """Buffers [V] of these names."""
        for name in names:
            self.register_buffer(name, torch.ones(self.spec.shape))

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Which terms of ``x`` [n, V] are observed and which are excluded, as 1 and 0 [n, V]; NaN is neither."""
        dtype = next(value.dtype for value in (*self.parameters(), *self.buffers()))
        return (x == 1).to(dtype), (x == -1).to(dtype)


def weights(support: Examples, dtype: torch.dtype) -> Tensor:
    """[way, n]: 1 where a patient of the support is of the class."""
    return torch.where(support.mask.unsqueeze(-1), support.y, 0).T.to(dtype)


def counts(tasks: WholeTasks) -> tuple[Tensor, Tensor, Tensor]:
    """Of each whole class [C] the number of patients, and of those with each term observed and excluded [C, V]."""
    size, observed, excluded = [], [], []
    for task in tasks:
        there = task.mask.unsqueeze(-1)
        size.append(task.mask.sum())
        observed.append(((task.x == 1) & there).sum(0))
        excluded.append(((task.x == -1) & there).sum(0))
    return torch.stack(size), torch.stack(observed), torch.stack(excluded)


def rarity(having: Tensor, patients: Tensor) -> Tensor:
    """log((N + 1) / (n + 1)) for n of N patients: the inverse document frequency, finite for a term of nobody."""
    return ((patients + 1) / (having + 1)).log()
