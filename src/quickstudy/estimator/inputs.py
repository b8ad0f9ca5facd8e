"""What users have, as the inputs of a learner: one reader for each form of them.

A reader is made anew by every ``fit``. What it has to remember of the first examples, the levels of a column of words
for instance, is its own; what depends on all of the support is found when inputs are made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

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

    def extended(self, X: Any, kept: Array) -> Array:
        """Make room for what is new in ``X``; what was ``kept`` before, as it is read from now on."""
        return kept


class Files(Reader):
    """Examples of which each is a file."""

    endings: ClassVar[frozenset[str]]
    """Of the names of such files."""

    @abstractmethod
    def readable(self, paths: Sequence[Path]) -> list[Array | str]:
        """What is kept of each file, or why it cannot be read."""

    @abstractmethod
    def read_folder(self, root: Path) -> tuple[Array, Array]:
        """What is kept of the examples in ``root``, and their labels.

        Files that cannot be read are skipped, with a notice. Raises UserError where none can be.
        """


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
