"""Adaptability on held-out tasks: the score with its interval, its curves, and what it costs to get it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

import quickstudy
from quickstudy import cost, runs
from quickstudy.devices import pick_device
from quickstudy.embedding import embedded
from quickstudy.errors import UserError, unknown
from quickstudy.intervals import finite, interval, where_told
from quickstudy.learners.base import Learner
from quickstudy.scoring import Episodes, Scored, batches, score
from quickstudy.settings import checked
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import Split, TaskFamily

CURVES: dict[str, tuple[int, ...]] = {"shots": (1, 2, 5, 10), "steps": (0, 1, 2, 3, 5, 10), "ways": (2, 5, 10, 20)}
"""Where each curve is measured, as far as the split has so many."""

UNTOLD = ("scores", "other_scores", "oracle_scores", "unit_ids")
"""Fields of an evaluation that are not part of its JSON."""
TIMED = 5
"""Episodes that say what tasks cost among many, where the score comes from features that are kept."""


class CurvePoint(NamedTuple):
    """Score at ``at`` shots, inner steps or ways."""

    at: int
    mean: float
    ci95: float


class Score(NamedTuple):
    """A mean over units and the half-width of its 95 % interval."""

    mean: float
    ci95: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well, how fast and at what cost a learner adapts to held-out tasks."""

    learner: str
    run: str
    tasks: str
    split: str
    way: int
    shot: int
    query: int
    """The most that a class or task had, which is what was asked for where there are enough."""
    episodes: int
    units: int
    seed: int
    metric: str
    mean: float
    ci95: float
    oracle: float | None
    """Mean of the best possible answer on the same episodes, where the family knows it."""
    oracle_ci95: float | None
    others: dict[str, Score]
    """The family's further metrics on the same episodes."""
    failed: int
    """Episodes that were answered by what is no finite number; they count as wrong, and an error is infinite."""
    transductive: bool
    inner_steps: int | None
    """Asked for instead of the learner's own; None is its own."""
    adapt_ms: float
    """Median over single tasks; ``adapt_batched_ms`` is the mean of a task among many."""
    adapt_p95_ms: float
    adapt_batched_ms: float
    predict_ms: float
    """All queries of a task, likewise."""
    predict_p95_ms: float
    predict_batched_ms: float
    adapt_flops: int
    adapt_peak_mb: float
    parameters: int
    device: str
    version: str
    torch: str
    manifest: str
    training: dict[str, Any]
    """How the run was trained: its tasks, steps, seed and clocks; empty for a learner that was not."""
    curves: dict[str, list[CurvePoint]] = field(default_factory=dict)
    scores: Tensor = field(repr=False, compare=False, default_factory=lambda: torch.zeros(0))
    """[episodes] in order, as are the next ones, which are those of ``Scored``; none is part of the JSON."""
    other_scores: Mapping[str, Tensor] = field(repr=False, compare=False, default_factory=dict)
    oracle_scores: Tensor | None = field(repr=False, compare=False, default=None)
    unit_ids: Tensor = field(repr=False, compare=False, default_factory=lambda: torch.zeros(0))

    def to_json(self) -> dict[str, Any]:
        """One flat object, ready for ``json.dumps``."""
        value = {name: item for name, item in vars(self).items() if name not in UNTOLD}
        value |= {"mean": finite(self.mean), "ci95": finite(self.ci95)}
        value["others"] = {name: {"mean": finite(mean), "ci95": ci95} for name, (mean, ci95) in self.others.items()}
        value["curves"] = {
            name: [{"at": at, "mean": finite(mean), "ci95": finite(ci95)} for at, mean, ci95 in points]
            for name, points in self.curves.items()
        }
        return value


