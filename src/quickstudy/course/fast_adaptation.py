"""Chapter 3: a gradient step, the rate at which steps diverge, and prototypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quickstudy.course.exercise import Exercise, is_tensor, must, same

TEXT = '''
import torch


def step(weights, slopes, rate):
    """One gradient step: each weight goes down its slope, by `rate` times the slope.

    step([1.0, 2.0], [0.5, -1.0], 0.1) gives [0.95, 2.1]
    """


def diverges(curvature, rate):
    """Whether steps of this rate run away on the loss  curvature / 2 * w ** 2.

    The slope at w is curvature * w, so a step gives  w - rate * curvature * w. Do the steps come nearer to 0?
    diverges(1.0, 0.5) gives False, diverges(1.0, 3.0) gives True
    """


def prototypes(features, labels, way):
    """The mean of the features of each class: a tensor [way, d].

    features is a tensor [n, d], labels a tensor [n] of whole numbers 0 to way - 1.
    """
'''


def check_step(step: Callable[..., Any]) -> None:
    found = step([1.0, 2.0], [0.5, -1.0], 0.1)
    if isinstance(found, list | tuple) and len(found) == 2:
        up = abs(float(found[0]) - 1.05) < 1e-6
        must(not up, "That goes up the slope. Down is minus: weight - rate * slope.")
    same(found, [0.95, 2.1], "Each new weight is weight - rate * slope.")
    same(step([3.0], [2.0], 0.5), [2.0], "Each new weight is weight - rate * slope.")


def check_diverges(diverges: Callable[..., Any]) -> None:
    hint = (
        "A step multiplies w by 1 - rate * curvature. It may jump over 0 and still come nearer, down to a factor of -1."
    )
    for curvature, rate in (
        (1.0, 0.5),
        (1.0, 1.5),
        (4.0, 0.4),
        (0.5, 3.5),
        (1.0, 3.0),
        (4.0, 0.6),
        (0.5, 4.5),
        (10.0, 0.21),
    ):
        found = diverges(curvature, rate)
        found = bool(found) if is_tensor(found) else found
        same(found, rate * curvature > 2, f"That was for diverges({curvature:g}, {rate:g}). {hint}")


def check_prototypes(prototypes: Callable[..., Any]) -> None:
    import torch

    features = torch.tensor([[0.0, 0.0], [2.0, 4.0], [1.0, 1.0], [5.0, 5.0], [3.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 2, 2])
    hint = "Row k is the mean of those features whose label is k; classes need not have equally many."
    same(prototypes(features, labels, 3), torch.tensor([[1.0, 2.0], [1.0, 1.0], [4.0, 2.5]]), hint)
    same(prototypes(features, 2 - labels, 3), torch.tensor([[4.0, 2.5], [1.0, 1.0], [1.0, 2.0]]), hint)


EXERCISES = (
    Exercise("step", "a gradient step", check_step),
    Exercise("diverges", "the rate that is too large", check_diverges),
    Exercise("prototypes", "the mean of each class", check_prototypes),
)
