"""Several families as one: each episode comes from one of them, by chance, in given proportions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import SPLITS, Examples, Predict, Split, Task, TaskFamily, WholeTasks, check_split


class Mixture:
    """Draws each episode from one family. Val and test episodes are mixed in the same way."""

    def __init__(self, families: Sequence[TaskFamily], weights: Sequence[float]) -> None:
        first = families[0].spec
        for family in families[1:]:
            spec = family.spec
            if (spec.kind, spec.shape, spec.outputs) != (first.kind, first.shape, first.outputs):
                raise UserError(
                    f"{first.name} and {spec.name} cannot be mixed: {first.kind} of shape {first.shape} against "
                    f"{spec.kind} of shape {spec.shape}. Families of images can be had in the same size (:size=28)."
                )
        total = sum(weights)
        self.families, self.shares = tuple(families), [weight / total for weight in weights]
        even = len(set(weights)) == 1
        parts = [f.spec.name if even else f"{w:g}*{f.spec.name}" for w, f in zip(weights, families, strict=True)]
        counts = [family.spec.classes for family in families]
        known = [count for count in counts if count is not None]
        self.spec = replace(
            first,
            name=",".join(parts),
            classes=sum(known) if len(known) == len(counts) else None,
            fingerprint="-".join(family.spec.fingerprint for family in families),
        )
        self._offsets = [sum(known[:i]) for i in range(len(known))] if len(known) == len(counts) else [0] * len(counts)
        self.splits: tuple[Split, ...] = tuple(s for s in SPLITS if all(s in family.splits for family in families))

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] episodes, each of the family that its number falls to; training classes are told apart."""
        check_split(self, split)
        key = draw.keys(index, "mixture", split, seed)
        edges = torch.tensor(self.shares).cumsum(0)[:-1]
        which = torch.bucketize(draw.uniform(key, 1, "family").squeeze(-1), edges, right=True)
        parts, places = [], []
        for number, family in enumerate(self.families):
            mine = (which == number).nonzero().squeeze(-1)
            if len(mine):
                task = family.sample(split, index[mine], way=way, shot=shot, query=query, seed=seed)
                offset = self._offsets[number] if split == "train" else 0
                parts.append(task._replace(classes=task.classes + offset))
                places.append(mine)
        back = torch.cat(places).argsort()
        joined: Task = pytree.tree_map(lambda *leaves: torch.cat(leaves)[back], *parts)
        return joined

    def tasks(self, split: Split) -> WholeTasks:
        """Those of the first family, then of the second, ..."""
        parts = [family.tasks(split) for family in self.families]
        ends = list(accumulate(len(part) for part in parts))

        def whole(number: int) -> Examples:
            at = bisect_right(ends, number)
            return parts[at][number - (ends[at - 1] if at else 0)]

        return WholeTasks(ends[-1], whole)

    def members(self, split: Split) -> frozenset[str] | None:
        found = [family.members(split) for family in self.families]
        known = [members for members in found if members is not None]
        return frozenset().union(*known) if known else None

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        return self.families[0].score(predict, task)
