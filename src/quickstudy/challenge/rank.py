"""Who is ahead, and who cannot be told apart: paired bootstrap over the same tasks.

Efron and Tibshirani (1993), "An Introduction to the Bootstrap". Units of each block are drawn with replacement, the
same for all entries; half the width of a difference's interval is the distance within which 95 % of the drawn
differences are of the one that was found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import quickstudy
from quickstudy.challenge.run import FORMAT
from quickstudy.comparison import places, told_apart
from quickstudy.errors import UserError, reason, unknown
from quickstudy.evaluation import Difference

DRAWS = 2000
CRITERIA = {
    "score": lambda block: block["scores"],
    "examples": lambda block: block["curve"]["areas"],
    "time": lambda block: block["time"]["areas"],
}
"""What a ranking can go by: a value for each task."""
NEEDED = ("format", "challenge", "suite", "entry", "seed", "version", "blocks", "breaks_the_rules", "score")


NAMED = 3
"""Entries that an error names of each kind."""
SEALED = "csv"
"""The form of an entry that is a table of answers."""


class NoRowError(UserError):
    """A JSON file that holds no row."""

    def found_in(self, folder: Path) -> UserError:
        """The same of a file that nobody named, among the rows of a folder."""
        return UserError(f"{self} Take it out of {folder}.")


class VersionError(UserError):
    """A row of another version, which cannot stand beside those of this one."""


class Ranked(NamedTuple):
    """A row in its place."""

    row: dict[str, Any]
    mean: float
    place: tuple[int, int]
    """Best and worst that the differences leave open."""


class Ranking(NamedTuple):
    """Rows from the best to the worst."""

    ranked: list[Ranked]
    differences: list[Difference]
    """Of every pair, the better one first."""
    left_out: list[tuple[dict[str, Any], str]]
    """Rows that are not ranked, and why."""


def read(path: Path | str) -> dict[str, Any]:
    """The row in a file. NoRowError for what is none, VersionError for one of another version."""
    try:
        row = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NoRowError(
            f"{path} is no row of a challenge ({reason(error)}). `quickstudy challenge run` makes them."
        ) from error
    if not isinstance(row, dict) or any(name not in row for name in NEEDED):
        raise NoRowError(f"{path} is a JSON file, and no row of a challenge. `quickstudy challenge run` makes them.")
    check_version(path, row)
    return row


def check_version(path: Path | str, row: dict[str, Any]) -> None:
    """VersionError for a row, of a challenge or not, of a version that is still to come here, or whose scores are on a
    scale that is no longer used."""
    said, form = row.get("version"), row.get("format", 0) if "challenge" in row else 0
    if not isinstance(form, int) or form > FORMAT:
        raise VersionError(
            f"{path} is a row of format {form} (quickstudy {said}), and this is quickstudy {quickstudy.__version__}, "
            f"which reads up to {FORMAT}. Upgrade it, or leave the row out."
        )
    if "challenge" in row and form < FORMAT:
        raise VersionError(
            f"{path} is a row of format {form}, whose scale was another than that of format {FORMAT}. Make it again: "
            f"{row.get('command') or 'quickstudy challenge score'}"
        )
    if isinstance(said, str) and numbers(said) > numbers(quickstudy.__version__):
        raise VersionError(
            f"{path} is of quickstudy {said}, and this is {quickstudy.__version__}. Upgrade it, or leave the row out."
        )


def numbers(version: str) -> tuple[int, ...]:
    """Those of a version, to be compared."""
    return tuple(int(one) for one in re.findall(r"\d+", version)[:3])


def rank(rows: Sequence[dict[str, Any]], by: str = "score") -> Ranking:
    """Rows of one challenge and seed from the best to the worst. UserError where they are not of the same tasks."""
    if by not in CRITERIA:
        raise unknown("criterion", by, CRITERIA)
    check_same(rows)
    counted, left_out = [], []
    for row in rows:
        why = unplaced(row, by)
        if why:
            left_out.append((row, why))
        else:
            counted.append(row)
    names = [row["entry"] for row in counted]
    if len({*names}) < len(names):
        raise UserError("two rows are of entries with the same name. Give one of them another: run --name.")
    drawn, means = resampled(counted, by)
    order = sorted(range(len(counted)), key=lambda at: -means[at])
    pairs = []
    for first, second in combinations(order, 2):
        mean = float(means[first] - means[second])
        off = np.abs(drawn[first] - drawn[second] - mean)
        pairs.append(Difference(names[first], names[second], mean, float(np.quantile(off, 0.95))))
    spans = places([names[at] for at in order], pairs)
    ranked = [Ranked(counted[at], float(means[at]), span) for at, span in zip(order, spans, strict=True)]
    return Ranking(ranked, pairs, left_out)


def on_family(rows: Sequence[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The rows of those that take part in the family with that number, as if it were the whole challenge."""
    found = []
    for row in rows:
        block = row["blocks"][number]
        if takes_part(block):
            areas = {"area_by_examples": block["curve"]["area"], "area_by_time": block["time"]["area"]}
            found.append(row | {"blocks": [block], "score": block["score"]} | areas)
    return found


