"""A body on one ground, in the simulation: its tries, and what there is to know of the ground.

The oracle has walked every gait of the library, and the fastest that the cross-entropy method finds in 500 tries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from quickstudy.control.history import Candidates, Search, Try
from quickstudy.sim.cem import search as cross_entropy
from quickstudy.sim.gaits import Array
from quickstudy.sim.strides import Ground

EACH, CEM = 20, 500
"""Tries of the cross-entropy method at a time, and in all."""


class Known(NamedTuple):
    """What the oracle knows."""

    speed: Tensor
    """[G] of every candidate, in metres a second."""
    fastest: Array
    """[numbers] of the fastest gait, be it a candidate or none."""
    best: float
    """Its speed."""
    blew_up: int
    """Simulations of candidates that ended in numbers that are none."""


class Step(NamedTuple):
    """A try, and what was believed before it."""

    told: Try
    believed: float
    """Speed of this gait, in metres a second."""
    std: float
    """NaN where the learner tells none."""

    @property
    def blew_up(self) -> bool:
        """Whether nothing could be measured."""
        return self.told.fell and not any(self.told.outcome)


class Walk(NamedTuple):
    """A gait that is chosen, and what it does."""

    who: str
    gait: Array
    speed: float
    fell: bool


def know(ground: Ground, candidates: Candidates) -> Known:
    """Walk everything."""
    felt = ground.walk(candidates.x.double().numpy())
    speed = felt.values[:, 0]
    found = cross_entropy(
        lambda gaits: ground.walk(gaits).values[:, 0], candidates.x.shape[1], tries=CEM, each=EACH, seed=0
    )
    own, other = int(speed.argmax()), int(found.worth.argmax())
    fastest = candidates.x[own].double().numpy() if speed[own] >= found.worth[other] else found.x[other]
    best = float(max(speed[own], found.worth[other]))
    return Known(torch.from_numpy(speed).float(), fastest, best, felt.blew_up)


def trying(search: Search, ground: Ground, tries: int) -> Iterator[Step]:
    """``tries`` tries; those that the history has are not made again."""
    for number in range(tries):
        if number == len(search.tries):
            felt = ground.walk(np.array([search.suggest()]))
            search.tell(None if felt.blew_up else felt.values[0].tolist(), fell=bool(felt.fell[0]))
        one = search.tries[number]
        mean, std = search.believed(number)
        yield Step(one, float(mean[one.gait]), float(std[one.gait]))


def walks(search: Search, ground: Ground, known: Known, tries: int) -> Iterator[Walk]:
    """Of the learner without its tries, with the first ``tries`` of them, and of the oracle."""
    x = search.candidates.x.double().numpy()
    chosen = {"not adapting": x[choice(search, 0)], "adapting": x[choice(search, tries)]}
    nearest = known.speed if search.speed is None else -(known.speed - search.speed).abs()
    chosen["oracle"] = known.fastest if search.speed is None else x[int(nearest.argmax())]
    felt = ground.walk(np.stack(list(chosen.values())))
    for number, (who, gait) in enumerate(chosen.items()):
        yield Walk(who, gait, float(felt.values[number, 0]), bool(felt.fell[number]))


def choice(search: Search, after: int) -> int:
    """Number of the gait that is chosen after so many tries: the fastest of them, or the one believed to go at the
    speed asked for."""
    if search.speed is not None:
        return search.nearest(search.speed, after)
    stood = [one for one in search.tries[:after] if not one.fell]
    if stood:
        return max(stood, key=lambda one: one.outcome[0]).gait
    return int(search.believed(after)[0].argmax())


def errors(search: Search, known: Known, tries: int) -> tuple[list[float], list[float]]:
    """In metres a second, before any try and after each of ``tries``: how far the believed speeds of all candidates are
    off (root mean square), and how far the chosen gait is off what is wanted."""
    off, missed = [], []
    for after in range(tries + 1):
        off.append(float((search.believed(after)[0] - known.speed).square().mean().sqrt()))
        goes = float(known.speed[choice(search, after)])
        missed.append(known.best - max(goes, 0.0) if search.speed is None else abs(goes - search.speed))
    return off, missed
