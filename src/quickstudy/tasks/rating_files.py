"""Readers of ratings: MovieLens' ratings.csv and movies.csv, or any CSV with users, items and, where there are any,
ratings and times. Rows without a rating in a file that has such a column are left out and counted; a file without the
column is one of implicit clicks: every row is one, and liked.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks.csv_table import separator
from quickstudy.tasks.places import notice

COLUMNS = {
    "user": ("user", "userid", "uid", "customer", "customerid", "reviewerid"),
    "item": ("item", "itemid", "movieid", "productid", "product", "movie", "book", "bookid", "isbn", "asin"),
    "rating": ("rating", "ratings", "stars", "score", "value", "overall", "bookrating"),
    "time": ("time", "timestamp", "date", "datetime", "unixreviewtime"),
    "title": ("title", "name"),
    "genres": ("genres", "genre", "category", "categories", "tags"),
    "year": ("year", "released"),
}
"""Headings that are understood, in any case, with or without space, underscore or hyphen."""
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


class Content(NamedTuple):
    """What is known of M items whoever rated them."""

    names: tuple[str, ...]
    """[C] genres, and ``year`` where it is known."""
    values: Tensor
    """[M, C] float32: 1 for a genre of the item; years in decades around the mean, 0 where there is none."""
    titles: tuple[str, ...]


def read(path: Path, low: float, high: float) -> tuple[Ratings, Content, str]:
    """Ratings, content and fingerprint of the files at ``path``: a CSV, or a folder with ratings.csv and movies.csv.

    ``low`` and ``high`` are the ends of the scale, NaN to find them. UserError, with file and line, for what is no
    table of ratings.
    """
    ratings = path / "ratings.csv" if path.is_dir() else path
    others = [ratings.with_name(name) for name in ("movies.csv", "items.csv")]
    catalogue = next((other for other in others if other.is_file() and other != ratings), None)
    text = _text(ratings)
    digest = hashlib.sha256(text.encode())
    items: dict[str, int] = {}
    content = Content((), torch.zeros(0, 0), ())
    if catalogue is not None:
        listed = _text(catalogue)
        digest.update(listed.encode())
        items, content = _content(catalogue, listed)
    found = _ratings(ratings, text, items, low, high)
    if missing := len(found.items) - len(content.titles):
        if catalogue is not None:
            notice(f"{catalogue}: {missing} rated items are not listed in it; they have neither genre nor year.")
        values = torch.nn.functional.pad(content.values, (0, 0, 0, missing))
        content = content._replace(values=values, titles=content.titles + found.items[len(content.titles) :])
    return found, content, digest.hexdigest()[:16]


def _text(path: Path) -> str:
    if not path.is_file():
        raise UserError(
            f"there is no file {path}. ratings needs a CSV with the columns user, item, rating and, where they are "
            "known, time; or MovieLens' folder with ratings.csv and movies.csv."
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text ({error}). Save it as CSV in UTF-8.") from error


def _rows(path: Path, text: str) -> tuple[dict[str, int], Iterator[tuple[int, list[str]]]]:
    """Places of the known columns, and the rows with the number of their line."""
    reader = csv.reader(io.StringIO(text), delimiter=separator(text))
    header = next(reader, [])
    plain = [re.sub(r"[\s_-]", "", name).lower() for name in header]
    places = {
        column: plain.index(found)
        for column, names in COLUMNS.items()
        if (found := next((name for name in names if name in plain), None))
    }

    def rows() -> Iterator[tuple[int, list[str]]]:
        try:
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise UserError(
                        f"line {reader.line_num} of {path} has {len(row)} cells, and the header has {len(header)}. "
                        "Mend the line, or put quotation marks around a cell with a separator in it."
                    )
                yield reader.line_num, row
        except csv.Error as error:
            raise UserError(f"line {reader.line_num} of {path} is no row of a table ({error}). Mend it.") from error

    return places, rows()


def _ratings(path: Path, text: str, items: dict[str, int], low: float, high: float) -> Ratings:
    places, rows = _rows(path, text)
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


def _content(path: Path, text: str) -> tuple[dict[str, int], Content]:
    """Places of the items that a catalogue lists, and what it says of them."""
    places, rows = _rows(path, text)
    if "item" not in places:
        raise UserError(f"{path} has no column of items. Expected a header such as item,title,genres,year.")
    items: dict[str, int] = {}
    titles, genres, years = [], [], []
    for line, row in rows:
        name = row[places["item"]].strip()
        if name in items:
            raise UserError(f"line {line} of {path} lists the item {name} again. Delete one of the two lines.")
        items[name] = len(items)
        title = row[places["title"]].strip() if "title" in places else name
        titles.append(title)
        listed = row[places["genres"]].split("|") if "genres" in places else []
        genres.append({genre.strip() for genre in listed if genre.strip() and not genre.startswith("(no ")})
        years.append(_year(row[places["year"]] if "year" in places else title))
    names = sorted(set().union(*genres))
    values = torch.tensor([[float(name in own) for name in names] for own in genres]).reshape(len(items), len(names))
    known = [year for year in years if year is not None]
    if known:
        mean = sum(known) / len(known)
        decades = torch.tensor([0.0 if year is None else (year - mean) / 10 for year in years])
        values, names = torch.cat([values, decades.unsqueeze(-1)], -1), [*names, "year"]
    return items, Content(tuple(names), values, tuple(titles))


def _year(text: str) -> int | None:
    """The year that stands alone, or in brackets at the end of a title."""
    found = re.search(r"(?:^|\()(\d{4})\)?\s*$", text)
    return int(found[1]) if found else None
