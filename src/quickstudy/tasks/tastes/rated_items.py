"""What is said of an item to one user: its number, what training users made of it, and its content.

To a training user it is said by the table that was made without him and those of his fold (``item_tables``), to all
others by the whole one.
"""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor

from quickstudy.tasks.base import Split
from quickstudy.tasks.tastes import item_tables
from quickstudy.tasks.tastes.catalogues import Content
from quickstudy.tasks.tastes.rating_files import Ratings

ITEM = 65536
"""x counts items in this unit, so that a net meets small numbers; -1 of them is an item that is new."""
COLUMNS = ("item", *item_tables.NAMES, "trend", "era")
"""What x says of an item, before its content."""


class RatedItems:
    """Base of the family of ratings: its items."""

    ratings: Ratings
    content: Content
    users: dict[Split, Tensor]
    """Numbers of the users of each split."""
    start: Tensor
    count: Tensor
    """[U] each user's first row among the ratings, and how many there are."""
    y: Tensor
    """[N] ratings in standard units above a like."""
    cached: str
    """What the tables are called in the cache; empty keeps none."""

    @property
    def _training(self) -> Tensor:
        """[N] bool: ratings of training users."""
        return self.fold[self.ratings.user] < item_tables.FOLDS

    @cached_property
    def fold(self) -> Tensor:
        """[U] int64: of training users the table without them, of all others the whole one."""
        fold = torch.full((len(self.ratings.users),), item_tables.FOLDS)
        fold[self.users["train"]] = torch.arange(len(self.users["train"])) % item_tables.FOLDS
        return fold

    @cached_property
    def era(self) -> Tensor:
        """[U] when each user came: the share of training users who came before him."""
        first = self.ratings.time[self.start]
        known = first[self.users["train"]].sort().values
        return torch.searchsorted(known, first) / len(known) if self.ratings.timed else torch.zeros(len(first))

    @cached_property
    def tables(self) -> Tensor:
        """[FOLDS + 1, M, columns + ERAS] what training users made of every item."""
        return item_tables.stored(self.cached, self._tables)

    def x(self, fold: Tensor, item: Tensor, era: Tensor) -> Tensor:
        """[T, n, columns]: ``item`` [T, n] as the tables ``fold`` [T] have it, for users who came at ``era`` [T]."""
        found = self.tables[fold.unsqueeze(-1), item]
        known, trends = found.split((len(item_tables.NAMES), item_tables.ERAS), -1)
        told = [(item / ITEM).unsqueeze(-1), known, item_tables.trend(trends, era).unsqueeze(-1)]
        told += [era.view(-1, 1, 1).expand(*item.shape, 1), self.content.values[item]]
        return torch.cat(told, -1)

    def _tables(self) -> Tensor:
        mine, users = self._training, self.users["train"]
        place = torch.zeros(len(self.ratings.users), dtype=torch.int64)
        place[users] = torch.arange(len(users))
        user = place[self.ratings.user[mine]]
        item, y = self.ratings.item[mine], self.y[mine]
        return item_tables.folded(user, item, y, self.fold[users], self.era[users], self.content.values)

    def catalogue(self, era: Tensor | float = 1.0) -> Tensor:
        """[M, columns] every item for one who comes after all others, or [T, M, columns] for users of ``era`` [T]."""
        every = torch.arange(len(self.ratings.items))
        if not isinstance(era, Tensor):
            return self.x(torch.tensor([item_tables.FOLDS]), every.unsqueeze(0), torch.tensor([era]))[0]
        whole = torch.full_like(era, item_tables.FOLDS, dtype=torch.int64)
        return self.x(whole, every.expand(len(era), -1), era)

    def new_item(self, content: Tensor) -> Tensor:
        """[columns] of an item that nobody has rated, with ``content`` [C] as in ``self.content``."""
        told = torch.zeros(len(COLUMNS))
        told[0], told[COLUMNS.index("era")] = -1 / ITEM, 1.0
        told[1] = self.y[self._training].mean()
        return torch.cat([told, content])

    def rated(self, user: Tensor) -> Tensor:
        """[T, M] what the users rated in standard units; NaN where they did not."""
        found = torch.full((len(user), len(self.ratings.items)), math.nan)
        slot = torch.arange(int(self.count[user].max()))
        there = slot < self.count[user].unsqueeze(-1)
        row = (self.start[user].unsqueeze(-1) + slot)[there]
        found[there.nonzero(as_tuple=True)[0], self.ratings.item[row]] = self.y[row]
        return found
