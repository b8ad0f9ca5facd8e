"""What a classifier would reach on new examples, from those it has: each is predicted from the others.

With up to ``FOLDS`` examples each is left out on its own; with more, a share of each class at a time. An example that
is the only one of its class cannot be predicted, and counts as wrong: whoever adds a second one will see.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from quickstudy.estimator.classifier import FewShotClassifier, joined
from quickstudy.estimator.inputs import Array
from quickstudy.tasks.places import watched

FOLDS = 20


@dataclass(frozen=True)
class HeldOut:
    """How the examples of a classifier are predicted from one another."""

    labels: list[str]
    truth: Array
    """[n] number of the class of each example."""
    predicted: Array
    """[n] that of the class it is taken for; -1 where there is no other example."""

    @property
    def right(self) -> Array:
        right: Array = self.truth == self.predicted
        return right

    @property
    def accuracy(self) -> float:
        """Share that is right."""
        return float(self.right.mean())

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which the accuracy on new examples lies, as exact as so few tell (Clopper and Pearson 1934, 95 %)."""
        right, count = int(self.right.sum()), len(self.right)
        low = beta.ppf(0.025, right, count - right + 1) if right else 0.0
        high = beta.ppf(0.975, right + 1, count - right) if right < count else 1.0
        return float(low), float(high)

    @property
    def alone(self) -> list[str]:
        """Labels that have one example only, which cannot be predicted from others of its kind."""
        counts = np.bincount(self.truth, minlength=len(self.labels))
        return [label for label, count in zip(self.labels, counts, strict=True) if count == 1]

    def of(self, number: int) -> tuple[int, int]:
        """Examples of a class, and how many of them are right."""
        mine = self.truth == number
        return int(mine.sum()), int((mine & self.right).sum())

    def taken_for(self, number: int) -> int | None:
        """The class that examples of ``number`` are most often taken for; None where none is."""
        wrong = self.predicted[(self.truth == number) & ~self.right & (self.predicted >= 0)]
        return int(np.bincount(wrong).argmax()) if len(wrong) else None

    def weakest(self) -> int | None:
        """The class of which more examples would help most: the one most often wrong. None if all are right."""
        counts = [self.of(number) for number in range(len(self.labels))]
        shares = [right / count if count else 1.0 for count, right in counts]
        return int(np.argmin(shares)) if min(shares) < 1 else None


def held_out(classifier: FewShotClassifier) -> HeldOut:
    """Predict every example of a fitted ``classifier`` from the others."""
    y, kept = classifier.y_, classifier.examples_
    fold = _folds(y)
    predicted = np.full(len(y), -1)
    with watched("Predicting each from the others", len(y)) as advance:
        for number in range(fold.max() + 1):
            out = fold == number
            if out.all():  # there is only one example
                continue
            adapted = classifier._adapt(kept[~out], y[~out])
            answers = classifier._answers(kept[out], adapted, kept[~out])
            predicted[out] = joined(answers).argmax(-1).numpy()
            advance(int(out.sum()))
    return HeldOut([str(label) for label in classifier.classes_], y, predicted)


def _folds(y: Array) -> Array:
    """[n] the part that each example belongs to, with the examples of each class spread evenly over parts."""
    fold = np.empty(len(y), dtype=np.int64)
    fold[np.argsort(y, kind="stable")] = np.arange(len(y)) % min(FOLDS, len(y))
    return fold
