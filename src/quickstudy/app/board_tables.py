"""Tables of a leaderboard: rows that were asked the same tasks, in order, with ties said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from quickstudy.app.board_families import Family, families
from quickstudy.app.board_rows import Row
from quickstudy.challenge.rank import rank as rank_challenge
from quickstudy.comparison import places
from quickstudy.evaluation import Difference

PAIRED = "Ties by a paired bootstrap over the same tasks."
OVERLAP = "Ties where 95 % intervals overlap; these rows keep no scores of single tasks, by which they could be paired."


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows from the best to the worst; those without a place last."""

    slug: str
    title: str
    about: str
    rows: list[Row]
    ranks: list[tuple[int, int] | None]
    """Of each row the best and worst place that is left open; None for one that is not ranked."""
    ties: str
    """How ties were found."""
    families: list[Family]
    """Of a challenge with several."""

    @property
    def challenge(self) -> bool:
        return self.rows[0].challenge

    @property
    def metric(self) -> str:
        return self.rows[0].metric

    @property
    def higher(self) -> bool:
        return self.rows[0].higher


def tables(rows: Sequence[Row]) -> list[Table]:
    """Challenges first, then the others by their titles."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(row.same, []).append(row)
    ordered = sorted(groups.values(), key=lambda some: (not some[0].challenge, some[0].title, -len(some)))
    made: list[Table] = []
    for some in ordered:
        number = sum(one.title == some[0].title for one in made)
        made.append(table(some, slug(some[0].title) + (f"-{number + 1}" if number else "")))
    return made


def slug(text: str) -> str:
    """A name for files and places on a page."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "entry"


def table(rows: Sequence[Row], name: str) -> Table:
    """Rows of the same tasks in order."""
    first = rows[0]
    ranked, spans = by_bootstrap(rows) if first.challenge else by_intervals(rows)
    rest = [row for row in rows if row not in ranked]
    return Table(
        slug=name,
        title=first.title,
        about=first.about,
        rows=[*ranked, *rest],
        ranks=[*spans, *(None for _ in rest)],
        ties=PAIRED if first.challenge else OVERLAP,
        families=families(ranked),
    )


def by_bootstrap(rows: Sequence[Row]) -> tuple[list[Row], list[tuple[int, int]]]:
    """Those that have a place, by ``challenge rank``."""
    by_name = {row.name: row for row in rows}
    ranking = rank_challenge([row.value | {"entry": row.name} for row in rows])
    return [by_name[one.row["entry"]] for one in ranking.ranked], [one.place for one in ranking.ranked]


def by_intervals(rows: Sequence[Row]) -> tuple[list[Row], list[tuple[int, int]]]:
    """Those that have a score; two are apart where their intervals are."""
    ranked = sorted(
        (row for row in rows if row.score.mean is not None),
        key=lambda row: -(row.score.mean or 0) if row.higher else (row.score.mean or 0),
    )
    pairs = [
        Difference(
            one.name,
            other.name,
            abs((one.score.mean or 0) - (other.score.mean or 0)),
            sum(float("inf") if row.score.ci95 is None else row.score.ci95 for row in (one, other)),
        )
        for one, other in combinations(ranked, 2)
    ]
    return ranked, places([row.name for row in ranked], pairs)
