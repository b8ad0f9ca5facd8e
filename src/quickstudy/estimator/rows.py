"""Rows of tables as the inputs of a learner: numbers and words, with gaps."""

from __future__ import annotations

import importlib
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.estimator.inputs import Array, Reader
from quickstudy.tasks.base import Form
from quickstudy.tasks.columns import in_units, scale


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
        values: Array = np.array(validate_data(owner, X, reset=first, dtype=np.float64, ensure_all_finite="allow-nan"))
        if values.shape[1] > self.columns:
            raise UserError(
                f"X has {values.shape[1]} columns, and the learner has room for {self.columns}. Leave some out, or "
                f"train with tables:columns={values.shape[1]}."
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
        """``kept`` with words numbered as if those of the frame ``X`` had been there at first."""
        if not hasattr(X, "select_dtypes"):
            return kept
        kept, columns = kept.copy(), list(X.columns)
        for name, found in words_of(X).items():
            known = self.levels.get(name, {})
            every = found if set(known) <= set(found) else sorted({*known, *found})
            self.levels[name] = {word: at for at, word in enumerate(every)}
            column = kept[:, columns.index(name)]
            for at, word in sorted((at, word) for word, at in known.items()):
                column[kept[:, columns.index(name)] == at] = -1 - self.levels[name][word]
            kept[:, columns.index(name)] = np.where(column < 0, -1 - column, column)
        return kept

    def _numbered(self, frame: Any, first: bool) -> Any:
        """A pandas frame with a number for each word; one that was not met at first is a gap.

        So is a word where there were numbers at first, or nothing.
        """
        if first:
            self.levels = {name: {word: at for at, word in enumerate(found)} for name, found in words_of(frame).items()}
            if odd := [name for name in self.levels if not isinstance(name, str)]:
                raise UserError(f"the column {odd[0]!r} has words, and no word for its name. Give columns names.")
        frame = frame.copy()
        for name in frame.columns:
            if name in self.levels:
                frame[name] = [self.levels[name].get(str(word), np.nan) for word in frame[name]]
            elif frame[name].dtype.kind == "M":
                frame[name] = [np.nan if isna(day) else day.timestamp() / 86400 for day in frame[name]]
            elif frame[name].dtype.kind not in "iuf":
                frame[name] = [number(value) for value in frame[name]]
        return frame


def pandas() -> Any:
    """The package that reads tables; UserError where it is not installed."""
    try:
        return importlib.import_module("pandas")
    except ImportError as error:
        raise UserError("tables are read by pandas. Install it: pip install 'quickstudy[tables]'") from error


def words_of(frame: Any) -> dict[Any, list[str]]:
    """The words in each column that has any, in their order: that of ordered categories, else the alphabet's."""
    found = {}
    for name in frame.columns:
        column = frame[name]
        categories = getattr(column.dtype, "categories", None)
        if categories is not None and column.dtype.ordered:
            found[name] = [str(one) for one in categories]
        elif column.dtype.kind not in "iufbM":
            values = {value for value in column if not isna(value)}
            if not all(isinstance(value, Real) for value in values):
                found[name] = sorted({str(value) for value in values})
    return found


def number(value: Any) -> float:
    """That of a cell, NaN for a gap or a word."""
    try:
        return np.nan if isna(value) else float(value)
    except (TypeError, ValueError):
        return np.nan


def isna(value: Any) -> bool:
    """Whether a cell is a gap: None, NaN, or pandas' own words for them."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value
