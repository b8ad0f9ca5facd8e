"""What one may like of a catalogue, for the page: a learner of ratings, from a run that was given or trained here.

A question brings all of a user's ratings along, and nothing of them is kept: what is learnt from them is a value.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from quickstudy import learners, runs
from quickstudy.errors import UserError
from quickstudy.estimator import source
from quickstudy.estimator.because import effects
from quickstudy.learners.base import Learner
from quickstudy.learners.tastes.rated import tells_ratings
from quickstudy.server.refusals import RefusedError
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import Examples
from quickstudy.tasks.places import held
from quickstudy.tasks.tastes.ratings import MOVIELENS, UserRatings
from quickstudy.trainer import train
from quickstudy.training import TrainConfig, Training

LEARNER = "ridgeratings"
REAL, INVENTED = "ratings", "ratings:simulated=true"
MOST_RATINGS = 100
BEST, NEXT = 10, 90
"""Items that are told with their reasons, and those of which only the order is."""
REASONS = 3
RECIPE = TrainConfig(device="cpu")
"""Of a training here."""
LEAST = 0.005
"""Smaller effects, in units of a rating, are not told."""


@dataclass(frozen=True)
class Rated:
    """One rating of a user."""

    item: str
    rating: float


@dataclass(frozen=True)
class Recommender:
    """A learner, and the catalogue that it chooses from."""

    learner: Learner
    family: UserRatings
    name: str
    """What it was called when the server was started; empty where it was trained here."""
    seconds: float = 0.0
    """How long that took."""

    @cached_property
    def x(self) -> Tensor:
        """[M, inputs] of every item for one who comes after all others."""
        return self.family.catalogue()

    @property
    def items(self) -> Sequence[str]:
        return self.family.ratings.items

    @property
    def titles(self) -> Sequence[str]:
        return self.family.content.titles

    @cached_property
    def places(self) -> dict[str, int]:
        return {item: place for place, item in enumerate(self.items)}

    @cached_property
    def liked(self) -> Tensor:
        """[M] int64 places of the items, those that most users like first."""
        return self.x[:, self.family.spec.names.index("likes")].argsort(descending=True, stable=True)

    @cached_property
    def _searched(self) -> list[tuple[str, int]]:
        return [(f" {folded(self.titles[place])}", place) for place in self.liked.tolist()]

    @cached_property
    def scale(self) -> dict[str, float]:
        """The ends, and the step between two ratings that people gave."""
        steps = self.family.ratings.value.double().unique().diff()
        return {
            "low": self.family.low,
            "high": self.family.high,
            "step": round(float(steps.min()), 6) if len(steps) else self.family.high - self.family.low,
        }

    @property
    def tells_ratings(self) -> bool:
        """Whether its numbers are ratings."""
        return tells_ratings(self.learner)

    def about(self) -> dict[str, Any]:
        """What it is, for people."""
        return {
            "name": self.name,
            "learner": learners.name_of(type(self.learner)),
            "tasks": self.family.spec.name,
            "data": self.family.space,
            "invented": self.family.space == "simulated",
            "users": len(self.family.users["train"]),
            "items": len(self.items),
            "seconds": round(self.seconds, 1),
            "scale": self.scale,
            "tells_ratings": self.tells_ratings,
        }

    def ready(self) -> Recommender:
        """Itself, with all made that is made once."""
        self.recommend([Rated(self.items[0], self.family.high)])
        self.search("a", 1)
        return self

    def search(self, text: str, most: int) -> list[dict[str, str]]:
        """Items with every word of ``text`` in their titles, those with words that begin so first, then the best liked.

        Without a word those that most like.
        """
        words = folded(text).split()
        found = [(title, place) for title, place in self._searched if all(word in title for word in words)]
        found.sort(key=lambda one: not all(f" {word}" in one[0] for word in words))
        return [self._named(place) for _, place in found[:most]]

    def _named(self, place: int) -> dict[str, str]:
        return {"item": self.items[place], "title": self.titles[place]}

    @torch.no_grad()
    def recommend(self, told: Sequence[Rated]) -> dict[str, Any]:
        """The best of what the user has not rated, each with his ratings that did most to raise or lower it.

        Without ratings what most like.
        """
        at, support = self._support(told)
        adapted, everything = self.learner.adapt(support), torch.ones(len(self.x), dtype=torch.bool)
        mean: Tensor = self.learner.predict(adapted, self.x, everything)[0]
        if not bool(mean.isfinite().all()):
            raise RefusedError("learning from these ratings diverged: the answer is not a finite number.")
        order = mean[:, 0].argsort(descending=True, stable=True) if told else self.liked
        order = order[~torch.isin(order, at)][: BEST + NEXT] if told else order[: BEST + NEXT]
        best = order[:BEST]
        unit = self.family.scale if self.tells_ratings else 1.0
        effect = unit * effects(self.learner, support, self.x[best])[1][..., 0].T if told else torch.zeros(len(best), 0)
        stars = self.family.in_stars(mean[best, 0]).tolist() if self.tells_ratings else [None] * len(best)
        rows = zip(best.tolist(), stars, effect.tolist(), strict=True)
        return {
            "items": [
                self._named(place) | {"rating": own, "because": self._why(told, why)} for place, own, why in rows
            ],
            "next": [self.items[place] for place in order[BEST:].tolist()],
        }

    def _why(self, told: Sequence[Rated], effect: list[float]) -> list[dict[str, Any]]:
        """The ratings with the largest effects, the largest first."""
        largest = sorted(zip(effect, told, strict=True), key=lambda pair: -abs(pair[0]))[:REASONS]
        return [
            self._named(self.places[one.item]) | {"rating": one.rating, "effect": value}
            for value, one in largest
            if abs(value) >= LEAST
        ]

    def _support(self, told: Sequence[Rated]) -> tuple[Tensor, Examples]:
        """Places of the items [n], and the ratings as examples; without any, one that is masked out."""
        low, high = self.family.low, self.family.high
        seen: set[str] = set()
        for one in told:
            if one.item not in self.places:
                raise RefusedError(f"there is no item {one.item[:80]!r}. GET /v1/for-you/items finds items by title.")
            if one.item in seen:
                raise RefusedError(f"the item {one.item[:80]!r} is rated twice. Keep one of the two.")
            if not low <= one.rating <= high:
                raise RefusedError(f"a rating of {one.item[:80]!r} is {one.rating:g}; expected {low:g} to {high:g}.")
            seen.add(one.item)
        at = torch.tensor([self.places[one.item] for one in told] or [0])
        y = self.family.in_units(torch.tensor([one.rating for one in told] or [low])).unsqueeze(-1)
        return at, Examples(self.x[at], y, torch.full((len(at),), bool(told)))


def folded(text: str) -> str:
    """``text`` in small letters without accents, words apart by single spaces."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join("".join(one if one.isalnum() else " " for one in plain.casefold()).split())


