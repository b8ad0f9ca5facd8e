"""Adaptability on held-out tasks: the score with its interval, and what it costs to get it.

A task is the unit of chance: the 95 % interval is Student's over units (episodes where classes are drawn, otherwise
patients, users or places, whose repeats are averaged first).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any, NamedTuple

import torch
from torch import Tensor

import quickstudy
from quickstudy import cost, runs
from quickstudy.devices import pick_device
from quickstudy.errors import UserError, unknown
from quickstudy.inner import batch
from quickstudy.learners.base import Adapted, Learner, Prediction
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import Split, Task, TaskFamily, check_counts

EXAMPLES = 512
"""Examples that go through a net at once on a CPU: more no longer fit its caches."""


class Interval(NamedTuple):
    """A mean and the half-width of its 95 % confidence interval."""

    mean: float
    ci95: float


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """Which episodes: a pure description, so that two learners can be judged on the same ones."""

    split: Split = "test"
    """train, val or test."""
    way: int = 5
    """Classes in an episode; ignored in regression."""
    shot: int = 1
    """Support examples of each class, or of a task."""
    query: int = 15
    """Query examples of each class, or of a task."""
    episodes: int = 1000
    """How many episodes."""
    seed: int = 0
    """Seed of the episodes."""


class Scored(NamedTuple):
    """Scores of ``Episodes``, one by one."""

    values: Tensor
    """[episodes] the family's primary metric."""
    units: Tensor
    """[episodes] int64."""
    adapt_ms: float
    """Mean time of adaptation of a task in batches."""
    predict_ms: float
    manifest: str
    """Hash of which episodes these were."""


def batches(family: TaskFamily, which: Episodes, size: int) -> Iterator[Task]:
    """The episodes of ``which`` in order, ``size`` at a time."""
    for first in range(0, which.episodes, size):
        index = torch.arange(first, min(first + size, which.episodes))
        yield family.sample(which.split, index, way=which.way, shot=which.shot, query=which.query, seed=which.seed)


