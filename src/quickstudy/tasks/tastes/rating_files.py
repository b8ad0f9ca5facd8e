"""Readers of ratings: MovieLens' ratings.csv and movies.csv, or any CSV with users, items and, where there are any,
ratings and times. Rows without a rating in a file that has such a column are left out and counted; a file without the
column is one of implicit clicks: every row is one, and liked.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks.places import notice
from quickstudy.tasks.tastes.catalogues import Content, content_of, rows_of, text_of

SCALES = ((0.0, 1.0), (0.0, 5.0), (0.0, 10.0), (0.0, 100.0), (-10.0, 10.0))
"""Where none is given, ratings have the first of these scales that ``MOST`` of them keep to."""
MOST = 0.99


class Ratings(NamedTuple):
    """N ratings of U users and M items, in order of user, time and line."""

    user: Tensor
    """[N] int64 from 0."""
    item: Tensor
    """[N] int64, places in the catalogue."""
    value: Tensor
    """[N] float32 in the file's own units; 1 for a click."""
    time: Tensor
    """[N] float64, seconds or what else the file counts in; 0 where it does not say."""
    users: tuple[str, ...]
    items: tuple[str, ...]
    timed: bool
    clicks: bool


def read(path: Path, low: float, high: float) -> tuple[Ratings, Content, str]:
    """Ratings, content and fingerprint of the files at ``path``: a CSV, or a folder with ratings.csv and movies.csv.

    ``low`` and ``high`` are the ends of the scale, NaN to find them. UserError, with file and line, for what is no
    table of ratings.
    """
    ratings = path / "ratings.csv" if path.is_dir() else path
    others = [ratings.with_name(name) for name in ("movies.csv", "items.csv")]
    catalogue = next((other for other in others if other.is_file() and other != ratings), None)
    text = text_of(ratings)
    digest = hashlib.sha256(text.encode())
    items: dict[str, int] = {}
    content = Content((), torch.zeros(0, 0), ())
    if catalogue is not None:
        listed = text_of(catalogue)
        digest.update(listed.encode())
        items, content = content_of(catalogue, listed)
    found = _ratings(ratings, text, items, low, high)
    if missing := len(found.items) - len(content.titles):
        if catalogue is not None:
            notice(f"{catalogue}: {missing} rated items are not listed in it; they have neither genre nor year.")
        values = torch.nn.functional.pad(content.values, (0, 0, 0, missing))
        content = content._replace(values=values, titles=content.titles + found.items[len(content.titles) :])
    return found, content, digest.hexdigest()[:16]


def _ratings(path: Path, text: str, items: dict[str, int], low: float, high: float) -> Ratings:
    places, rows = rows_of(path, text)
    for needed in ("user", "item"):
        if needed not in places:
            raise UserError(
                f"{path} has no column of {needed}s; its first line is {text.splitlines()[:1]}. Expected a header "
                f"such as user,item,rating,time."
            )
    users: dict[str, int] = {}
    kept: dict[tuple[int, int], tuple[float, float, int]] = {}
    empty = twice = 0
    rating_at, time_at = places.get("rating"), places.get("time")
    for line, row in rows:
        value = 1.0
        if rating_at is not None:
            if not row[rating_at].strip():
                empty += 1
                continue
            value = _number(row[rating_at], f"line {line} of {path}: the rating")
        when = 0.0 if time_at is None else _time(row[time_at], f"line {line} of {path}: the time")
        who, what = row[places["user"]].strip(), row[places["item"]].strip()
        if not who or not what:
            raise UserError(
                f"line {line} of {path} has no {'item' if who else 'user'}. Fill it in, or delete the line."
            )
        pair = (users.setdefault(who, len(users)), items.setdefault(what, len(items)))
        if pair in kept:
            twice += 1
            if when < kept[pair][1]:
                continue
        kept[pair] = (value, when, line)
    if empty:
        notice(f"{path}: left out {empty} rows without a rating.")
    if twice:
        notice(f"{path}: {twice} ratings are of a user and an item that had one before; the latest of them counts.")
    return _sorted(path, kept, users, items, time_at is not None, rating_at is None, low, high)


def _sorted(
    path: Path,
    kept: dict[tuple[int, int], tuple[float, float, int]],
    users: dict[str, int],
    items: dict[str, int],
    timed: bool,
    clicks: bool,
    low: float,
    high: float,
) -> Ratings:
    rows = sorted((user, when, line, item, value) for (user, item), (value, when, line) in kept.items())
    values = [row[4] for row in rows]
    if not clicks:
        _check_scale(path, values, [row[2] for row in rows], low, high)
    return Ratings(
        user=torch.tensor([row[0] for row in rows], dtype=torch.int64),
        item=torch.tensor([row[3] for row in rows], dtype=torch.int64),
        value=torch.tensor(values, dtype=torch.float32),
        time=torch.tensor([row[1] for row in rows], dtype=torch.float64),
        users=tuple(users),
        items=tuple(items),
        timed=timed,
        clicks=clicks,
    )


def _check_scale(path: Path, values: Sequence[float], lines: Sequence[int], low: float, high: float) -> None:
    """UserError with the first line whose rating is out of the scale that is given, or that nearly all others keep."""
    said = "that is asked for"
    if math.isnan(low) or math.isnan(high):
        ordered = sorted(values)
        inside = [(a, b) for a, b in SCALES if sum(a <= value <= b for value in ordered) >= MOST * len(ordered)]
        if not inside:
            return
        (low, high), said = inside[0], f"that {MOST:.0%} of all ratings keep to"
    for value, line in sorted(zip(values, lines, strict=True), key=lambda pair: pair[1]):
        if not low <= value <= high:
            raise UserError(
                f"line {line} of {path}: the rating {value:g} is out of the scale from {low:g} to {high:g} {said}. "
                f"Mend or delete the line, or say what the scale is, for example ratings:low=1:high=7."
            )


def _number(cell: str, what: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{what} is {cell!r}, which is no number. Mend the line, or leave the cell empty.")
    return value


def _time(cell: str, what: str) -> float:
    """Seconds, or what else the file counts in; dates as ISO 8601 writes them."""
    try:
        seconds = float(cell)
        if math.isfinite(seconds):
            return seconds
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(cell.strip()).timestamp()
    except ValueError as error:
        raise UserError(
            f"{what} is {cell!r}; expected a number of seconds, or a date like 2026-01-31 or 2026-01-31T12:00:00."
        ) from error