def divided(weights: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """``weights`` that learn ratings, and all others; UserError for more than one of the former."""
    tastes = {name: place for name, place in weights.items() if name != source.PLAIN and _rates(place)}
    if len(tastes) > 1:
        raise UserError(f"--weights has {' and '.join(tastes)}, which all learn ratings. Give one of them.")
    if files := [place for place in tastes.values() if Path(place).is_file()]:
        raise UserError(f"{files[0]} is a saved regressor of ratings. Give the folder of the run that it is made from.")
    return tastes, {name: place for name, place in weights.items() if name not in tastes}


def _rates(place: str) -> bool:
    spec = source.spec_of(place)
    return spec is not None and spec.form == "ratings"


def given(name: str, place: str) -> Recommender:
    """That of a run; UserError where its ratings are not there."""
    run = runs.load(Path(place).expanduser())
    family = load_tasks(run.spec.name)
    assert isinstance(family, UserRatings)
    if family.spec.names != run.spec.names:
        raise UserError(f"the ratings of {place} have changed since it was trained. Train it again on those of today.")
    return Recommender(run.learner().eval(), family, name).ready()


def tasks_here() -> str:
    """MovieLens where it is, else people and items that do not exist."""
    return REAL if held(MOVIELENS).exists() else INVENTED


def trained(tasks: str, heard: Callable[[int, int], None]) -> Recommender:
    """One that is trained here in seconds; ``heard`` is told steps done and in all, and may raise to end it."""
    start = time.perf_counter()
    family = load_tasks(tasks)
    assert isinstance(family, UserRatings)

    def progress(training: Training, metrics: dict[str, Any]) -> None:
        heard(training.step, training.steps)

    with TemporaryDirectory() as folder:
        run = train(LEARNER, family, RECIPE, out=Path(folder) / "run", progress=progress)
        learner = run.learner()
    return Recommender(learner.eval(), family, "", time.perf_counter() - start).ready()
