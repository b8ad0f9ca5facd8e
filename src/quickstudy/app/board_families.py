"""The families of a challenge one by one: who takes part in which, what it is worth there, and its place."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from quickstudy.app.board_rows import Row
from quickstudy.app.markup import NONE, TO
from quickstudy.challenge.rank import on_family, rank

EVERY = "*"
"""What a row is found by that takes part in every family of its table."""


class Family(NamedTuple):
    """A column of a table."""

    number: int
    """Among the families of the challenge."""
    label: str
    ranks: dict[str, tuple[int, int]]
    """Best and worst place that is left open, of each entry that takes part and is ranked."""


def families(rows: Sequence[Row]) -> list[Family]:
    """Those of a challenge, each ranked by itself among the entries that take part; none where there is one alone."""
    names = [part.tasks for part in rows[0].parts] if rows else []
    if len(names) < 2:
        return []
    return [Family(number, label, ranked(rows, number)) for number, label in enumerate(labels(names))]


def labels(names: Sequence[str]) -> list[str]:
    """The families' names without options, where those are not needed to tell them apart."""
    short = [name.partition(":")[0] for name in names]
    told = [one if short.count(one) == 1 else name for one, name in zip(short, names, strict=True)]
    return [one if told.count(one) == 1 else f"{one} {number + 1}" for number, one in enumerate(told)]


def ranked(rows: Sequence[Row], number: int) -> dict[str, tuple[int, int]]:
    """By a paired bootstrap over the tasks of that family."""
    taking = on_family([row.value | {"entry": row.name} for row in rows], number)
    return {one.row["entry"]: one.place for one in rank(taking).ranked} if taking else {}


def words(tasks: str) -> set[str]:
    """Names of the families that ``tasks`` is made of: omniglot and glyphs of ``omniglot:size=32,glyphs+warp``."""
    return {one.partition(":")[0].partition("+")[0] for one in tasks.split(",")}


def found_by(row: Row) -> list[str]:
    """The families by which a row is found."""
    if not row.parts:
        return [*sorted(words(row.value["tasks"])), EVERY]
    done = [part for part in row.parts if part.done]
    return sorted(set().union(*(words(part.tasks) for part in done))) + [EVERY] * (not partly(row))


def partly(row: Row) -> str:
    """``1 of 3 families``; empty where a row takes part in all."""
    done = sum(part.done for part in row.parts)
    return "" if done == len(row.parts) else f"{done} of {len(row.parts)} families"


def place(span: tuple[int, int] | None) -> str:
    """A rank in words: 1, or 2 to 3."""
    return NONE if span is None else TO.join(map(str, dict.fromkeys(span)))


def legend(rows: Sequence[Row], some: Sequence[Family]) -> str:
    """What the columns of families say."""
    if not some:
        return ""
    text = " Below a family's score is the place there, among those that take part in it, with ties alike."
    if any(partly(row) for row in rows):
        text += (
            " Who takes part in some families alone is marked below the name, has 0 in the others, and is a ring in "
            "the plots. To compare on one family, choose it above."
        )
    return text


def listed(row: Row, some: Sequence[Family]) -> list[dict[str, Any]]:
    """The same as JSON has it."""
    found = []
    for part, one in zip(row.parts, some, strict=False):
        place = one.ranks.get(row.name)
        score = {"mean": part.score.mean, "ci95": part.score.ci95}
        found.append({"tasks": part.tasks, "takes_part": part.done, "score": score, "rank": place and list(place)})
    return found


def heading(one: Family) -> str:
    """The attribute by which a column is found that the filter names."""
    return f' data-family="{escape(one.label.partition(":")[0])}"'
