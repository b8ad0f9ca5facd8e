"""Histories as the inputs of a learner: what was measured of one patient, what one user has rated."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from torch import Tensor, as_tensor

from quickstudy.errors import UserError
from quickstudy.estimator.inputs import Array, Found, Places
from quickstudy.tasks.base import NINETY, Spec


class Told(NamedTuple):
    """One number that was predicted, as its owner counts it."""

    what: str
    """What it is the number of: level, glucose in 30 min, rating."""
    unit: str
    value: float
    low: float | None = None
    """The 90 % interval is from here to ``high``; None where the learner knows none."""
    high: float | None = None


class Records(Places):
    """Points of one history: a file has both what is known and what is asked for."""

    comparable = True
    """Whether what is told can be set beside what was: not where numbers only say what comes before what."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.width = spec.shape[0]

    @abstractmethod
    def questions(self, place: Path | None) -> Found:
        """Every point of ``place`` that can be asked for; without a place whatever there is to ask, as of a catalogue.

        ``targets`` are NaN where they are not known. Raises UserError where there is nothing to ask.
        """

    @abstractmethod
    def told(self, kept: Array, mean: Array, std: Array | None) -> list[list[Told]]:
        """What predictions [n, d] for the points ``kept`` [n, width] are in the user's units, from the learner's."""

    def remarks(self, place: Path, known: Array, truth: Array) -> list[str]:
        """What to say of the answers for ``place`` from what was learnt, points ``known`` with ``truth``; by default
        nothing."""
        return []

    def ordered(self, told: Sequence[tuple[str, list[Told]]]) -> list[tuple[str, list[Told]]]:
        """Points and what was told of them, in the order in which people want them; by default as asked."""
        return list(told)

    def note(self) -> dict[str, Array]:
        """What a saved estimator has to keep beside the points, by name; nothing by default."""
        return {}

    def restore(self, kept: dict[str, Array]) -> None:
        """Take back what ``note`` gave."""

    def read(self, X: Any, owner: BaseEstimator, first: bool) -> Array:
        """[n, width] float32 of the points of a file, or of rows that are inputs already."""
        if isinstance(X, str | os.PathLike):
            return self.questions(Path(X).expanduser()).kept
        rows = np.asarray(X, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.width or not np.isfinite(rows).all():
            raise UserError(
                f"X has shape {rows.shape}; expected the path of a file, or [n, {self.width}] finite numbers."
            )
        return rows

    def inputs(self, kept: Array, support: Array) -> Tensor:
        return as_tensor(kept)


def spread(mean: Array, std: Array | None) -> tuple[Array, ...]:
    """The means and, with standard deviations, the ends of the 90 % intervals, in the learner's units."""
    return (mean,) if std is None else (mean, mean - NINETY * std, mean + NINETY * std)


def fresh(found: Found, known: Array, truth: Array) -> Array:
    """[n] bool: which of the points that were ``found`` are not among those ``known``, with their numbers ``truth``."""

    def key(kept: Array, target: Array) -> bytes:
        return bytes(kept.tobytes() + target.tobytes())

    there = {key(*one) for one in zip(known, truth, strict=True)}
    return np.array([key(*one) not in there for one in zip(found.kept, found.targets, strict=True)], dtype=bool)


def spelt(text: str) -> Array:
    """``text`` as a saved estimator keeps it; ``spoken`` reads it."""
    return np.frombuffer(text.encode(), np.uint8).copy()


def spoken(kept: Array) -> str:
    """What ``spelt`` kept."""
    return kept.tobytes().decode()
