"""A few-shot regressor with scikit-learn's contract."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_consistent_length, column_or_1d
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.estimator.base import FewShot
from quickstudy.estimator.inputs import Array, Found, Reader, nameless
from quickstudy.learners.base import Gaussian, Prediction
from quickstudy.tasks.base import Kind


class FewShotRegressor(RegressorMixin, FewShot):  # type: ignore[misc]
    """Learns a function from a handful of points; arguments are those of FewShotClassifier.

    Numbers are told to the learner as they are: a run knows those of the size that it was trained on.

    After ``fit``: ``learner_``; ``adapted_``, what it found in the support; ``examples_`` and ``y_``, the support.
    """

    kind: ClassVar[Kind] = "regression"

    def fit(self, X: Any, y: Any = None) -> Self:
        """Forget what was learnt before, and learn from ``X`` and its numbers ``y``; returns itself.

        ``X`` alone may be the path of a file, where the learner's examples are read from files.
        """
        with self._whole():
            made, reads = self._source(X, y)
            found = self._read(reads, X, y, first=True)
            self._begin(made, reads, found.kept)
            self._keep(*found)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from more points; the same as ``fit`` on all of them."""
        if not hasattr(self, "adapted_"):
            return self.fit(X, y)
        with self._whole():
            self.learn(self._read(self._reader, X, y, first=False))
        return self

    def learn(self, found: Found) -> Self:
        """Learn from points that were read; of a fitted one."""
        before = self.examples_, self.y_, self.names_
        self._keep(*(np.concatenate(each) for each in zip(before, found, strict=True)))
        return self

    def forget(self, examples: Sequence[int] | int) -> Self:
        """Unlearn points by their numbers in the order they came; the same as never having met them."""
        return self._shrink(self._without(examples))

    def predict(self, X: Any, return_std: bool = False) -> Array | tuple[Array, Array]:
        """[n] numbers, or [n, d] where a point has several; with ``return_std`` also their standard deviations.

        UserError where the learner knows none.
        """
        mean, std = self.predictions(self._predict(X))
        if not return_std:
            return mean
        if std is None:
            raise UserError(f"{self._name(self.learner_)} predicts no standard deviation. Use gp, or a cnp.")
        return mean, std

    def predictions(self, answers: Sequence[Prediction]) -> tuple[Array, Array | None]:
        """Means and standard deviations, None where the learner knows none, of ``_answers``."""

        def joined(parts: list[Tensor]) -> Array:
            values: Array = torch.cat(parts).cpu().double().numpy()
            return values[:, 0] if values.shape[1] == 1 else values

        mean = joined([answer.mean for answer in answers])  # type: ignore[union-attr]
        if not np.isfinite(mean).all():
            raise UserError(
                "the adaptation diverged: predictions are not finite. Bring y to about the size of the numbers that "
                "the learner was trained on, or take fewer inner_steps."
            )
        stds = [answer.std for answer in answers if isinstance(answer, Gaussian)]
        return mean, joined(stds) if stds else None

    def _read(self, reads: Reader, X: Any, y: Any, first: bool) -> Found:
        """What is kept of each point, its number, and its name."""
        if y is None and isinstance(X, str | os.PathLike):
            return self._read_place(reads, X)
        if y is None:
            raise ValueError("FewShotRegressor requires y to be passed, but the target y is None.")
        numbers: Array = np.array(column_or_1d(y, dtype=np.float64, warn=True))
        if not np.isfinite(numbers).all():
            raise UserError("y holds NaN or infinity; expected finite numbers.")
        kept = reads.read(X, self, first)
        check_consistent_length(kept, numbers)
        return nameless(kept, numbers)

    def _targets(self, y: Array) -> Tensor:
        told = torch.tensor(y, dtype=torch.float32)
        return told.unsqueeze(-1) if told.ndim == 1 else told
