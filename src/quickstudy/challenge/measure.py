"""What an entry is worth on a challenge: the row of results.

Every episode is drawn by its family and scored by ``scoring.score``, one after the other, through ``Stranger``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.challenge import areas
from quickstudy.challenge.check import Block
from quickstudy.challenge.stranger import Chance, NoConfig, Stranger
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.intervals import cell
from quickstudy.learners.base import Learner
from quickstudy.scoring import Episodes, Scored, score
from quickstudy.tasks import draw
from quickstudy.tasks.base import HIGHER, Task

Say = Callable[[str], None]


class Episode(NamedTuple):
    """One task of a plan."""

    number: int
    way: int
    shot: int


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Scores of tasks, one by one."""

    values: Tensor
    """[episodes] of the metric that counts."""
    units: Tensor
    manifests: list[str]
    oracle: Tensor | None


def plan(block: Block, seed: int) -> list[Episode]:
    """The test tasks of a block: which of its ways and shots each has is drawn from the seed."""
    count = block.tasks.episodes
    key = draw.keys(torch.arange(count), "challenge", block.test.spec.name, seed)

    def within(span: tuple[int, int], what: str) -> list[int]:
        numbers: list[int] = (draw.bits(key, 1, what)[:, 0] % (span[1] - span[0] + 1) + span[0]).tolist()
        return numbers

    return [
        Episode(*one) for one in zip(range(count), within(block.way, "way"), within(block.shot, "shot"), strict=True)
    ]


def drawn(block: Block, episode: Episode, seed: int) -> Task:
    """One test task."""
    size = {"way": episode.way, "shot": episode.shot, "query": block.tasks.query}
    return batch.take(block.test.sample("test", torch.tensor([episode.number]), **size, seed=seed), 0)


def one(learner: Learner, block: Block, episode: Episode, seed: int) -> Scored:
    """The evaluator's word on one episode."""
    which = Episodes(way=episode.way, shot=episode.shot, query=block.tasks.query, episodes=1, seed=seed)
    return score(learner, block.test, which, how="loop", first=episode.number)


def value_of(scored: Scored, block: Block) -> Tensor:
    """[1] of the metric that counts; where a task has none, NaN."""
    if block.metric == block.test.spec.metric:
        return scored.values
    return scored.others.get(block.metric, torch.full_like(scored.values, torch.nan))


def judged(learner: Learner, block: Block, episodes: Sequence[Episode], seed: int) -> Judged:
    """All ``episodes`` in order."""
    found = [one(learner, block, episode, seed) for episode in episodes]
    best = [scored.oracle for scored in found if scored.oracle is not None]
    return Judged(
        values=torch.cat([value_of(scored, block) for scored in found]).double(),
        units=torch.cat([scored.units for scored in found]),
        manifests=[scored.manifest for scored in found],
        oracle=torch.cat(best).double() if best and block.metric == block.test.spec.metric else None,
    )


def scale_of(block: Block, episodes: Sequence[Episode], seed: int) -> tuple[areas.Scale, Judged]:
    """What the metric has at 0 and at 1 on ``episodes``, and what chance has on each."""
    chance = judged(Chance(block.test.spec, NoConfig()), block, episodes, seed)
    best = torch.full_like(chance.values, 1.0 if block.metric in HIGHER else 0.0)
    if chance.oracle is not None:
        best = areas.alike(chance.oracle)
    if block.metric == "accuracy":
        expected = torch.tensor([1 / episode.way for episode in episodes], dtype=torch.float64)
        chance = replace(chance, values=expected)
    zero = chance.values if block.metric == "accuracy" else areas.alike(chance.values)
    scale = areas.scale(zero, best, block.test.spec.name)
    return scale._replace(level=mean(scale.bounded(chance.values), chance.units)), chance


def mean(values: Tensor, units: Tensor) -> float:
    """Over units of ``values`` [episodes], as rows have it; NaN where there are none."""
    found = cell(values, units)["mean"]
    return math.nan if found is None else float(found)


class Main(NamedTuple):
    """What the test tasks gave."""

    scaled: Tensor
    """[episodes]; what chance has where there is no answer."""
    steps: list[list[tuple[float, float]]]
    """Of each episode the seconds and scaled scores of all its answers."""
    before: Tensor
    """[episodes] what chance has, scaled."""
    judged: Judged
    scale: areas.Scale
    answers: list[Tensor | None]
    """Of each episode the last answer [queries, ...]."""


def main_tasks(stranger: Stranger, block: Block, seed: int) -> Main:
    """All test tasks, each of their answers scored."""
    episodes = plan(block, seed)
    scale, chance = scale_of(block, episodes, seed)
    values, steps, answers = [], [], list[Tensor | None]()
    for episode in episodes:
        stranger.replayed = None
        last = value_of(one(stranger, block, episode, seed), block)
        values.append(last)
        answers.append(stranger.given[-1].prediction[0] if stranger.given else None)
        seconds = [given.seconds for given in stranger.given]
        earlier = []
        for number in range(len(seconds) - 1):
            stranger.replayed = number
            earlier.append(value_of(one(stranger, block, episode, seed), block))
        stranger.replayed = None
        scores = [scale.of(episode.number, float(each)) for each in [*earlier, last]] if seconds else []
        steps.append(list(zip(seconds, scores, strict=True)))
    found = torch.cat(values).double()
    return Main(
        scale(found),
        steps,
        scale(chance.values),
        Judged(values=found, units=chance.units, manifests=chance.manifests, oracle=chance.oracle),
        scale,
        answers,
    )


def curve(stranger: Stranger, block: Block, shots: Sequence[int], seed: int) -> tuple[list[int], Tensor]:
    """The shots that the family can give, and scaled scores [points, tasks] of the first test tasks with so many."""
    first = plan(block, seed)[: block.tasks.curve]
    points, rows, chances = [], [], []
    for shot in shots:
        episodes = [episode._replace(shot=shot) for episode in first]
        try:
            scale, chance = scale_of(block, episodes, seed)
        except UserError:
            continue
        points.append(shot)
        rows.append(scale.bounded(judged(stranger, block, episodes, seed).values))
        chances.append(scale.bounded(chance.values))
    if not points:
        return [], torch.zeros(0, len(first), dtype=torch.float64)
    level = mean(areas.by_examples(points, torch.stack(chances)), chance.units)
    return points, areas.levelled(torch.stack(rows), level)


def listed(values: Tensor) -> list[float | None]:
    """Numbers as JSON has them."""
    return [float(f"{value:.7g}") if value == value else None for value in values.tolist()]


def joined(manifests: Sequence[str]) -> str:
    """One hash of those of all episodes."""
    return hashlib.sha256("".join(manifests).encode()).hexdigest()[:16]
