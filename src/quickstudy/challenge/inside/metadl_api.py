"""The classes that entries of the MetaDL challenge are derived from: what they import as ``api``."""

from __future__ import annotations

from typing import Any


class Task:
    """A task as ``meta_fit`` gets it: sets are (images [n, 3, 128, 128], labels [n], original labels [n])."""

    def __init__(
        self,
        num_ways: int,
        num_shots: int,
        support_set: tuple[Any, ...],
        query_set: tuple[Any, ...],
        original_class_idx: Any,
        dataset: str | None = None,
    ) -> None:
        self.num_ways, self.num_shots = num_ways, num_shots
        self.support_set, self.query_set = support_set, query_set
        self.original_class_idx, self.dataset = original_class_idx, dataset


class Logger:
    """Takes whatever an entry wants to be logged."""

    def log(self, *values: Any, **named: Any) -> None:
        """Nothing is kept: the host measures for itself."""


class MetaLearner:
    """Learns to learn."""

    def __init__(self, train_classes: int, total_classes: int = 0, logger: Any = None) -> None:
        self.train_classes, self.total_classes = train_classes, total_classes
        self.N_ways, self.total_train_classes = train_classes, total_classes  # what a draft calls them
        self.log = (logger or Logger()).log

    def meta_fit(self, meta_train_generator: Any, meta_valid_generator: Any) -> Learner:
        """The learner that comes out."""
        raise NotImplementedError("an entry's MyMetaLearner defines meta_fit")


class Learner:
    """Learns a task."""

    def fit(self, support_set: tuple[Any, ...]) -> Predictor:
        """The predictor of one task."""
        raise NotImplementedError("an entry's MyLearner defines fit")

    def save(self, path_to_save: str) -> None:
        """Into a folder."""
        raise NotImplementedError("an entry's MyLearner defines save")

    def load(self, path_to_load: str) -> None:
        """From it."""
        raise NotImplementedError("an entry's MyLearner defines load")


class Predictor:
    """Answers a task."""

    def predict(self, query_set: Any) -> Any:
        """Scores [n, ways], or labels [n]."""
        raise NotImplementedError("an entry's predictor defines predict")
