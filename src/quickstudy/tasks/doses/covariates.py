"""What is known of a patient, from the cells of a table to numbers near 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple


class Covariate(NamedTuple):
    """One thing that is known of a patient."""

    name: str
    column: str
    """Of a file of one's own."""
    value: Callable[[str], float]
    """What a cell says; ValueError, in words, where it says nothing."""
    unit: str = ""
    """Of the column, where it has one."""
    most: float = math.inf
    """How far it moves at most from one line of a patient to the next."""


def _number(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError as error:
        raise ValueError("expected a number") from error
    if not math.isfinite(value):
        raise ValueError("expected a number")
    return value


def ratio(usual: float, unit: str) -> Callable[[str], float]:
    """Logarithm of the ratio to the ``usual`` value; what is 20 times more or less must be in another unit."""

    def of(cell: str) -> float:
        value = _number(cell)
        if not usual / 20 < value < usual * 20:
            raise ValueError(f"expected {unit}, of which {usual:g} is usual")
        return math.log(value / usual)

    return of


def decades(usual: float) -> Callable[[str], float]:
    """Tens of units more than usual."""
    return lambda cell: (_number(cell) - usual) / 10


def below(limit: float) -> Callable[[str], float]:
    """Whether a number is below the limit; also written as ``< 5`` or ``>= 5``."""

    def of(cell: str) -> float:
        if cell.replace(" ", "") in (f"<{limit:g}", f">={limit:g}"):
            return float(cell.startswith("<"))
        return float(_number(cell) < limit)

    return of


def is_one(word: str, *others: str) -> Callable[[str], float]:
    """Whether a cell says ``word``; it may say one of the ``others``."""

    def of(cell: str) -> float:
        if cell.lower() not in (word, *others):
            raise ValueError(f"expected {', '.join(others)} or {word}")
        return float(cell.lower() == word)

    return of
