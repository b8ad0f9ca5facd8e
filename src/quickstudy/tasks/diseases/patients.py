"""Episodes of patients: those that are asked about were published elsewhere than those that are known.

For each episode and disease one paper is drawn, all that have a patient being equally likely: its patients are the
queries, and the patients of all other papers the support, both in a random order that depends on nothing else. So an
episode has the same query at 1 shot and at 5. A disease of a single paper has no queries and is a candidate only;
diseases are drawn from those with two papers or more as long as there are enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.tasks import draw


class Places(NamedTuple):
    """Rows of ``Patients.x`` and which of them are meant."""

    at: Tensor
    """[T, way, n] int64."""
    mask: Tensor
    """[T, way, n] bool."""


@dataclass(frozen=True, kw_only=True)
class Patients:
    """The patients of one split."""

    x: Tensor
    """[N, V] int8, sorted by disease."""
    rows: Tensor
    """[C, most] int64 rows of each disease's patients; -1 where it has fewer."""
    paper: Tensor
    """[C, most] int64 number of each patient's paper within the disease, from 0."""
    names: tuple[str, ...]
    """[C] namespaced diseases."""

    @property
    def papers(self) -> Tensor:
        """[C] int64 number of papers of each disease."""
        return torch.where(self.rows >= 0, self.paper, -1).amax(-1) + 1

    def choose(self, key: Tensor, way: int) -> Tensor:
        """[T] keys -> [T, way] diseases, without repetition."""
        askable = (self.papers > 1).expand(len(key), -1)
        return draw.order(key, len(self.names), "classes", way, allowed=askable)

    def place(self, classes: Tensor, key: Tensor, shot: int, query: int) -> tuple[Places, Places]:
        """Support and query of ``classes`` [T, way]."""
        own = draw.mix(key.unsqueeze(-1) ^ classes)
        rows, paper = self.rows[classes], self.paper[classes]
        there, papers = rows >= 0, self.papers[classes]
        asked = paper == (draw.bits(own, 1, "paper")[..., 0] % papers).unsqueeze(-1)
        asked = asked & (papers > 1).unsqueeze(-1)

        def first(allowed: Tensor, count: int) -> Places:
            count = min(count, rows.shape[-1])
            order = draw.order(own, rows.shape[-1], "patients", count, allowed=allowed)
            found = torch.arange(count) < allowed.sum(-1, keepdim=True)
            return Places(rows.gather(-1, order).clamp(min=0), found)

        return first(there & ~asked, shot), first(there & asked, query)


def side_by_side(lists: Sequence[Sequence[int]], fill: int) -> Tensor:
    """[C, most] int64 of lists that are not equally long."""
    most = max(map(len, lists))
    return torch.tensor([[*one, *[fill] * (most - len(one))] for one in lists])