def takes_part(block: dict[str, Any]) -> bool:
    """Whether any task of a family was answered: some learners do one kind alone."""
    return bool(block.get("answered", True))


def check_same(rows: Sequence[dict[str, Any]]) -> None:
    """UserError unless all rows are of the same tasks."""
    if not rows:
        raise UserError("there is nothing to rank. Give at least one row: challenge rank results/*.json")
    told: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        told.setdefault((row["suite"], row["seed"], *(block["manifest"] for block in row["blocks"])), []).append(row)
    if len(told) > 1:
        several = "; ".join(map(same, told.values()))
        raise UserError(
            f"these rows are of different tasks: {several}. Rank those of one seed, and make those anew that are older "
            f"than the challenge's file."
        )


def same(rows: Sequence[dict[str, Any]]) -> str:
    """What rows of the same tasks are of, and whose they are."""
    first, names = rows[0], [str(row["entry"]) for row in rows]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"{', '.join(names[:NAMED])}{more} of {first['challenge']} ({first['suite']}, seed {first['seed']}, "
        f"quickstudy {first['version']})"
    )


def unplaced(row: dict[str, Any], by: str) -> str:
    """Why a row has no place; empty where it has one."""
    if row["breaks_the_rules"]:
        return "its answers depend on the other queries, and the challenge is inductive"
    if by == "examples" and any(block["curve"]["areas"] is None for block in row["blocks"]):
        return "it has no curve over examples"
    if by == "time" and row.get("form") == SEALED:
        return "it is a table of answers, which says nothing of times"
    if by == "time" and not all(block["time"]["holds"] for block in row["blocks"]):
        return "its timing is void: the reference workload drifted by more than 10 %"
    return ""


def resampled(rows: Sequence[dict[str, Any]], by: str) -> tuple[np.ndarray, np.ndarray]:
    """Means [rows, draws] over blocks of means over drawn units, and the means [rows] themselves."""
    blocks = len(rows[0]["blocks"]) if rows else 0
    drawn, means = np.zeros((len(rows), DRAWS)), np.zeros(len(rows))
    for number in range(blocks):
        values = np.stack([unit_means(row["blocks"][number], CRITERIA[by](row["blocks"][number])) for row in rows])
        values = values[:, ~np.isnan(values).any(0)]
        if not values.shape[1]:
            continue
        chosen = np.random.RandomState(number).randint(values.shape[1], size=(DRAWS, values.shape[1]))
        counts = np.stack([np.bincount(each, minlength=values.shape[1]) for each in chosen])
        drawn += values @ counts.T / values.shape[1] / blocks
        means += values.mean(1) / blocks
    return drawn, means


def unit_means(block: dict[str, Any], values: Sequence[float | None]) -> np.ndarray:
    """Of each unit, in the order of their ids; NaN where a unit has none."""
    told = np.array([np.nan if value is None else value for value in values], dtype=float)
    _, which = torch.tensor(block["unit_ids"][: len(told)]).unique(return_inverse=True)
    there = ~np.isnan(told)
    sums = np.bincount(which.numpy()[there], told[there], minlength=int(which.max()) + 1)
    counts = np.bincount(which.numpy()[there], minlength=int(which.max()) + 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def apart(ranking: Ranking) -> list[Difference]:
    """Those pairs that cannot be told apart."""
    return [pair for pair in ranking.differences if not told_apart(pair)]
