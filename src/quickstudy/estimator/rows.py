"""Rows of tables as the inputs of a learner: numbers and words, with gaps."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.estimator.inputs import Array, Reader
from quickstudy.tasks.base import Form
from quickstudy.tasks.cells import are_numbers, nothing, number, word
from quickstudy.tasks.places import notice
from quickstudy.tasks.tabular.columns import in_units, scale


class Rows(Reader):
    """Rows of a table with room for ``columns`` columns: numbers or words, with gaps (NaN or None)."""

    form: ClassVar[Form] = "rows"

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.levels: dict[str, dict[str, int]] = {}
        """The numbers of the words in each column that has any, where columns have names."""

    def read(self, X: Any, owner: BaseEstimator, first: bool) -> Array:
        """[n, columns of X] float64 with NaN for gaps; words are numbered in alphabetical order."""
        if hasattr(X, "select_dtypes"):
            X = self._numbered(X, first)
        try:
            read = validate_data(owner, X, reset=first, dtype=np.float64, ensure_all_finite="allow-nan")
        except ValueError as error:
            if "could not convert string" not in str(error):
                raise
            raise UserError(f"X has words ({error}). Give a pandas frame, whose columns may have them.") from error
        values: Array = np.array(read)
        if values.shape[1] > self.columns:
            raise UserError(
                f"X has {values.shape[1]} columns, and the learner has room for {self.columns}. Leave some out, take "
                f"nearest, which has room for any number, or train with tables:columns={values.shape[1]}."
            )
        return values

    def inputs(self, kept: Array, support: Array) -> Tensor:
        values, known = (np.pad(part, ((0, 0), (0, self.columns - part.shape[1]))) for part in (kept, support))
        values[:, kept.shape[1] :] = known[:, kept.shape[1] :] = np.nan
        x, seen = torch.from_numpy(values), torch.from_numpy(known)
        mean, spread = scale(seen.nan_to_num(0.0), (~seen.isnan()).double())
        return in_units(x.nan_to_num(0.0), (~x.isnan()).double(), mean, spread).float()

    def shape(self, kept: Array) -> tuple[int, ...]:
        return (2 * self.columns,)

    def extended(self, X: Any, kept: Array) -> Array:
        """``kept`` with words numbered as if those of the frame ``X`` had been there at first.

        A column stays what it was, of numbers or of words; one that had no value becomes what it is in ``X``.
        """
        if not hasattr(X, "select_dtypes"):
            return kept
        kept, columns = kept.copy(), list(X.columns)
        for name, found in words_of(X, self.levels).items():
            column = kept[:, columns.index(name)]
            if name not in self.levels and not np.isnan(column).all():
                continue
            known = self.levels.get(name, {})
            self.levels[name] = {word: at for at, word in enumerate(merged(list(known), found))}
            now = np.array([self.levels[name][word] for word in known], dtype=np.float64)
            there = ~np.isnan(column)
            kept[there, columns.index(name)] = now[column[there].astype(int)]
        return kept

    def _numbered(self, frame: Any, first: bool) -> Any:
        """A pandas frame with a number for each word; one that was not met at first is a gap.

        So is a word where there were numbers at first, or nothing.
        """
        names = list(frame.columns)
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UserError(f"there is more than one column {twice!r}. Give each a name of its own.")
        if first:
            self.levels = {name: {word: at for at, word in enumerate(found)} for name, found in words_of(frame).items()}
            if odd := [name for name in self.levels if not isinstance(name, str)]:
                raise UserError(f"the column {odd[0]!r} has words, and no word for its name. Give columns names.")
        made = {name: self._column(frame[name], self.levels.get(name)) for name in names}
        return pandas().DataFrame(made, index=frame.index, columns=frame.columns)

    def _column(self, column: Any, levels: dict[str, int] | None) -> list[float]:
        if levels is not None:
            return [np.nan if nothing(cell) else levels.get(word(cell), np.nan) for cell in column]
        if column.dtype.kind == "f":  # what is infinite is for whoever checks it
            return list(column.to_numpy(dtype=np.float64, na_value=np.nan))
        return [np.nan if (value := number(cell)) is None else value for cell in column]


def pandas() -> Any:
    """The package that reads tables; UserError where it is not installed."""
    try:
        return importlib.import_module("pandas")
    except ImportError as error:
        raise UserError("tables are read by pandas. Install it: pip install 'quickstudy[tables]'") from error


def words_of(frame: Any, known: Collection[Any] = ()) -> dict[Any, list[str]]:
    """The words in each column that has any, in their order: that of ordered categories, else the alphabet's.

    Columns ``known`` to have words have nothing else.
    """
    found = {}
    for name in frame.columns:
        column = frame[name]
        categories = getattr(column.dtype, "categories", None)
        if categories is not None and column.dtype.ordered:
            found[name] = [word(one) for one in categories]
        elif name in known or column.dtype.kind not in "iufbM":
            values = [value for value in column if not nothing(value)]
            if name in known or not are_numbers(values):
                found[name] = sorted({word(value) for value in values})
            elif odd := sorted({str(value) for value in values if number(value) is None}):
                notice(f"column {name}: {', '.join(odd[:5])} among numbers count as gaps")
    return found


def merged(known: list[str], found: list[str]) -> list[str]:
    """All words, those ``known`` in their order if that is one of their own, else in the alphabet's."""
    if set(found) <= set(known):
        return known
    if set(known) <= set(found):
        return found
    if known == sorted(known):
        return sorted({*known, *found})
    return [*known, *sorted({*found} - {*known})]
