"""Chapter 8: a score on one scale, an area, and a learner that is one class."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from quickstudy.course.exercise import Exercise, must, same

TEXT = '''
import math

import torch


def scaled(score, chance, best):
    """The score on a scale on which 0 is chance and 1 is the best there can be.

    scaled(0.6, 0.2, 1.0) gives 0.5; for an error scaled(1.0, 3.0, 0.0) gives 0.6667
    """


def area(curve):
    """The area under the curve of learning, over the logarithm of the number of examples: 1 if every score is 1.

    curve is a list of (examples, score), the fewest examples first. Between two of them the curve is straight, so that
    the piece is their mean score times the difference of their logarithms; divide by the whole width.
    area([(1, 0.0), (10, 1.0), (100, 1.0)]) gives 0.75
    """


class Entry:
    """An entry: learns from a few drawings, and says what others are.

    support is a tensor [n, 28, 28] of ink from 0 to 1, labels a tensor [n] with 0 to 4, query a tensor [m, 28, 28].
    Nothing is trained beforehand. Comparing pixels with the mean drawing of each class is right in about half of all
    cases, which is enough here; chance is right in a fifth.
    """

    def fit(self, support, labels):
        """Learn."""

    def predict(self, query):
        """A tensor [m] of labels."""
'''
ENOUGH = 0.42
"""Share of right answers that an entry needs: well above the 0.2 of chance."""
EPISODES, QUERIES = 30, 5


def check_scaled(scaled: Callable[..., Any]) -> None:
    hint = (
        "How far above chance, divided by how far the best is above chance. It serves errors too, whose best is below."
    )
    same(scaled(0.6, 0.2, 1.0), 0.5, hint)
    same(scaled(1.0, 3.0, 0.0), 2 / 3, hint)
    same(scaled(0.1, 0.2, 1.0), -0.125, "Worse than chance is below 0; do not cut it off.")


def check_area(area: Callable[..., Any]) -> None:
    hint = "Each piece: the mean of its two scores times log(later) - log(earlier). Divide by log(last) - log(first)."
    same(area([(1, 0.0), (10, 1.0), (100, 1.0)]), 0.75, hint)
    same(area([(1, 1.0), (5, 1.0), (20, 1.0)]), 1.0, "Where every score is 1 the area is 1: divide by the whole width.")
    right = (0.3 * math.log(2) + 0.6 * math.log(10)) / math.log(20)
    same(area([(1, 0.2), (2, 0.4), (20, 0.8)]), right, hint)


def check_entry(entry: Callable[..., Any]) -> None:
    import torch

    from quickstudy.tasks import load

    tasks = load("glyphs").sample("test", torch.arange(EPISODES), way=5, shot=1, query=QUERIES, seed=4)
    right = 0
    for number in range(EPISODES):
        one = entry()
        one.fit(tasks.support.x[number, :, 0], tasks.support.y[number].argmax(-1))
        found = one.predict(tasks.query.x[number, :, 0])
        must(found is not None, "predict gives nothing yet. Return a label for each drawing.")
        labels = torch.as_tensor(found)
        must(
            labels.shape == (5 * QUERIES,),
            f"predict gives shape {list(labels.shape)}; expected one label each, [{5 * QUERIES}].",
        )
        right += int((labels == tasks.query.y[number].argmax(-1)).sum())
    share = right / (EPISODES * 5 * QUERIES)
    hint = "Keep the mean drawing of each label in fit; in predict take the nearest by squared distance of pixels."
    must(share >= ENOUGH, f"right in {share:.0%} of {EPISODES} tasks, where {ENOUGH:.0%} are enough. {hint}")


EXERCISES = (
    Exercise("scaled", "a score on one scale", check_scaled),
    Exercise("area", "the area under the curve of learning", check_area),
    Exercise("Entry", "an entry of your own", check_entry),
)
