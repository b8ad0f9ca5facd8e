"""Every way of batching beside those that are chosen: how many times slower than the best a choice is."""

from __future__ import annotations

import datetime
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
from torch import Tensor

from quickstudy.bench import episodes, measure, ours
from quickstudy.bench.contest import Settings
from quickstudy.bench.job import Job
from quickstudy.bench.rows import Row, machine, spread, versions
from quickstudy.bench.works import WORKS
from quickstudy.errors import UserError
from quickstudy.inner import calls, choosing
from quickstudy.inner.batch import HOWS, WRITTEN, How
from quickstudy.inner.unroll import Kind

TIMED = tuple(name for name, work in WORKS.items() if work.measure == "seconds" and work.steps)
"""Works that are batched in a way that is chosen by measurement, and are about time."""
GOAL = 1.1
"""How many times slower than the best way a choice may be."""
Once = Callable[[How | Literal["auto"]], list[Tensor]]
"""A meta-gradient, batched in a way."""


def row(name: str, settings: Settings, choices: int, hows: Collection[How], say: Callable[[str], None]) -> Row:
    """Choose ``choices`` times for work ``name`` in this process, then time each of ``hows``, in turn.

    ``first`` is about what ``meta_grad`` chooses in its first call, among the ways that need no recording; ``later``
    about what a training without end does. In both, ``chosen`` counts the choices, ``best`` is the way with the
    smallest median, and ``slower`` says how many times slower than that a choice is, by the median of ratios within a
    round: the median and the worst over choices.
    """
    work, device = WORKS[name], torch.device(settings.device)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episodes.safetensors"
        episodes.write(work, settings.seed, path)
        job = episodes.read(work, settings.seed, path, device)
    once = offered(job, hows)
    first: list[How] = []
    later: list[How] = []
    for number in range(choices):
        say(f"{name}: choice {number + 1} of {choices} ...")
        first.append(chosen_first(once))
        later.append(choosing.fastest(once, job.net, device, calls=math.inf))
    repeats, refused = looked_at(once, device)
    seconds: dict[How, list[float]] = {how: [] for how in repeats}
    for number in range(settings.rounds):
        say(f"{name}: round {number + 1} of {settings.rounds} ...")
        for how in choosing.turned(list(repeats), number):
            seconds[how].append(measure.timed(partial(once, how), repeats[how], device))
    timed = {how: {"seconds": spread(values), "repeats": repeats[how]} for how, values in seconds.items()}
    return {
        "work": name,
        "says": work.says,
        "tasks": episodes.source(work),
        "goal": GOAL,
        "ways": timed | {how: {"refused": why} for how, why in refused.items()},
        "first": judged(first, seconds, [how for how in seconds if how not in WRITTEN]),
        "later": judged(later, seconds, list(seconds)),
        "rounds": settings.rounds,
        "seed": settings.seed,
        "machine": machine(settings.threads, settings.device),
        "versions": versions([]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def offered(job: Job, hows: Collection[How]) -> Once:
    """The job's meta-gradient; UserError for a way that is none of ``hows``, as for one that cannot do it."""
    gradient: Kind = "first-order" if job.first_order else "exact"

    def once(how: How | Literal["auto"]) -> list[Tensor]:
        if how != "auto" and how not in hows:
            raise UserError("left out, as was asked")
        return ours.maml(job, gradient, how)

    return once


def chosen_first(once: Once) -> How:
    """What the first call comes to that knows of none before."""
    calls.forget()
    once("auto")
    (known,) = calls.KNOWN.values()
    assert known.how is not None  # auto chose it
    return known.how


def looked_at(once: Once, device: torch.device) -> tuple[dict[How, int], dict[How, str]]:
    """How often each way is repeated for a measurement, now warmed up; and why some cannot do it."""
    repeats: dict[How, int] = {}
    refused: dict[How, str] = {}
    for how in HOWS:
        try:
            once(how)
            repeats[how], _ = measure.repeats_of(partial(once, how), device)
        except (RuntimeError, UserError) as error:
            refused[how] = str(error)
    return repeats, refused


def judged(chosen: Sequence[How], seconds: dict[How, list[float]], among: Sequence[How]) -> dict[str, Any]:
    """What was chosen beside the best of ``among``, by their ``seconds``, one number a round."""
    best = min(among, key=lambda how: median(seconds[how]))
    slower = [median(mine / its for mine, its in zip(seconds[how], seconds[best], strict=True)) for how in chosen]
    return {
        "chosen": dict(Counter(chosen)),
        "best": best,
        "slower": {"median": median(slower), "worst": max(slower)},
    }
