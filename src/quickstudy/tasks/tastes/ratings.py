"""What one user likes: a task is a user, an example an item that he rated. MovieLens (Harper and Konstan 2015, "The
MovieLens Datasets: History and Context"), or any table of users, items and ratings, or of clicks.

x says of an item its number, what training users made of it (``item_tables``) and its genres and year; y is the rating
above what counts as a like, in standard units, so that y >= 0 is liked. Of a scale's upper quarter a rating is a like:
4 to 5 of 5. What training users made of an item is, for each of them, made without him and those of his fold.
"""

from __future__ import annotations

import math
from typing import Literal
from urllib.parse import quote

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Predict, Spec, Split, Task, WholeTasks, check_counts, check_split
from quickstudy.tasks.places import find, held, notice
from quickstudy.tasks.tastes import ranking
from quickstudy.tasks.tastes.rated_items import COLUMNS, ITEM, RatedItems
from quickstudy.tasks.tastes.rating_files import read
from quickstudy.tasks.tastes.simulated_ratings import simulated as simulate

MOVIELENS = "movielens"
"""Where the folder of MovieLens is, in QUICKSTUDY_DATA."""
TENTHS = 10
"""A partition tests two tenths of the users and validates on one."""
LIKED = 0.75
"""Where on the scale a like begins."""
UNRATED = 256
"""Items that the user did not rate, among the queries of ``judge=ranking``; they count as rated lowest."""
FEWEST_USERS = 20
MOST_CELLS = 400_000_000


