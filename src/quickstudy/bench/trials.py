"""Trial and error of learners on held-out grounds, over several partitions, beside the cross-entropy method.

Asked for are the fastest gait, and gaits that go at commanded speeds. For each of these a learner tries anew, what it
believes to come nearest, and chooses after so many tries; before the first it does not adapt.
Learners are those of ``folds``: trained anew on every partition, runs that are there are taken. All try on the same
grounds; a ground that several partitions hold out counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import quickstudy
from quickstudy import runs
from quickstudy.bench.folds import Folds, Say
from quickstudy.bench.ladder import trained
from quickstudy.control.acquisition import Rule
from quickstudy.control.trials import commanded, trials, tries_until
from quickstudy.errors import UserError
from quickstudy.intervals import cell, interval
from quickstudy.learners.base import Learner
from quickstudy.tasks.robots.strides import Strides

NEAR = 0.9
"""Share of what the cross-entropy method finds, for which tries are counted."""
Asked = Literal["fastest", "speeds"]
"""What is tried for: the fastest gait, or gaits that go at commanded speeds."""
RANDOM = "random"
"""Tries any gait: no learner."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """What is tried, and where it goes."""

    folds: Folds
    """Learners and partitions; its columns are not used."""
    tries: int = 20
    """Most tries on each ground."""
    shown: Sequence[int] = (1, 3, 5, 10, 20)
    """After how many tries the best speed is told, and how far a commanded one is missed."""
    rule: Rule = "improvement"
    """By which the fastest is tried for."""
    asked: Asked = "fastest"

    @property
    def kind(self) -> str:
        """What the files of the rows are called by."""
        return "trials" if self.asked == "fastest" else "commanded"


def measure(contest: Contest, say: Say) -> dict[str, Path]:
    """Train what is missing, let everybody try, and write the rows: their files by learner."""
    found: dict[str, list[dict[str, Tensor]]] = {}
    for partition in contest.folds.partitions:
        ladder = contest.folds.of(partition)
        family = ladder.family
        if not isinstance(family, Strides):
            raise UserError(
                f"{family.spec.name} has no trial and error. Use strides, for example strides:body=cheetah."
            )
        for name in (*ladder.learners, RANDOM):
            learner = None if name == RANDOM else runs.learner_of(trained(ladder, name, say))
            found.setdefault(name, []).append(tried(contest, family, learner, partition))
            key = f"{'best of' if contest.asked == 'fastest' else 'off after'} {contest.shown[-1]}"
            say(f"{family.spec.name}: {name}: {key} tries: {float(found[name][-1][key].mean()):.3f} m/s")
    scores = {
        name: {key: torch.cat([part[key] for part in parts]) for key in parts[0]} for name, parts in found.items()
    }
    paths = {}
    for name in scores:
        paths[name] = contest.folds.ladder.out / f"{name}-{contest.kind}.json"
        runs.write_json(paths[name], row(contest, name, scores))
    return paths


def tried(contest: Contest, family: Strides, learner: Learner | None, seed: int) -> dict[str, Tensor]:
    """What is told of each ground [grounds], and its number."""
    units = family.grounds("test")
    told = fastest if contest.asked == "fastest" else commands
    return told(contest, family, learner, seed) | {"units": units}


def fastest(contest: Contest, family: Strides, learner: Learner | None, seed: int) -> dict[str, Tensor]:
    """Best speeds after so many tries, tries until near the reference, and the reference itself."""
    choice = family.choice(family.grounds("test"))
    reference = choice.cem[:, -1].clamp(min=0)
    found = trials(learner, choice, tries=contest.tries, rule=contest.rule, seed=seed).best
    return {
        **{f"best of {many}": found[:, many - 1] for many in contest.shown},
        "tries until near": tries_until(found, NEAR * reference).double(),
        "near": (found[:, -1] >= NEAR * reference).double(),
        "cem": reference,
        "best of library": choice.speed.amax(-1),
    }


def commands(contest: Contest, family: Strides, learner: Learner | None, seed: int) -> dict[str, Tensor]:
    """How far a gait is off the speed commanded after so many tries, the mean over commands."""
    units = family.grounds("test")
    choice = family.choice(units)
    found = [
        commanded(learner, choice, speed, tries=contest.tries, seed=seed) for speed in family.commands(units).unbind(-1)
    ]
    off = torch.stack(found).mean(0)
    return {f"off after {many}": off[:, many] for many in (0, *contest.shown)}


def row(contest: Contest, name: str, scores: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Any]:
    """What the tries of ``name`` say, and beside those of others."""
    mine = scores[name]
    units = mine["units"]
    told = {key: value for key, value in mine.items() if key != "units"}
    others = [other for other in (*contest.folds.against, RANDOM) if other != name and other in scores]

    def mean(key: str) -> float:
        return interval(told[key], units).mean  # a ground that several partitions hold out counts once

    about: dict[str, Any] = {}
    if contest.asked == "fastest":
        about = {
            "rule": "random" if name == RANDOM else contest.rule,
            "share of cem": {str(many): mean(f"best of {many}") / mean("cem") for many in contest.shown},
            "median tries until near": float(mine["tries until near"].median()),
        }
    return {
        "learner": name,
        "tasks": contest.folds.tasks,
        "partitions": list(contest.folds.partitions),
        "seed": contest.folds.ladder.seed,
        "tries": contest.tries,
        "grounds": len(units.unique()),
        "scores": {key: cell(value, units) for key, value in told.items()},
        "minus": {
            other: {key: cell(value - scores[other][key], units) for key, value in told.items()} for other in others
        },
        **about,
        "version": quickstudy.__version__,
    }
