"""A few-shot classifier with scikit-learn's contract."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d
from torch import Tensor

from quickstudy.confidence import check_coverage
from quickstudy.errors import UserError
from quickstudy.estimator.base import FewShot
from quickstudy.estimator.inputs import Array, Files, Found, Reader
from quickstudy.estimator.pictures import Pictures
from quickstudy.learners.base import Prediction
from quickstudy.tasks.base import Kind, check_counts
from quickstudy.typicality import FAR_OUT, features_of

LOOKED_AT = 64
"""Examples from which a support is judged to be usual or not."""


class FewShotClassifier(ClassifierMixin, FewShot):  # type: ignore[misc]
    """Learns classes from a handful of examples of each.

    Args:
        learner: a name from ``quickstudy list learners``; None takes that of ``weights``, or ``nearest`` without any.
        weights: the folder of a run, a file that ``save`` wrote, or the name of weights that come with the package
            (``characters``, ``photos``, ``tables``); ``default`` takes ``photos`` for pictures that look like
            photographs, ``characters`` for others, and ``tables`` for rows where there are few; None is for a learner
            that needs no training.
        inner_steps: gradient steps on the support, where the learner takes any; None is its own number.
        device: auto, cpu, cuda or mps.
        random_state: seed of what a learner without weights draws.

    Examples are rows (arrays or pandas frames; with a learner of tables, words and gaps too) or pictures (arrays,
    Pillow images, paths), as the learner takes them. Labels are yours: words, numbers, anything that can be sorted.

    After ``fit``: ``classes_``, the labels in order; ``learner_``; ``adapted_``, what it found in the support;
    ``examples_`` and ``y_``, the support as it was read, and the numbers of its classes; ``names_``, what its examples
    are called, where they came from files; ``task_typicality_``, the
    share of the validation tasks' supports that are as unusual as this one (None where the run is not calibrated).
    """

    task_typicality_: float | None
    kind: ClassVar[Kind] = "classification"

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect: small tables can have gaps."""
        tags = super().__sklearn_tags__()
        own = isinstance(self.weights, str) and self.weights == "default"
        tags.input_tags.allow_nan = own and self.learner in (None, "incontext")
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Forget what was learnt before, and learn from ``X`` and its labels ``y``; returns itself.

        ``X`` alone may be the path of a folder that has a folder of pictures for each label.
        """
        with self._whole():
            made, reads = self._source(X, y)
            kept, labels, names = self._read(reads, X, y, first=True)
            self._begin(made, reads, kept)
            self.classes_, numbers = np.unique(labels, return_inverse=True)
            self._keep(kept, numbers, names)
        return self

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None) -> Self:
        """Learn from more examples, also of new classes; the same as ``fit`` on all of them.

        Columns of a table stay what they were at first, of numbers or of words.
        ``classes`` may name labels that will come; one without an example is never predicted.
        """
        fresh = not hasattr(self, "adapted_")
        with self._whole():
            made, reads = self._source(X, y) if fresh else (self.learner_, copy.deepcopy(self._reader))
            earlier = None if fresh else reads.extended(X, self.examples_)
            kept, labels, called = self._read(reads, X, y, first=fresh)
            named = labels[:0] if classes is None else column_or_1d(classes)
            if fresh:
                self._begin(made, reads, kept)
            self._reader = reads
            every = _together([*([] if fresh else [self.classes_]), labels, *([named] if len(named) else [])])
            numbers = np.searchsorted(every, labels)
            if earlier is not None:
                numbers = np.concatenate([np.searchsorted(every, self.classes_)[self.y_], numbers])
                kept, called = np.concatenate([earlier, kept]), np.concatenate([self.names_, called])
            self.classes_ = every
            self._keep(kept, numbers, called)
        return self

    def forget(self, label: Any = None, examples: Sequence[int] | int | None = None) -> Self:
        """Unlearn a class, or examples by their numbers in the order they came; the same as never having met them.

        In tables the words that only they had keep their numbers.
        """
        stays = self._without(examples)
        if label is not None:
            at = [
                number for number, known in enumerate(self.classes_) if isinstance(label, Hashable) and known == label
            ]
            if not at:
                raise UserError(f"there is no class {label!r}. Known: {', '.join(map(str, self.classes_[:20]))}.")
            stays &= self.y_ != at[0]
        if not stays.any():
            return self._shrink(stays)
        with self._whole():
            here = np.unique(self.y_[stays])
            self.y_ = np.searchsorted(here, self.y_)  # numbers of classes that go mean nothing, and go too
            self.classes_ = self.classes_[here]
            return self._shrink(stays)

    def predict(self, X: Any, abstain: float | None = None) -> Array:
        """[n] labels; with ``abstain`` None for what cannot be told.

        ``abstain=0.9`` answers where exactly one label is in the set of ``answer_sets(X, 0.9)``.
        """
        if abstain is None:
            best = self._logits(X).argmax(-1).numpy()
            labels: Array = self.classes_[best]
            return labels
        sets = self.answer_sets(X, abstain)
        certain = np.array(self.classes_[sets.argmax(1)], dtype=object)
        certain[sets.sum(1) != 1] = None
        return certain

    def predict_proba(self, X: Any) -> Array:
        """[n, classes] probabilities, in the order of ``classes_``; calibrated where the run is."""
        return self._probabilities(self._logits(X))

    def answer_sets(self, X: Any, coverage: float = 0.9) -> Array:
        """[n, classes] bool: labels of which the right one is among those marked for that share of new examples.

        That holds on average over tasks like those that the run was calibrated on. A row without any is less like each
        class than that share of examples is like its own: it may be of a class that was not met, or a poor example.
        UserError where the run is not calibrated.
        """
        most = self.threshold(coverage)
        sets: Array = 1 - self.predict_proba(X) <= most
        return sets

    def threshold(self, coverage: float) -> float:
        """The largest 1 - p of a label in an answer set; UserError as of ``answer_sets``."""
        check_is_fitted(self, "adapted_")
        check_coverage(coverage)
        if self.confidence_ is None:
            raise UserError(
                "nothing is known of how far this learner can be trusted. Measure it once: quickstudy calibrate RUN"
            )
        return self.confidence_.threshold(self._way(), self._shot(), float(coverage))

    def decision_function(self, X: Any) -> Array:
        """[n, classes] logits; of two classes [n], how much more there is for the second."""
        logits = self._logits(X).double().numpy()
        margin: Array = logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits
        return margin

    def to_label_next(self, X: Any, count: int = 1) -> Array:
        """[count] which of the unlabelled ``X`` to label next: those whose two likeliest classes are closest.

        Scheffer, Decomain, Wrobel (2001), "Active Hidden Markov Models for Information Extraction" (smallest margin).
        """
        check_counts(count=count)
        check_is_fitted(self, "adapted_")
        if len(self.classes_) < 2:
            raise UserError("with one class all examples are alike. Label some of another one first.")
        best = torch.from_numpy(self.predict_proba(X)).topk(2, -1).values
        order: Array = (best[:, 0] - best[:, 1]).argsort(stable=True)[:count].numpy()
        return order

    @property
    def example(self) -> str:
        """What one of its examples is called: picture, case or row; of a fitted one."""
        check_is_fitted(self, "adapted_")
        return self._reader.example

    @property
    def takes_files(self) -> bool:
        """Whether each of its examples is a file; of a fitted one."""
        check_is_fitted(self, "adapted_")
        return isinstance(self._reader, Files)

    def files(self) -> Files:
        """How files are read; UserError where the learner takes none."""
        if not self.takes_files:
            raise UserError("this learner's examples are no files. Give weights of one whose are.")
        return cast(Files, self._reader)

    def pictures(self) -> Pictures:
        """How pictures are read; UserError where the learner takes none."""
        check_is_fitted(self, "adapted_")
        if not isinstance(self._reader, Pictures):
            raise UserError("this learner takes no pictures. Give weights of one that does.")
        return self._reader

    def judge_read(self, read: Sequence[Array | str]) -> list[Array | str]:
        """Of each file that ``Files.readable`` read its probabilities [classes], or why it could not be read."""
        kept = [one for one in read if not isinstance(one, str)]
        if not kept:
            return list(read)
        rows = iter(self._probabilities(joined(self._answers(np.stack(kept), self.adapted_, self.examples_))))
        return [one if isinstance(one, str) else next(rows) for one in read]

    def _read(self, reads: Reader, X: Any, y: Any, first: bool) -> Found:
        """What is kept of each example, their labels, and their names."""
        if y is None and isinstance(X, str | os.PathLike):
            return self._read_place(reads, X)
        if y is None:
            raise ValueError("FewShotClassifier requires y to be passed, but the target y is None.")
        listed = isinstance(y, Sequence) or getattr(getattr(y, "dtype", None), "kind", "") == "O"
        if listed and {isinstance(label, str) for label in y} == {True, False}:
            raise UserError("some labels are words and some are not. Make all of them words, or all numbers.")
        labels: Array = np.array(column_or_1d(y, warn=True))
        if labels.dtype == object and all(isinstance(label, str) for label in labels):
            labels = labels.astype(str)  # words of pandas are words
        with warnings.catch_warnings():  # that there are few examples of each class is the point
            warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
            check_classification_targets(labels)
        kept, names = reads.named(X, self, first)
        check_consistent_length(kept, labels)
        return Found(kept, labels, names)

    def _keep(self, kept: Array, y: Array, names: Array) -> None:
        super()._keep(kept, y, names)
        self.task_typicality_ = self._typicality(kept)
        if self.task_typicality_ is not None and self.task_typicality_ < FAR_OUT:
            warnings.warn(
                f"these examples are unlike {1 - FAR_OUT:.0%} of the tasks that {self._name(self.learner_)} was "
                f"validated on (task_typicality_ {self.task_typicality_:.3f}): do not expect it to know them apart.",
                UserWarning,
                stacklevel=4,
            )

    @torch.no_grad()
    def _typicality(self, kept: Array) -> float | None:
        known = self.confidence_.typical if self.confidence_ else None
        if known is None:
            return None
        some = kept[np.linspace(0, len(kept) - 1, min(len(kept), LOOKED_AT)).astype(int)]
        features = features_of(self.learner_, self._reader.inputs(some, kept).to(self._device()))
        return None if features is None else known.typicality(features)

    def _probabilities(self, logits: Tensor) -> Array:
        degree = self.confidence_.degree(self._way(), self._shot()) if self.confidence_ else 1.0
        return torch.softmax(logits.double() / degree, -1).numpy()

    def _way(self) -> int:
        """Classes that have examples."""
        return len(np.unique(self.y_))

    def _shot(self) -> int:
        """Examples of the class that has the fewest."""
        counts = np.bincount(self.y_)
        return int(counts[counts > 0].min())

    def _logits(self, X: Any) -> Tensor:
        """[n, classes]."""
        return joined(self._predict(X))

    def _targets(self, y: Array) -> Tensor:
        return torch.eye(len(self.classes_))[torch.from_numpy(y)]


def joined(answers: list[Prediction]) -> Tensor:
    """Logits [n, classes]."""
    return torch.cat([answer.logits for answer in answers]).cpu()  # type: ignore[union-attr]


def _together(labels: list[Array]) -> Array:
    """All labels in order; UserError for words beside numbers, which would make words of these."""
    alike = {"i": "number", "u": "number", "f": "number", "U": "word", "S": "word"}
    if len({alike.get(some.dtype.kind, some.dtype.kind) for some in labels}) > 1:
        one, other = (some.tolist()[0] for some in labels[:2])
        raise UserError(f"labels are {one!r} and {other!r}; expected labels of one kind, say all words.")
    every: Array = np.unique(np.concatenate(labels))
    return every