class UserRatings(RatedItems):
    """Users as tasks.

    ``order=time`` gives the support a user's first ratings, ``random`` any of them; the query is drawn from the rest.
    ``judge=ratings`` scores errors in the file's own units (``rmse``) and ``ndcg10`` among a user's held-out items,
    ``judge=ranking`` ``recall10`` over the whole catalogue and ``ndcg10``. ``partition`` says which users are tested:
    0 to 4 test each user once, 5 to 9 again with other company. ``low`` and ``high`` are the ends of the scale; nan
    finds them. ``simulated`` needs no file. Users with no rating beyond the support are left out, with a notice.

    Raises UserError for a file that is no table of ratings, ratings out of scale, and too few users.
    """

    splits: tuple[Split, ...] = ("train", "val", "test")

    def __init__(
        self,
        *,
        order: Literal["random", "time"] = "random",
        judge: Literal["ratings", "ranking"] = "ratings",
        partition: int = 0,
        path: str = MOVIELENS,
        low: float = math.nan,
        high: float = math.nan,
        simulated: bool = False,
    ) -> None:
        if partition < 0:
            raise UserError(f"the partition of ratings is {partition}; expected 0 or more.")
        if low >= high:
            raise UserError(f"the scale of ratings is from {low:g} to {high:g}; expected low below high.")
        found = held(path) if path == MOVIELENS else find(path)
        ratings, content, fingerprint = simulate() if simulated else read(found, low, high)
        self.ratings, self.content, self.order, self.judge = ratings, content, order, judge
        where = "simulated" if simulated else str(found)
        self._check(where)
        value = ratings.value
        none = 0.0 if ratings.clicks else float(value.min())
        self.low = none if math.isnan(low) else low
        self.high = float(value.max()) if math.isnan(high) else high
        self.users = dict(zip(self.splits, divided(len(ratings.users), partition), strict=True))
        self.start, self.count = places(ratings.user, len(ratings.users))
        self.liked = 0.5 if ratings.clicks else self.low + LIKED * (self.high - self.low)
        spread = float(value[self._training].std()) if not ratings.clicks else 0.5
        self.scale = max(spread, 1e-3 * max(self.high - self.low, 1e-6))
        self.y = self.in_units(value)
        self.space = "simulated" if simulated else found.name
        options = [":order=time"] * (order == "time") + [":judge=ranking"] * (judge == "ranking")
        options += [f":partition={partition}"] * (partition > 0)
        options += [f":path={quote(str(found), '/ ')}"] * (path != MOVIELENS and not simulated)
        options += [f":{name}={end:g}" for name, end in (("low", low), ("high", high)) if not math.isnan(end)]
        self.spec = Spec(
            name="ratings" + "".join(options) + ":simulated=true" * simulated,
            kind="regression",
            shape=(len(COLUMNS) + len(content.names),),
            outputs=1,
            metric="rmse" if judge == "ratings" else "recall10",
            shot_unit="rating",
            form="ratings",
            names=(*COLUMNS, *content.names),
            fingerprint=fingerprint,
        )
        self.cached = f"{fingerprint}-{partition}-{low:g}-{high:g}" if fingerprint else ""
        self._told: set[tuple[str, int]] = set()

    def _check(self, where: str) -> None:
        users, items = len(self.ratings.users), len(self.ratings.items)
        if users < FEWEST_USERS:
            raise UserError(
                f"{where} has ratings of {users} users; expected {FEWEST_USERS} or more, for some are tested."
            )
        if users * items > MOST_CELLS:
            raise UserError(
                f"{where} has {users} users and {items} items: their table would have {users * items:.0e} cells, and "
                f"there is room for {MOST_CELLS:.0e}. Keep fewer users, or the items that are rated often."
            )
        if self.ratings.clicks and self.judge == "ratings":
            raise UserError(f"{where} has no ratings but clicks, which can only be ranked. Use judge=ranking.")
        if self.order == "time" and not self.ratings.timed:
            raise UserError(f"{where} has no times, so nothing is first in time. Use order=random.")

    def in_units(self, value: Tensor) -> Tensor:
        """Ratings as learners see them."""
        return (value - self.liked) / self.scale

    def in_stars(self, y: Tensor) -> Tensor:
        """Answers in the file's own units, within its scale."""
        return (y * self.scale + self.liked).clamp(self.low, self.high)

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] users; each of the split in turn, in an order of the seed's. ``way`` is ignored."""
        users = self._eligible(check_split(self, split), shot)
        check_counts(query=query)
        check_counts(least=0, shot=shot)
        turn = users[draw.mix(users ^ draw.salt("turns", split, seed)).argsort()]
        user = turn[index % len(turn)]
        key = draw.keys(index, "ratings", split, seed)
        count = self.count[user].unsqueeze(-1)
        at, there = self._places(key, count, shot, min(query, int(count.max())))
        row = self.start[user].unsqueeze(-1) + at
        item, y = self.ratings.item[row], self.y[row].unsqueeze(-1)
        if self.judge == "ranking":
            others, free = self._unrated(user, key)
            item, there = torch.cat([item, others], 1), torch.cat([there, free], 1)
            y = torch.nn.functional.pad(y, (0, 0, 0, UNRATED), value=float(self.in_units(torch.tensor(self.low))))
        both = Examples(self.x(self.fold[user], item, self.era[user]), y, there)
        support, asked = (Examples(*(leaf[:, part] for leaf in both)) for part in (slice(shot), slice(shot, None)))
        return Task(support, asked, classes=key.new_zeros((len(index), 0)), unit=user, key=key)

    def _eligible(self, split: Split, shot: int) -> Tensor:
        users = self.users[split]
        enough = users[self.count[users] > shot]
        if not len(enough):
            most = int(self.count[users].max())
            raise UserError(
                f"--shot is {shot}, but no user of {self.spec.name}, split {split}, has more than {most} ratings, and "
                f"one must be left for the query. Ask for at most {most - 1}."
            )
        if len(enough) < len(users) and (split, shot) not in self._told:
            self._told.add((split, shot))
            notice(
                f"{self.spec.name}, split {split}: left out {len(users) - len(enough)} of {len(users)} users, who have "
                f"no rating beyond {shot}."
            )
        return enough

    def _places(self, key: Tensor, count: Tensor, shot: int, query: int) -> tuple[Tensor, Tensor]:
        """Places among a user's ratings [T, shot + query], and which of them are there."""
        slot = torch.arange(int(count.max()))
        if self.order == "time":
            support = slot[:shot].expand(len(key), -1)
            rest = (slot >= shot) & (slot < count)
            asked = draw.order(key, len(slot), "queries", query, allowed=rest)
        else:
            ranked = draw.order(key, len(slot), "ratings", allowed=slot < count)
            support = ranked[:, :shot]
            asked = ranked.gather(1, (count - 1 - slot[:query]).clamp(min=0))
        there = slot[:query] < count - shot
        at = torch.cat([support, torch.where(there, asked, 0)], 1)
        return at, torch.cat([torch.ones_like(support, dtype=torch.bool), there], 1)

    def _unrated(self, user: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """[T, UNRATED] items that the users did not rate, and whether there are so many.

        Half of them are any of the catalogue, half are drawn as often as training users rate them, for it is among
        those that a list of ten is decided.
        """
        drawn = draw.bits(key, 4 * UNRATED, "unrated")
        rows = self._training.nonzero()[:, 0]
        even = torch.arange(4 * UNRATED) % 2 == 0
        item = torch.where(even, drawn % len(self.ratings.items), self.ratings.item[rows[drawn % len(rows)]])
        free = self.rated(user).isnan().gather(1, item)
        first = free.to(torch.int8).argsort(dim=-1, descending=True, stable=True)[:, :UNRATED]
        return item.gather(1, first), free.gather(1, first)

    def tasks(self, split: Split) -> WholeTasks:
        """Every user's ratings, in order of time."""
        users = self.users[check_split(self, split)].tolist()

        def whole(number: int) -> Examples:
            user = users[number]
            part = slice(int(self.start[user]), int(self.start[user] + self.count[user]))
            x = self.x(self.fold[user : user + 1], self.ratings.item[part].unsqueeze(0), self.era[user : user + 1])[0]
            return Examples(x, self.y[part].unsqueeze(-1), torch.ones(len(x), dtype=torch.bool))

        return WholeTasks(len(users), whole)

    def members(self, split: Split) -> frozenset[str] | None:
        """The users' ids, behind the name of the file."""
        users = self.users[check_split(self, split)].tolist()
        return frozenset(f"{self.space}/user {self.ratings.users[user]}" for user in users)

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """``rmse`` and ``ndcg10``, or ``recall10`` and ``ndcg10`` [T]; see ``ranking``."""
        if self.judge == "ratings":
            found = predict(task.query.x, task.query.mask)[0].squeeze(-1)
            true, mask = self.in_stars(task.query.y).squeeze(-1), task.query.mask
            error = torch.where(mask, self.in_stars(found) - true, 0).square().sum(-1) / mask.sum(-1).clamp(min=1)
            return {"rmse": error.sqrt(), "ndcg10": ranking.ndcg(found, self._gain(true), mask)}
        unit = task.unit.cpu()
        every = self.catalogue(self.era[unit]).to(task.query.x)
        found = predict(every, torch.ones(every.shape[:2], dtype=torch.bool, device=every.device))[0].squeeze(-1).cpu()
        rated = self.rated(unit)
        support = (task.support.x[..., 0] * ITEM).round().long().cpu()
        known = torch.zeros_like(rated, dtype=torch.bool).scatter_(1, support, task.support.mask.cpu())
        held_out = ~known & rated.isfinite()
        return {
            "recall10": ranking.recall(found, held_out & (rated >= 0), ~known),
            "ndcg10": ranking.ndcg(found, self._gain(self.in_stars(rated.nan_to_num(0.0))), held_out),
        }

    def _gain(self, stars: Tensor) -> Tensor:
        """2^s - 1, s from 0 to 5 over the scale."""
        return torch.exp2(5 * (stars - self.low) / max(self.high - self.low, 1e-6)) - 1


def divided(users: int, partition: int) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of the users who are trained on, validated on and tested on."""
    shuffled = draw.order(draw.keys(torch.tensor([partition // 5]), "users"), users, "partition")[0]
    tenth = torch.zeros(users, dtype=torch.int64)
    tenth[shuffled] = torch.arange(users) % TENTHS
    first = 2 * (partition % 5)
    test = (tenth == first) | (tenth == first + 1)
    val = tenth == (first + 2) % TENTHS
    return tuple(part.nonzero(as_tuple=True)[0] for part in (~test & ~val, val, test))  # type: ignore[return-value]


def places(user: Tensor, users: int) -> tuple[Tensor, Tensor]:
    """[U] each user's first row, and how many follow."""
    count = torch.bincount(user, minlength=users)
    return count.cumsum(0) - count, count