def tasks_at_once(learner: Learner, which: Episodes) -> int:
    """How many episodes to put through ``learner`` together."""
    ways = which.way if learner.spec.kind == "classification" else 1
    return max(1, min(EXAMPLES // max(ways * (which.shot + which.query), 1), which.episodes))


@torch.no_grad()
def score(
    learner: Learner,
    family: TaskFamily,
    which: Episodes,
    *,
    steps: int | None = None,
    how: batch.How | None = None,
    device: torch.device | str = "cpu",
) -> Scored:
    """Adapt to every episode's support and judge the query; ``steps`` overrides the learner's inner steps."""
    check_counts(episodes=which.episodes)
    check_fits(learner, family)
    how = how or batch.usual(learner)
    values, units, draws, clock = [], [], [], {"adapt": 0.0, "predict": 0.0}
    was_training = learner.training
    learner.eval()
    for drawn in batches(family, which, tasks_at_once(learner, which)):
        draws.append(torch.cat([drawn.classes, drawn.unit.unsqueeze(-1), drawn.key.unsqueeze(-1)], -1))
        task = drawn.to(device)
        cost.synchronise(task.key.device)
        start = time.perf_counter()
        adapted = batch.map_tasks(lambda own, support: own.adapt(support, steps), learner, (task.support,), how)
        cost.synchronise(task.key.device)
        clock["adapt"] += time.perf_counter() - start

        def predict(x: Tensor, mask: Tensor, adapted: Any = adapted) -> Any:
            start = time.perf_counter()
            answer = batch.map_tasks(_predict, learner, (adapted, x, mask), how)
            cost.synchronise(x.device)
            clock["predict"] += time.perf_counter() - start
            return answer

        values.append(next(iter(family.score(predict, task).values())).cpu())
        units.append(drawn.unit)
    learner.train(was_training)
    each = 1000 / which.episodes
    manifest = manifest_hash(family, which, torch.cat(draws))
    return Scored(torch.cat(values), torch.cat(units), clock["adapt"] * each, clock["predict"] * each, manifest)


def _predict(learner: Learner, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
    return learner.predict(adapted, x, mask)


def manifest_hash(family: TaskFamily, which: Episodes, draws: Tensor) -> str:
    """Hash of the description of the episodes and of their integers [episodes, ...]: never of floats."""
    digest = hashlib.sha256(json.dumps(description(family, which), sort_keys=True).encode())
    digest.update(draws.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def description(family: TaskFamily, which: Episodes) -> dict[str, Any]:
    """What decides the episodes, as JSON."""
    return {
        "tasks": family.spec.name,
        "fingerprint": family.spec.fingerprint,
        "split": which.split,
        "way": which.way,
        "shot": which.shot,
        "query": which.query,
        "episodes": which.episodes,
        "seed": which.seed,
    }


def check_fits(learner: Learner, family: TaskFamily) -> None:
    """UserError unless ``learner`` takes the inputs of ``family``."""
    mine, theirs = learner.spec, family.spec
    if mine.kind != theirs.kind or mine.outputs != theirs.outputs:
        raise UserError(f"the learner was trained for {mine.kind} ({mine.name}), and {theirs.name} is {theirs.kind}.")
    if mine.shape != theirs.shape:
        raise UserError(
            f"the learner takes inputs of shape {mine.shape} ({mine.name}), and those of {theirs.name} have shape "
            f"{theirs.shape}. Images can be had in another size, for example "
            f"{theirs.name.partition(':')[0]}:size={mine.shape[-1]}."
        )


def interval(values: Tensor, units: Tensor) -> Interval:
    """Mean over units of the mean of each unit's values, and the half-width of Student's 95 % interval."""
    _, which = units.unique(return_inverse=True)
    sums = torch.zeros(int(which.max()) + 1, dtype=torch.float64)
    means = sums.index_add(0, which, values.double()) / torch.bincount(which)
    if len(means) < 2:
        return Interval(float(means.mean()), math.inf)
    return Interval(float(means.mean()), student(len(means) - 1) * float(means.std()) / math.sqrt(len(means)))


def finite(ci95: float) -> float | None:
    """``ci95``, or None where one unit alone has none: JSON knows no infinity."""
    return ci95 if math.isfinite(ci95) else None


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t: Abramowitz and Stegun (1964), 26.7.5; exact to 0.1 % from 4 degrees on."""
    if freedom <= 3:
        return (12.7062, 4.3027, 3.1824)[freedom - 1]
    z = 1.959963985
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))


CURVES: dict[str, tuple[int, ...]] = {"shots": (1, 2, 5, 10), "steps": (0, 1, 2, 3, 5, 10), "ways": (2, 5, 10, 20)}
"""Where each curve is measured, as far as the split has so many."""


class CurvePoint(NamedTuple):
    """Score at ``at`` shots, inner steps or ways."""

    at: int
    mean: float
    ci95: float


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
    episodes: int
    units: int
    seed: int
    metric: str
    mean: float
    ci95: float
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
    """[episodes] in order; not part of the JSON."""
    unit_ids: Tensor = field(repr=False, compare=False, default_factory=lambda: torch.zeros(0))

    def to_json(self) -> dict[str, Any]:
        """One flat object, ready for ``json.dumps``."""
        value = {name: item for name, item in vars(self).items() if name not in ("scores", "unit_ids")}
        value["ci95"] = finite(self.ci95)
        value["curves"] = {
            name: [{"at": at, "mean": mean, "ci95": finite(ci95)} for at, mean, ci95 in points]
            for name, points in self.curves.items()
        }
        return value


def evaluate(
    run: runs.Run | str | Learner,
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
    curves: Sequence[str] = (),
) -> Evaluation:
    """Judge a run, or a learner, on held-out tasks.

    Args:
        run: a run, the path of its folder, or a learner.
        tasks: a family or its name; by default that of the training.
        split, way, shot, query, episodes, seed: which episodes, see ``Episodes``.
        inner_steps: gradient steps of an adaptation, where the learner takes any.
        device: auto, cpu, cuda or mps.
        curves: any of shots, steps, ways.

    Raises UserError for episodes that the split cannot give, tasks that the learner cannot take, and classes or units
    that the run was trained on.
    """
    run = runs.load(run) if isinstance(run, str) else run
    learner = run if isinstance(run, Learner) else run.learner()
    name = type(learner).__name__.lower() if isinstance(run, Learner) else run.learner_name
    tasks = learner.spec.name if tasks is None else tasks
    family = load_tasks(tasks) if isinstance(tasks, str) else tasks
    which = Episodes(split=split, way=way, shot=shot, query=query, episodes=episodes, seed=seed)
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
    scored = score(learner, family, which, steps=inner_steps, device=place)
    mean, ci95 = interval(scored.values, scored.units)
    few = next(batches(family, replace(which, episodes=cost.REPEATS), cost.REPEATS)).to(place)
    costs = cost.measure(learner, few, inner_steps)
    return Evaluation(
        learner=name,
        run="" if isinstance(run, Learner) else str(run.path),
        tasks=family.spec.name,
        **asdict(which),
        units=len(scored.units.unique()),
        metric=family.spec.metric,
        mean=mean,
        ci95=ci95,
        transductive=learner.transductive,
        inner_steps=inner_steps,
        **costs._asdict(),
        adapt_batched_ms=scored.adapt_ms,
        predict_batched_ms=scored.predict_ms,
        parameters=sum(value.numel() for value in learner.parameters()),
        device=place.type,
        version=quickstudy.__version__,
        torch=torch.__version__,
        manifest=scored.manifest,
        training={} if isinstance(run, Learner) else run.trained(),
        curves={curve: measure_curve(learner, family, which, curve, place) for curve in curves},
        scores=scored.values,
        unit_ids=scored.units,
    )


def measure_curve(
    learner: Learner, family: TaskFamily, which: Episodes, curve: str, device: torch.device
) -> list[CurvePoint]:
    """Score by shots, inner steps or ways; points that the split cannot give are left out."""
    if curve not in CURVES:
        raise unknown("curve", curve, CURVES)
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
