"""Catalogues of items, and what tables of ratings share with them: headings as people write them, rows with lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks import lines

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


class Content(NamedTuple):
    """What is known of M items whoever rated them."""

    names: tuple[str, ...]
    """[C] genres, and ``year`` where it is known."""
    values: Tensor
    """[M, C] float32: 1 for a genre of the item; years in decades around the mean, 0 where there is none."""
    titles: tuple[str, ...]


def text_of(path: Path) -> str:
    if not path.is_file():
        raise UserError(
            f"there is no file {path}, from here or from QUICKSTUDY_DATA. Give a CSV with the columns user, item, "
            "rating and, where they are known, time (ratings:path=shop.csv), or MovieLens' folder with ratings.csv "
            "and movies.csv (files.grouplens.org, ml-latest-small); ratings:simulated=true needs none."
        )
    return lines.text_of(path)


def rows_of(path: Path, text: str) -> tuple[dict[str, int], Iterator[tuple[int, list[str]]]]:
    """Places of the known columns, and the rows with the number of their line."""
    table = lines.lines(text, path, lines.separator(text))
    _, header = next(table, (1, []))

    def rows() -> Iterator[tuple[int, list[str]]]:
        for line, row in table:
            if len(row) != len(header):
                raise UserError(
                    f"line {line} of {path} has {len(row)} cells, and the header has {len(header)}. Mend the line, or "
                    "put quotation marks around a cell with a separator in it."
                )
            yield line, row

    return columns_of(header), rows()


def columns_of(header: Sequence[str]) -> dict[str, int]:
    """Places of the columns of ``COLUMNS`` that there are."""
    plain = [re.sub(r"[\s_-]", "", name).lower() for name in header]
    return {
        column: plain.index(found)
        for column, names in COLUMNS.items()
        if (found := next((name for name in names if name in plain), None))
    }


def content_of(path: Path, text: str) -> tuple[dict[str, int], Content]:
    """Places of the items that a catalogue lists, and what it says of them."""
    places, rows = rows_of(path, text)
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
