"""Chapter 6: leaks, the best of many, and when a meta-training pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quickstudy.course.exercise import Exercise, must, same

TEXT = '''

def leaks(training, test):
    """Who is in both, sorted, each once: people or classes that were trained on must not be tested on.

    leaks(["ann", "bob", "ann"], ["cid", "bob"]) gives ["bob"]
    """


def honest(validation, test):
    """The score to report when many methods were tried.

    validation and test are dicts from a method's name to its score. Choose by validation; say what the test says of it.
    honest({"a": 0.8, "b": 0.7}, {"a": 0.75, "b": 0.79}) gives 0.75
    """


def pays_after(training, with_it, without):
    """The least number of tasks after which a meta-training has paid for itself; None if it never does.

    training is its cost; with_it and without are the costs of learning one task with and without it.
    It has paid once training + n * with_it is no more than n * without.
    pays_after(100.0, 1.0, 11.0) gives 10
    """
'''


def check_leaks(leaks: Callable[..., Any]) -> None:
    hint = "Who is in both lists, each once, in the order of the alphabet."
    same(leaks(["ann", "bob", "ann"], ["cid", "bob"]), ["bob"], hint)
    same(leaks(["d", "a", "b", "d"], ["d", "b", "d", "x"]), ["b", "d"], hint)
    same(leaks(["a"], ["b"]), [], "Where nobody is in both, the list is empty.")


def check_honest(honest: Callable[..., Any]) -> None:
    hint = "Choosing by the test makes its score too good. Choose by validation, then report that method's test score."
    same(honest({"a": 0.8, "b": 0.7}, {"a": 0.75, "b": 0.79}), 0.75, hint)
    same(honest({"x": 0.2, "y": 0.9, "z": 0.5}, {"x": 0.9, "y": 0.4, "z": 0.6}), 0.4, hint)


def check_pays(pays_after: Callable[..., Any]) -> None:
    same(
        pays_after(100.0, 1.0, 11.0),
        10,
        "Each task saves without - with_it; how many savings make up for the training?",
    )
    same(pays_after(100.0, 1.0, 10.0), 12, "Eleven tasks save 99, which is too little: round up.")
    never = "A task that is no cheaper with it than without never pays: give None."
    must(pays_after(100.0, 5.0, 5.0) is None, never)
    must(pays_after(100.0, 6.0, 5.0) is None, never)


EXERCISES = (
    Exercise("leaks", "who is in both", check_leaks),
    Exercise("honest", "what to report of the best of many", check_honest),
    Exercise("pays_after", "when it pays", check_pays),
)
