"""Chapter 2: drawing tasks, keeping classes apart, and labels that mean nothing outside their task."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from quickstudy.course.exercise import Exercise, must, same

TEXT = '''
import math
import random


def draw_wave(chance):
    """A wave of the distribution that the first chapter trains on: (amplitude, phase).

    The amplitude is anywhere from 0.1 to 5, the phase anywhere from 0 to pi, both equally likely everywhere.
    `chance` is a random.Random; use it for every random number, so that the same seed gives the same waves.
    """


def divide(rows, held_out):
    """Divide rows into (training, test) so that no class of the test is ever trained on.

    rows is a list of (label, value); held_out is the set of labels to test on. Keep the order of the rows.
    divide([("a", 1), ("b", 2), ("a", 3)], {"a"}) gives ([("b", 2)], [("a", 1), ("a", 3)])
    """


def relabel(labels):
    """The labels of one task as numbers 0, 1, 2, ... in the order in which they first appear.

    A learner of many tasks must not know a class by its name, for the next task has other classes.
    relabel(["fox", "owl", "fox", "bee"]) gives [0, 1, 0, 2]
    """
'''


def check_draw(draw_wave: Callable[..., Any]) -> None:
    chance = random.Random(0)
    first = draw_wave(chance)
    must(first is not None, "it gives nothing yet. Return an amplitude and a phase.")
    must(isinstance(first, tuple | list) and len(first) == 2, "Return two numbers: (amplitude, phase).")
    waves = [draw_wave(chance) for _ in range(2000)]
    for at, (name, low, high) in enumerate((("amplitude", 0.1, 5.0), ("phase", 0.0, math.pi))):
        values = [wave[at] for wave in waves]
        must(low <= min(values) and max(values) <= high, f"Some {name} is outside {low:g} to {high:.3g}.")
        spread = (high - low) / 50
        must(
            min(values) < low + spread and max(values) > high - spread,
            f"The {name} never comes near the ends of {low:g} to {high:.3g}: chance.uniform(low, high) does.",
        )
        must(
            abs(sum(values) / len(values) - (low + high) / 2) < spread * 3,
            f"The {name} is not equally likely everywhere.",
        )
    again = [draw_wave(random.Random(5)) for _ in range(2)]
    must(tuple(again[0]) == tuple(again[1]), "The same seed gave two waves: take every random number from `chance`.")


def check_divide(divide: Callable[..., Any]) -> None:
    hint = "A row belongs to the test if its label is in held_out, whatever its place in the list."
    same(divide([("a", 1), ("b", 2), ("a", 3)], {"a"}), ([("b", 2)], [("a", 1), ("a", 3)]), hint)
    rows = [("c", 1), ("b", 2), ("c", 3), ("d", 4)]
    same(divide(rows, {"b", "d"}), ([("c", 1), ("c", 3)], [("b", 2), ("d", 4)]), hint)


def check_relabel(relabel: Callable[..., Any]) -> None:
    hint = "Number classes by their first appearance, not by the alphabet: the first label is always 0."
    same(relabel(["fox", "owl", "fox", "bee"]), [0, 1, 0, 2], hint)
    same(relabel(["z", "a", "z", "m", "a"]), [0, 1, 0, 2, 1], hint)


EXERCISES = (
    Exercise("draw_wave", "a task from the distribution", check_draw),
    Exercise("divide", "classes, not rows, are held out", check_divide),
    Exercise("relabel", "labels of one task alone", check_relabel),
)
