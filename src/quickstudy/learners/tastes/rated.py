"""What learners of ratings share: the columns of an item by name, and buffers as large as their training found them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Learner, Traits
from quickstudy.tasks.base import Examples, Spec, WholeTasks
from quickstudy.tasks.tastes.rated_items import ITEM

ORDERS = Traits(kinds=("regression",), forms=("ratings",), orders=True)
"""Of those whose numbers order items and are no ratings."""


def tells_ratings(learner: Learner) -> bool:
    """Whether numbers of a learner of ratings are ratings: it does not only order, and tasks are judged by errors."""
    return not learner.traits.orders and not learner.spec.higher_is_better


class Rated(Learner):
    """Base of the learners that are made for ratings.

    ``columns`` are places in an item's numbers: ``mean``, ``count``, ``likes``, ``factor``,
    ``taste``, ``trend``, ``era`` and ``content``.
    """

    traits: ClassVar[Traits] = Traits(kinds=("regression",), forms=("ratings",))

    def __init__(self, spec: Spec, config: Any) -> None:
        super().__init__(spec, config)
        self.columns = columns(spec)

    def _of(self, x: Tensor, name: str) -> Tensor:
        """[n, columns called ``name``] of ``x`` [n, inputs]."""
        return x[..., self.columns[name]]

    def _mean(self, x: Tensor) -> Tensor:
        """[n] what training users think of each item."""
        return self._of(x, "mean")[..., 0]


def columns(spec: Spec) -> dict[str, list[int]]:
    """Places of the columns of an item, by what they are."""
    kinds = ("item", "mean", "count", "likes", "factor", "taste", "trend", "era")
    found: dict[str, list[int]] = {kind: [] for kind in (*kinds, "content")}
    for place, name in enumerate(spec.names):
        kind = name.split()[0] if name else ""
        # a genre may be called as a statistic is, but it comes after all of them
        found[kind if kind in kinds and not found["content"] else "content"].append(place)
    return found


def kept(examples: Examples) -> tuple[Tensor, Tensor]:
    """x [n, inputs] and y [n] with zeros for whatever stands in padding."""
    there = examples.mask.unsqueeze(-1)
    return torch.where(there, examples.x, 0), torch.where(there, examples.y, 0).squeeze(-1)


def numbers(x: Tensor) -> Tensor:
    """[n] int64 places of the items ``x`` [n, inputs] in the catalogue; -1 for a new one."""
    return (x[..., 0].nan_to_num(0.0) * ITEM).round().long()


class Remembers(Rated):
    """Base of the learners that keep, in ``buffers``, something of every item that training users rated.

    A buffer [..., M] is as large as the catalogue, which is known when training is over; a run that is loaded brings
    its own size.
    """

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, value in self.named_buffers(recurse=False):
            if (saved := state_dict.get(prefix + name)) is not None and saved.shape != value.shape:
                setattr(self, name, value.new_zeros(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def matrix(tasks: WholeTasks) -> tuple[Tensor, Tensor]:
    """[U, M] what training users rated, 0 where they did not, and [U, M] whether they did (1 or 0)."""
    every = list(tasks)
    user = torch.cat([torch.full((len(one.y),), number) for number, one in enumerate(every)])
    item = torch.cat([numbers(one.x) for one in every]).cpu()
    y = torch.cat([one.y[:, 0] for one in every])
    rated = y.new_zeros(len(every), int(item.max()) + 1)
    seen = rated.clone()
    rated[user.to(y.device), item.to(y.device)], seen[user.to(y.device), item.to(y.device)] = y, 1.0
    return rated, seen


def looked_up(table: Tensor, place: Tensor) -> Tensor:
    """[n, f] rows ``place`` [n] of ``table`` [M, f]; zeros for items that it does not know."""
    known = (place >= 0) & (place < len(table))
    return torch.where(known.unsqueeze(-1), table[place.clamp(0, len(table) - 1)], 0)
