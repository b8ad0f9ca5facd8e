"""One learner of a comparison: its score, curves, costs, calibration, and its score when the world moves.

Nothing is judged here that ``evaluate`` or ``score`` do not judge: this is what they are asked for, and in which order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch

from quickstudy import cost, runs
from quickstudy.calibration import Calibration, Overheard, calibrate, temperature
from quickstudy.devices import pick_device
from quickstudy.errors import UserError
from quickstudy.evaluation import CURVES, CurvePoint, Evaluation, evaluate, measure_curve
from quickstudy.inner import batch
from quickstudy.intervals import Interval, interval
from quickstudy.learners.base import Learner
from quickstudy.moved import Elsewhere, Home, Shifted
from quickstudy.scoring import Episodes, batches, check_fits, score
from quickstudy.tasks.base import Task, TaskFamily
from quickstudy.tasks.vision.shift import Kind, Where

WITHIN = 0.01
"""Share of the last score of a curve that counts as having come there."""
TIMED = 5
"""Tasks whose adaptation is timed at each number of inner steps."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every contender is judged on."""

    family: TaskFamily
    which: Episodes
    side: Episodes
    """The first ones of ``which``, for each point of a curve, each shift, and the clock."""
    shifts: list[Kind]
    shift_on: Where
    shift_to: list[TaskFamily]
    """Further families, whose tasks are met as shifts of these."""
    device: str

    @property
    def place(self) -> torch.device:
        """The device; UserError where it is not there."""
        return pick_device(self.device)

    @property
    def validation(self) -> Episodes:
        """What temperatures are learnt on: other episodes, also where val tasks are judged."""
        return replace(self.side, split="val", seed=self.side.seed + (self.which.split == "val"))


class Priced(NamedTuple):
    """A score, and what one adaptation costs that leads to it."""

    steps: int | None
    """Inner steps; None is the learner's own way to adapt."""
    adapt_ms: float
    adapt_flops: int
    mean: float
    ci95: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All that was found out about one learner."""

    name: str
    evaluation: Evaluation
    """Its curves are those of fewer episodes, ``Asked.side``."""
    steps_needed: int | None
    """Inner steps from which on the score is within 1 % of that after the most; None for a learner without any."""
    shots_needed: int | None
    """The same by support examples (of a class, or of a task)."""
    priced: list[Priced]
    adapted_parameters: int
    """Numbers in the adapted state that differ from task to task: weights that move, prototypes, moments, ..."""
    state_bytes: int
    """Of the whole adapted state of a task."""
    calibration: Calibration | None
    """None in regression."""
    shifts: list[Shifted]
    elsewhere: list[Elsewhere]


class Entrant(NamedTuple):
    """A learner before it is measured."""

    name: str
    source: runs.Run | Learner
    learner: Learner

    def check(self, asked: Asked) -> None:
        """UserError if it does not do these tasks or was trained on them."""
        for family in (asked.family, *asked.shift_to):
            try:
                check_fits(self.learner, family)
            except UserError as error:
                raise UserError(f"{self.name} cannot take part: {error}") from error
            if isinstance(self.source, runs.Run) and asked.which.split != "train":
                self.source.check_unseen(family.members(asked.which.split), family.spec.name)

    def parts(self, asked: Asked) -> int:
        """How many times ``measure`` says what comes next."""
        return 3 + len(CURVES) + len(asked.shifts) + len(asked.shift_to)


def enter(contenders: Sequence[runs.Run | Path | str | Learner]) -> list[Entrant]:
    """Each by a name of its own: the run's folder or the learner's class, longer only where two have the same."""
    sources = [runs.load(one) if isinstance(one, str | Path) else one for one in contenders]
    short = [type(one).__name__.lower() if isinstance(one, Learner) else one.name for one in sources]
    long = [
        str(one.path) if isinstance(one, runs.Run) and short.count(name) > 1 else name
        for one, name in zip(sources, short, strict=True)
    ]
    numbered = [name if long.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(long, 1)]
    return [
        Entrant(name, one, one if isinstance(one, Learner) else one.learner())
        for name, one in zip(numbered, sources, strict=True)
    ]


def measure(entrant: Entrant, asked: Asked, say: Callable[[str], None]) -> Measured:
    """Everything about one learner; ``say`` is told what comes next."""
    learner = entrant.learner.to(asked.place)
    say(f"score on {asked.which.episodes} episodes")
    heard = Overheard(asked.family)
    evaluation = evaluate(entrant.source, heard, **asdict(asked.which), device=asked.device)
    curves = dict(_curves(learner, asked, say))
    say("cost of adaptation")
    few = next(batches(asked.family, replace(asked.side, episodes=TIMED), TIMED)).to(asked.place)
    adapted, size = state_size(learner, few)
    priced = list(_prices(learner, few, evaluation, curves["steps"], asked))
    say("temperature on validation tasks")
    degree = _temperature(entrant, learner, asked)
    higher, home = asked.family.spec.higher_is_better, _home(learner, evaluation, degree, asked)
    return Measured(
        name=entrant.name,
        evaluation=replace(evaluation, curves=curves),
        steps_needed=needed(curves["steps"], higher),
        shots_needed=needed(curves["shots"], higher),
        priced=priced,
        adapted_parameters=adapted,
        state_bytes=size,
        calibration=calibrate(heard.answers(), degree) if _classifies(asked) else None,
        shifts=list(_shifts(home, asked, say)),
        elsewhere=list(_elsewhere(home, asked, say)),
    )


def _classifies(asked: Asked) -> bool:
    return asked.family.spec.kind == "classification"


def _curves(learner: Learner, asked: Asked, say: Callable[[str], None]) -> Iterator[tuple[str, list[CurvePoint]]]:
    for curve in CURVES:
        say(f"curve by {curve}")
        yield curve, measure_curve(learner, asked.family, asked.side, curve, asked.place)


def needed(points: list[CurvePoint], higher: bool) -> int | None:
    """Where a curve first comes within ``WITHIN`` of its last point, as a share of that; None without points."""
    if not points:
        return None
    last = points[-1].mean
    limit = last * (1 - WITHIN if higher else 1 + WITHIN)
    return next(point.at for point in points if (point.mean >= limit if higher else point.mean <= limit))


def _prices(
    learner: Learner, few: Task, evaluation: Evaluation, curve: list[CurvePoint], asked: Asked
) -> Iterator[Priced]:
    """One point of the learner's own, and one for each of ``curve``, all scored on the same episodes."""
    yield Priced(None, evaluation.adapt_ms, evaluation.adapt_flops, *_own(evaluation, asked))
    for steps, mean, ci95 in curve:
        costs = cost.measure(learner, few, steps)
        yield Priced(steps, costs.adapt_ms, costs.adapt_flops, mean, ci95)


