"""Chapter 4: an episode, an interval, and a difference on the same tasks."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from typing import Any

from quickstudy.course.exercise import Exercise, must, same

TEXT = '''
import random


def episode(classes, way, shot, query, chance):
    """A few-shot task: (support, query), each a list of (label, example).

    classes is a dict from label to a list of examples. Choose `way` labels at random, and of each `shot` examples for
    the support and `query` others for the query. `chance` is a random.Random: chance.sample(list, k) draws k of it,
    none twice.
    """


def interval(scores):
    """The mean of the scores, and half the width of its 95 % interval: 1.96 * deviation / sqrt(n).

    The deviation is that of a sample: the sum of squared differences from the mean is divided by n - 1.
    interval([0.0, 1.0]) gives (0.5, 0.98)
    """


def ahead(mine, yours):
    """By how much `mine` is ahead of `yours` on the same tasks: (mean, half the width of the interval).

    mine[i] and yours[i] are scores in task i. Look at the differences, task by task.
    """
'''
CLASSES = {name: [f"{name}{number}" for number in range(6)] for name in "abcdefg"}


def check_episode(episode: Callable[..., Any]) -> None:
    seen = set()
    for seed in range(20):
        found = episode({name: [*some] for name, some in CLASSES.items()}, 3, 2, 4, random.Random(seed))
        must(found is not None, "it gives nothing yet. Return a support and a query.")
        must(isinstance(found, tuple | list) and len(found) == 2, "Return two lists: (support, query).")
        support, query = found
        for name, part, count in (("support", support, 2), ("query", query, 4)):
            labels = [label for label, _ in part]
            must(len({*labels}) == 3, f"The {name} has {len({*labels})} labels; expected 3.")
            must(
                all(labels.count(one) == count for one in labels),
                f"The {name} must have {count} examples of each label.",
            )
            must(all(value in CLASSES[label] for label, value in part), f"An example of the {name} has a wrong label.")
        must(
            {label for label, _ in support} == {label for label, _ in query},
            "The query must ask about the support's labels.",
        )
        everything = [value for _, value in [*support, *query]]
        hint = "An example is there twice, perhaps in support and query. Draw shot + query of a class at once."
        must(len({*everything}) == len(everything), hint)
        seen |= {frozenset(label for label, _ in support)}
    must(len(seen) > 5, "Twenty episodes have nearly the same labels: draw them at random with `chance`.")


def check_interval(interval: Callable[..., Any]) -> None:
    same(interval([0.0, 1.0]), (0.5, 0.98), "Divide by n - 1 under the root of the deviation, then by the root of n.")
    scores = [0.2, 0.4, 0.9, 0.5, 0.6]
    half = 1.96 * statistics.stdev(scores) / len(scores) ** 0.5
    hint = "The deviation says how much tasks differ; the mean of n of them is surer by the root of n."
    same(interval(scores), (statistics.fmean(scores), half), hint)


def check_ahead(ahead: Callable[..., Any]) -> None:
    mine, yours = [0.9, 0.5, 0.7, 0.3], [0.8, 0.4, 0.55, 0.25]
    difference = [one - other for one, other in zip(mine, yours, strict=True)]
    half = 1.96 * statistics.stdev(difference) / 2
    found = ahead(mine, yours)
    hint = "What is hard for one is hard for both: subtract task by task, then take the interval of the differences."
    same(found, (statistics.fmean(difference), half), hint)


EXERCISES = (
    Exercise("episode", "a few-shot task", check_episode),
    Exercise("interval", "how sure a mean is", check_interval),
    Exercise("ahead", "a paired difference", check_ahead),
)
