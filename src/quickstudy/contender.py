"""One learner of a comparison: its score, curves, costs, calibration, and its score when the world moves.

Nothing is judged here that ``evaluate`` or ``score`` do not judge: this is what they are asked for, and in which order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from quickstudy import cost, runs
from quickstudy.calibration import Calibration, Overheard, calibrate, temperature
from quickstudy.devices import pick_device
from quickstudy.errors import UserError
from quickstudy.evaluation import CURVES, CurvePoint, Evaluation, evaluate, measure_curve
from quickstudy.inner import batch
from quickstudy.intervals import interval
from quickstudy.learners.base import Learner
from quickstudy.scoring import Episodes, batches, check_fits, score
from quickstudy.tasks.base import Task, TaskFamily
from quickstudy.tasks.vision.shift import Kind, Shift, Where

STRENGTHS = (1.0, 2.0, 4.0)
"""Of each kind of shift."""
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


class Shifted(NamedTuple):
    """A score on changed episodes."""

    kind: Kind
    strength: float
    mean: float
    ci95: float
    change: float
    """Mean of the paired difference to the score on the same episodes unchanged."""
    change_ci95: float
    calibration: Calibration | None
    """At the temperature that was learnt on unchanged tasks; None in regression."""


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


class Entrant(NamedTuple):
    """A learner before it is measured."""

    name: str
    source: runs.Run | Learner
    learner: Learner

    def check(self, asked: Asked) -> None:
        """UserError if it does not do these tasks or was trained on them."""
        try:
            check_fits(self.learner, asked.family)
        except UserError as error:
            raise UserError(f"{self.name} cannot take part: {error}") from error
        if isinstance(self.source, runs.Run) and asked.which.split != "train":
            self.source.check_unseen(asked.family.members(asked.which.split), asked.family.spec.name)

    def parts(self, asked: Asked) -> int:
        """How many times ``measure`` says what comes next."""
        return 3 + len(CURVES) + len(asked.shifts)


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
    higher = asked.family.spec.higher_is_better
    return Measured(
        name=entrant.name,
        evaluation=replace(evaluation, curves=curves),
        steps_needed=needed(curves["steps"], higher),
        shots_needed=needed(curves["shots"], higher),
        priced=priced,
        adapted_parameters=adapted,
        state_bytes=size,
        calibration=calibrate(heard.answers(), degree) if _classifies(asked) else None,
        shifts=[one for kind in asked.shifts for one in _shift(learner, kind, evaluation, degree, asked, say)],
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
    own = interval(*(values[: asked.side.episodes] for values in (evaluation.scores, evaluation.unit_ids)))
    yield Priced(None, evaluation.adapt_ms, evaluation.adapt_flops, *own)
    for steps, mean, ci95 in curve:
        costs = cost.measure(learner, few, steps)
        yield Priced(steps, costs.adapt_ms, costs.adapt_flops, mean, ci95)


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


def _shift(
    learner: Learner,
    kind: Kind,
    evaluation: Evaluation,
    degree: float | None,
    asked: Asked,
    say: Callable[[str], None],
) -> Iterator[Shifted]:
    say(f"shift: {kind}")
    before = evaluation.scores[: asked.side.episodes]
    for strength in STRENGTHS:
        heard: Any = Shift(asked.family, kind=kind, strength=strength, on=asked.shift_on)
        heard = Overheard(heard) if _classifies(asked) else heard
        scored = score(learner, heard, asked.side, device=asked.place)
        judged = calibrate(heard.answers(), degree) if isinstance(heard, Overheard) else None
        after, change = (interval(values, scored.units) for values in (scored.values, scored.values - before))
        yield Shifted(kind, strength, *after, *change, judged)