def _own(evaluation: Evaluation, asked: Asked) -> Interval:
    """The score on the episodes that are met along curves and with shifts."""
    return interval(*(values[: asked.side.episodes] for values in (evaluation.scores, evaluation.unit_ids)))


@torch.no_grad()
def state_size(learner: Learner, tasks: Task) -> tuple[int, int]:
    """Numbers of the adapted state that differ between the first two of ``tasks``, and bytes of all of it."""
    one, other = (learner.adapt(batch.take(tasks, number).support) for number in (0, 1))
    differing = [value for name, value in one.items() if value.is_floating_point() and not value.equal(other[name])]
    return sum(value.numel() for value in differing), sum(
        value.numel() * value.element_size() for value in one.values()
    )


def _temperature(entrant: Entrant, learner: Learner, asked: Asked) -> float | None:
    """That of validation tasks; None where there are none that it has not been trained on."""
    if not _classifies(asked):
        return None
    heard = Overheard(asked.family)
    try:
        if isinstance(entrant.source, runs.Run):
            entrant.source.check_unseen(asked.family.members("val"), asked.family.spec.name)
        score(learner, heard, asked.validation, device=asked.place)
    except UserError:
        return None
    return temperature(heard.answers())


def _home(learner: Learner, evaluation: Evaluation, degree: float | None, asked: Asked) -> Home:
    return Home(
        learner=learner,
        family=asked.family,
        side=asked.side,
        values=evaluation.scores[: asked.side.episodes],
        mean=_own(evaluation, asked),
        degree=degree,
        device=asked.place,
    )


def _shifts(home: Home, asked: Asked, say: Callable[[str], None]) -> Iterator[Shifted]:
    for kind in asked.shifts:
        say(f"shift: {kind}")
        yield from home.shifted(kind, asked.shift_on)


def _elsewhere(home: Home, asked: Asked, say: Callable[[str], None]) -> Iterator[Elsewhere]:
    for family in asked.shift_to:
        say(f"shift to {family.spec.name}")
        yield home.elsewhere(family)
