"""Chapter 1: tasks, support and query, and the curve of learning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quickstudy.course.exercise import Exercise, same

TEXT = '''

def split(examples, shot):
    """Divide the examples of one task: the first `shot` to learn from (support), the others to be judged on (query).

    split(["a", "b", "c", "d"], 3) gives (["a", "b", "c"], ["d"])
    """


def error(answers, targets):
    """The mean squared error of the answers: the mean of (answer - target) ** 2.

    error([1.0, 2.0], [1.0, 4.0]) gives 2.0
    """


def learning_curve(errors):
    """The mean error over all tasks, after each number of examples.

    errors[task][k] is the error in that task after k examples; all tasks have as many.
    learning_curve([[4.0, 2.0, 1.0], [6.0, 4.0, 1.0]]) gives [5.0, 3.0, 1.0]
    """
'''


def check_split(split: Callable[..., Any]) -> None:
    hint = "The first `shot` examples are the support, and none of them may be in the query."
    same(split(["a", "b", "c", "d"], 3), (["a", "b", "c"], ["d"]), hint)
    same(split([1, 2, 3, 4, 5], 1), ([1], [2, 3, 4, 5]), hint)
    same(split([1, 2], 0), ([], [1, 2]), "With no shot at all the support is empty and everything is asked.")


def check_error(error: Callable[..., Any]) -> None:
    hint = "Square each difference, then take their mean: the sum divided by how many there are."
    same(error([1.0, 2.0], [1.0, 4.0]), 2.0, hint)
    same(error([0.0, 0.0, 3.0], [1.0, -1.0, 1.0]), 2.0, hint)


def check_curve(learning_curve: Callable[..., Any]) -> None:
    hint = "Average over tasks, not over examples: the curve is as long as one task's list."
    same(learning_curve([[4.0, 2.0, 1.0], [6.0, 4.0, 1.0]]), [5.0, 3.0, 1.0], hint)
    same(learning_curve([[3.0, 1.0], [3.0, 2.0], [0.0, 0.0]]), [2.0, 1.0], hint)


EXERCISES = (
    Exercise("split", "support and query", check_split),
    Exercise("error", "how far off answers are", check_error),
    Exercise("learning_curve", "the mean over tasks, by examples", check_curve),
)
