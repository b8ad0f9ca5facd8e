"""What users have, as the inputs of a learner: one reader for each form of them.

A reader is made anew by every ``fit``. What it has to remember of the first examples, the levels of a column of words
for instance, is its own; what depends on all of the support is found when inputs are made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks.base import Form

Array = np.ndarray[Any, Any]


class Reader(ABC):
    """How examples become numbers."""

    form: ClassVar[Form] = "numbers"
    """Of a learner without training for such examples."""
    example: ClassVar[str] = "row"
    """What one is called."""

    @abstractmethod
    def read(self, X: Any, owner: BaseEstimator, first: bool) -> Array:
        """[n, ...] what is kept of each example; ``first`` says that nothing was seen before.

        Raises UserError, or scikit-learn's own ValueError, for what cannot be read.
        """

    @abstractmethod
    def inputs(self, kept: Array, support: Array) -> Tensor:
        """[n, *shape] what the learner takes, where ``support`` is what was kept of all that it learns from."""

    def shape(self, kept: Array) -> tuple[int, ...]:
        """That of an input, where ``kept`` [n, ...] was read."""
        return kept.shape[1:]

    def named(self, X: Any, owner: BaseEstimator, first: bool) -> tuple[Array, Array]:
        """What ``read`` gives, and [n] what each example is called; empty words where they have no names."""
        kept = self.read(X, owner, first)
        return kept, np.full(len(kept), "")

    def extended(self, X: Any, kept: Array) -> Array:
        """Make room for what is new in ``X``; what was ``kept`` before, as it is read from now on."""
        return kept


class Found(NamedTuple):
    """What was found in a place."""

    kept: Array
    """[n, ...] what is kept of each example."""
    targets: Array
    """[n] their labels, or numbers."""
    names: Array
    """[n] what each example is called: its path, a patient's id, ...; empty words where they have no names."""


def nameless(kept: Array, targets: Array) -> Found:
    """Examples without names."""
    return Found(kept, targets, np.full(len(kept), ""))


class Places(Reader):
    """Examples that lie in a place, a file or a folder, together with what they are."""

    @abstractmethod
    def read_place(self, place: Path) -> Found:
        """Every example in ``place`` that can be read; others are named and skipped, or a UserError."""


class Files(Places):
    """Examples of which each is a file."""

    endings: ClassVar[frozenset[str]]
    """Of the names of such files."""

    @abstractmethod
    def readable(self, paths: Sequence[Path]) -> list[Array | str]:
        """What is kept of each file, or why it cannot be read."""


class Numbers(Reader):
    """Rows of numbers, as they are; ``width`` 0 takes any number of columns."""

    def __init__(self, width: int) -> None:
        self.width = width

    def read(self, X: Any, owner: BaseEstimator, first: bool) -> Array:
        """[n, columns] float32."""
        values: Array = np.array(validate_data(owner, X, reset=first, dtype=np.float32))
        if self.width and values.shape[1] != self.width:
            raise UserError(f"X has {values.shape[1]} columns, and the learner takes {self.width}.")
        return values

    def inputs(self, kept: Array, support: Array) -> Tensor:
        return torch.tensor(kept)