def evaluate(
    run: runs.Run | Path | str | Learner,
    tasks: str | TaskFamily | None = None,
    *,
    split: Split = "test",
    way: int = 5,
    shot: int = 1,
    query: int = 15,
    episodes: int = 1000,
    seed: int = 0,
    inner_steps: int | None = None,
    device: str = "auto",
    curves: Sequence[str] | str = (),
) -> Evaluation:
    """Judge a run, or a learner, on held-out tasks.

    Args:
        run: a run, the path of its folder, or a learner.
        tasks: a family or its name; by default that of the training.
        split, way, shot, query, episodes, seed: which episodes, see ``Episodes``.
        inner_steps: gradient steps of an adaptation, where the learner takes any.
        device: auto, cpu, cuda or mps.
        curves: any of shots, steps, ways; in one string there are commas between them.

    Raises UserError for episodes that the split cannot give, tasks that the learner cannot take, and classes or units
    that the run was trained on.
    """
    run = runs.load(run) if isinstance(run, str | Path) else run
    curves = curve_names(curves)
    learner = runs.learner_of(run)
    name = type(learner).__name__.lower() if isinstance(run, Learner) else run.learner_name
    tasks = learner.spec.name if tasks is None else tasks
    family = load_tasks(tasks)
    which = checked(Episodes(split=split, way=way, shot=shot, query=query, episodes=episodes, seed=seed))
    if family.spec.kind == "regression":
        which = replace(which, way=0)
    if isinstance(run, runs.Run) and split != "train":
        run.check_unseen(family.members(split), family.spec.name)
    if inner_steps is not None and not learner.traits.gradient:
        raise UserError(f"--inner-steps is {inner_steps}, but {name} takes no gradient steps. Leave it out.")
    if inner_steps is not None and inner_steps < 0:
        raise UserError(f"--inner-steps is {inner_steps}; it must be 0 or more.")
    place = pick_device(device)
    learner = learner.to(place)
    seen = embedded(learner, family)
    scored = timed = score(learner, seen, which, steps=inner_steps, device=place)
    if seen is not family:  # what tasks cost has the frozen net in it
        timed = score(learner, family, replace(which, episodes=min(episodes, TIMED)), steps=inner_steps, device=place)
    mean, ci95 = interval(scored.values, scored.units)
    best = None if scored.oracle is None else interval(scored.oracle, scored.units)
    few = next(batches(family, replace(which, episodes=cost.REPEATS), cost.REPEATS)).to(place)
    costs = cost.measure(learner, few, inner_steps)
    asked = int(few.query.mask.sum(-1).max()) // max(which.way, 1)
    return Evaluation(
        learner=name,
        run="" if isinstance(run, Learner) else str(run.path),
        tasks=family.spec.name,
        **asdict(which) | {"query": asked},
        units=len(scored.units.unique()),
        metric=family.spec.metric,
        mean=mean,
        ci95=ci95,
        oracle=best and best.mean,
        oracle_ci95=best and finite(best.ci95),
        others=dict(further(scored)),
        failed=scored.failed,
        transductive=learner.transductive,
        inner_steps=inner_steps,
        **costs._asdict(),
        adapt_batched_ms=timed.adapt_ms,
        predict_batched_ms=timed.predict_ms,
        parameters=sum(value.numel() for value in learner.parameters()),
        device=place.type,
        version=quickstudy.__version__,
        torch=torch.__version__,
        manifest=scored.manifest,
        training={} if isinstance(run, Learner) else run.trained(),
        curves={curve: measure_curve(learner, seen, which, curve, place) for curve in curves},
        scores=scored.values,
        other_scores=scored.others,
        oracle_scores=scored.oracle,
        unit_ids=scored.units,
    )


def further(scored: Scored) -> Iterator[tuple[str, Score]]:
    """Each further metric over the tasks that have it."""
    for name, values in scored.others.items():
        if found := where_told(values, scored.units):
            yield name, Score(found.mean, finite(found.ci95))


def curve_names(curves: Sequence[str] | str) -> list[str]:
    """The curves that are asked for; UserError for one that there is not."""
    names = [name.strip() for name in (curves.split(",") if isinstance(curves, str) else curves)]
    for name in names:
        if name and name not in CURVES:
            raise unknown("curve", name, CURVES)
    return [name for name in names if name]


def measure_curve(
    learner: Learner, family: TaskFamily, which: Episodes, curve: str, device: torch.device
) -> list[CurvePoint]:
    """Score by shots, inner steps or ways; points that the split cannot give are left out."""
    if curve == "steps" and not learner.traits.gradient:
        return []
    if curve == "ways" and family.spec.kind == "regression":
        return []
    points = []
    for at in CURVES[curve]:
        changed = {"shots": replace(which, shot=at), "ways": replace(which, way=at), "steps": which}[curve]
        try:
            scored = score(learner, family, changed, steps=at if curve == "steps" else None, device=device)
        except UserError:
            continue
        points.append(CurvePoint(at, *interval(scored.values, scored.units)))
    return points


class Difference(NamedTuple):
    """Mean of the paired difference of two runs' scores on the same episodes."""

    first: str
    second: str
    mean: float
    ci95: float


def differences(evaluations: Sequence[Evaluation]) -> list[Difference]:
    """Every pair's; UserError unless all were judged on the same episodes."""
    if len({evaluation.manifest for evaluation in evaluations}) > 1:
        raise UserError("these runs were judged on different episodes. Give --tasks, so that all meet the same.")
    return [
        Difference(a.run or a.learner, b.run or b.learner, *interval(a.scores - b.scores, a.unit_ids))
        for a, b in combinations(evaluations, 2)
    ]
