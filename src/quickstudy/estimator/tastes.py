"""A user's ratings as examples, and a catalogue to choose from.

    regressor = FewShotRegressor(weights="runs/ratings").fit("mine.csv")        # a table of titles and ratings
    regressor.predict(None)                                                     # of every item of the catalogue

The catalogue is that of the family that the run was trained on. A saved estimator brings it along, so that it needs no
data. Numbers are in the family's standard units; ``told`` makes ratings of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from quickstudy.errors import UserError, unknown
from quickstudy.estimator.inputs import Array, Found
from quickstudy.estimator.records import Records, Told, spelt, spoken, spread
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import Form, Spec
from quickstudy.tasks.cells import number
from quickstudy.tasks.tabular.csv_table import numbered
from quickstudy.tasks.tastes.catalogues import columns_of
from quickstudy.tasks.tastes.ratings import UserRatings

BREAK = "\n"


class Catalogue(NamedTuple):
    """What there is to choose from."""

    x: Array
    """[M, inputs] float32."""
    titles: list[str]
    items: list[str]
    """Their ids."""
    units: tuple[float, float, float, float]
    """Rating at 0, rating in a unit, and the ends of the scale."""


class Tastes(Records):
    """Items that one user has rated."""

    form: ClassVar[Form] = "ratings"
    example: ClassVar[str] = "rating"

    def __init__(self, spec: Spec, tells_ratings: bool = True) -> None:
        super().__init__(spec)
        self.comparable = tells_ratings

    @cached_property
    def catalogue(self) -> Catalogue:
        """That of the family; UserError where its data are not there."""
        family = load_tasks(self.spec.name)
        assert isinstance(family, UserRatings)
        units = family.liked, family.scale, family.low, family.high
        return Catalogue(family.catalogue().numpy(), [*family.content.titles], [*family.ratings.items], units)

    def read(self, X: Any, owner: BaseEstimator, first: bool) -> Array:
        """The whole catalogue for None, else as of other records."""
        return self.catalogue.x if X is None else super().read(X, owner, first)

    def read_place(self, place: Path) -> Found:
        """Every line of a table with a column of items, by id or title, and one of ratings."""
        found = self._lines(place)
        known = np.isfinite(found.targets)
        if not known.any():
            raise UserError(f"{place} has no rating. Expected columns such as title and rating.")
        return Found(*(part[known] for part in found))

    def questions(self, place: Path | None) -> Found:
        """The items of a table that have no rating; without one, all items of the catalogue."""
        if place is None:
            kept = self.catalogue.x
            return Found(kept, np.full(len(kept), np.nan), np.array(self.catalogue.titles))
        found = self._lines(place)
        asked = ~np.isfinite(found.targets)
        if not asked.any():
            raise UserError(f"every item of {place} has a rating. Leave it empty, or write ?, where it is asked for.")
        return Found(*(part[asked] for part in found))

    def told(self, kept: Array, mean: Array, std: Array | None) -> list[list[Told]]:
        """Ratings on the scale of the training's; of a learner that only orders its scores, which have none."""
        if not self.comparable:
            return [[Told("score", "", float(value))] for value in mean[:, 0]]
        zero, unit, low, high = self.catalogue.units
        stars = np.clip(zero + unit * np.stack(spread(mean, std), -1)[:, 0], low, high)
        return [[Told("rating", "", *map(float, row))] for row in stars]

    def ordered(self, told: Sequence[tuple[str, list[Told]]]) -> list[tuple[str, list[Told]]]:
        """The best first."""
        return sorted(told, key=lambda line: -line[1][0].value)

    def note(self) -> dict[str, Array]:
        known = self.catalogue
        words = {"titles": known.titles, "items": known.items}
        return {
            "x": known.x,
            "units": np.array(known.units),
            **{name: spelt(BREAK.join(own)) for name, own in words.items()},
        }

    def restore(self, kept: dict[str, Array]) -> None:
        titles, items = (spoken(kept[name]).split(BREAK) for name in ("titles", "items"))
        zero, unit, low, high = map(float, kept["units"])
        self.catalogue = Catalogue(kept["x"], titles, items, (zero, unit, low, high))

    def _lines(self, place: Path) -> Found:
        """Every line of the table, with NaN where there is no rating."""
        header, cells = numbered(place, least=1)
        column = columns_of(header)
        user = column.get("user")
        if user is not None and len(people := sorted({row[user] for _, row in cells})) > 1:
            raise UserError(f"{place} has ratings of {len(people)} users ({', '.join(people[:5])}); expected one.")
        at = column.get("title", column.get("item"))
        if at is None:
            raise UserError(f"{place} has no column of items. Expected title, or item for ids, and rating.")
        named = self.catalogue.titles if "title" in column else self.catalogue.items
        places = {name.lower(): number for number, name in reversed(list(enumerate(named)))}
        zero, unit, low, high = self.catalogue.units
        rows, values, seen = [], [], dict[str, int]()
        for line, row in cells:
            name = row[at]
            if name.lower() not in places:
                raise UserError(f"line {line} of {place}: {unknown('item', name, named)}")
            if name.lower() in seen:
                raise UserError(
                    f"line {line} of {place} rates {name} again, after line {seen[name.lower()]}. Keep one."
                )
            seen[name.lower()] = line
            rows.append(places[name.lower()])
            values.append(_rating(row, column.get("rating"), (low, high), f"line {line} of {place}"))
        targets = (np.array(values) - zero) / unit
        return Found(self.catalogue.x[rows], targets, np.array([named[at] for at in rows]))


def _rating(row: list[str], at: int | None, scale: tuple[float, float], where: str) -> float:
    """NaN where there is none; UserError for what is no rating of the scale."""
    cell = "" if at is None else row[at]
    if cell in ("", "?"):
        return float("nan")
    value = number(cell)
    if value is None or not scale[0] <= value <= scale[1]:
        raise UserError(f"{where}: the rating is {cell!r}; expected a number from {scale[0]:g} to {scale[1]:g}.")
    return value
