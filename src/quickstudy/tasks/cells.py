"""What a cell of a table is: a number, a word, or nothing. The same wherever a table comes from."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from numbers import Real
from typing import Any

GAPS = ("", "?", "-", "na", "n/a", "nan", "null", "none")
"""What stands in a cell that has no value, in any case."""
NUMBERS = 0.9
"""Share of a column's values from which on it is one of numbers, and what is none of these a gap."""
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
DAY = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?"


def nothing(cell: Any) -> bool:
    """Whether there is no value in it: None, NaN, pandas' own words for them, or one of ``GAPS``."""
    if isinstance(cell, str):
        return cell.strip().lower() in GAPS
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or bool(cell != cell)


def number(cell: Any) -> float | None:
    """The finite number in it; None if it is none.

    In words it may have thousands between commas, or a comma for the point. Days are counted from 1970.
    """
    try:
        if isinstance(cell, str):
            value = _of_text(cell.strip())
        elif isinstance(cell, datetime.date):
            value = _days(cell)
        elif isinstance(cell, Real):
            value = float(cell)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def pointed(cell: str) -> str:
    """A cell of a file in which commas do not part cells, where that of 1,234 is one for the point."""
    return cell.replace(",", ".") if re.fullmatch(r"\s*[+-]?\d+,\d+\s*", cell) else cell


def word(cell: Any) -> str:
    """The word in it: 1, 1.0 and "1" are the same."""
    value = number(cell)
    if value is not None and value.is_integer() and not isinstance(cell, datetime.date):
        return str(int(value)) if not isinstance(cell, str) or _plain(cell) else cell.strip()
    return str(cell).strip()


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether a column with these ``values``, without its gaps, is one of numbers."""
    return sum(number(value) is not None for value in values) >= NUMBERS * len(values)


def _of_text(text: str) -> float:
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", text):
        text = text.replace(",", "")
    elif re.fullmatch(r"[+-]?\d+,\d+", text):
        text = text.replace(",", ".")
    elif re.fullmatch(DAY, text):
        return _days(datetime.datetime.fromisoformat(text))
    return math.nan if "_" in text else float(text)


def _plain(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d+(\.0*)?\s*", text) is not None


def _days(day: datetime.date) -> float:
    if not isinstance(day, datetime.datetime):
        day = datetime.datetime(day.year, day.month, day.day)
    aware = day if day.tzinfo else day.replace(tzinfo=datetime.UTC)
    return (aware - EPOCH).total_seconds() / 86400
