"""Chapter 5: one person and the crowd, how many examples are needed, and a margin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quickstudy.course.exercise import Exercise, must, same

TEXT = '''

def blend(measured, crowd, noise, spread):
    """What to believe of a person after a few measurements: a number between the person's own mean and the crowd's.

    measured is a list of n numbers, crowd the mean of all people. `noise` is the variance of a measurement, `spread`
    the variance between people. The person's own mean weighs n / noise, the crowd's 1 / spread; without measurements
    the crowd speaks.
    blend([8.0], 4.0, 1.0, 1.0) gives 6.0
    """


def examples_needed(curve, target):
    """The least number of examples with which the score is `target` or more; None if it never is.

    curve is a dict from the number of examples to the score, in any order.
    examples_needed({1: 0.5, 5: 0.8, 20: 0.9}, 0.75) gives 5
    """


def grip(needs, share):
    """The least of the forces in `needs` that is enough for at least this share of the objects.

    needs[i] is the force that object i needs. A force is enough for an object that needs no more.
    grip([3.0, 1.0, 2.0, 10.0], 0.75) gives 3.0
    """
'''


def check_blend(blend: Callable[..., Any]) -> None:
    same(
        blend([8.0], 4.0, 1.0, 1.0),
        6.0,
        "Weighed mean: (own mean * n / noise + crowd / spread) / (n / noise + 1 / spread).",
    )
    hint = "With more measurements the person's own mean weighs more: n / noise, with n how many there are."
    same(blend([8.0, 10.0, 9.0], 4.0, 1.0, 1.0), 7.75, hint)
    same(blend([10.0], 4.0, 4.0, 1.0), 5.2, "Measurements that err more weigh less: n is divided by the noise.")
    same(blend([], 4.0, 1.0, 2.0), 4.0, "Without any measurement the crowd's mean is all there is. Do not divide by 0.")


def check_needed(examples_needed: Callable[..., Any]) -> None:
    curve = {20: 0.9, 1: 0.5, 5: 0.8}
    same(
        examples_needed(curve, 0.75),
        5,
        "Of all numbers whose score is enough, take the least; the dict is in no order.",
    )
    same(examples_needed(curve, 0.9), 20, "A score that is just the target is enough.")
    found = examples_needed(curve, 0.95)
    must(found is None, "Where no score is enough, give None: more examples than were tried may be needed.")


def check_grip(grip: Callable[..., Any]) -> None:
    needs = [3.0, 1.0, 2.0, 10.0]
    mean = sum(needs) / len(needs)
    found = grip([*needs], 0.75)
    must(found != mean, "The mean drops what needs more than the mean. Ask for a share of the objects instead.")
    same(found, 3.0, "Sort the needs, and go up until the share of objects that need no more is large enough.")
    same(grip([*needs], 1.0), 10.0, "For all objects, the most that any of them needs.")
    same(grip([*needs], 0.5), 2.0, "Two of four are a half, and a half is enough here.")
    same(grip([5.0, 4.0, 3.0], 0.34), 4.0, "One of three is 0.333, which is less than 0.34: take the next.")


EXERCISES = (
    Exercise("blend", "one person and the crowd", check_blend),
    Exercise("examples_needed", "the least number of examples", check_needed),
    Exercise("grip", "a margin", check_grip),
)
