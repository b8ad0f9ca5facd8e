"""The demo's two lessons: one learner on one family, trained, judged on new tasks and shown at work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quickstudy import learners, runs, trainer
from quickstudy.app.ahead import Ahead
from quickstudy.app.figures import Episode, Line, Wave
from quickstudy.inner import batch
from quickstudy.intervals import Interval, interval
from quickstudy.learners.base import Learner
from quickstudy.scoring import Episodes, score
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import Task, TaskFamily
from quickstudy.training import TrainConfig, Training

FINE = 84
"""Side in pixels of characters that are shown; the nets see 28."""
PRACTISED, VALIDATED, WAY, SHOTS, ASKED = 60, 20, 5, (1, 5), 4
"""Characters in a training step, a validation, a test task; examples of each; questions on each that are shown."""
BATCH, POINTS, STEPS, SHOWN_STEPS = 50, 10, (0, 1, 2, 5, 10), (0, 1, 5, 10)
"""Waves in a training step; points of one that are given; gradient steps after which it is judged, and shown."""
QUERIES = {"classification": 5, "regression": 50}
"""Questions on each character, or on a wave, when a learner is judged."""

Progress = Callable[[str, int, int, str], None]
"""Called with what is being done, how much is done, out of how much, and a result or nothing."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is done."""

    glyph_steps: int
    wave_steps: int
    episodes: int


FULL = Size(glyph_steps=160, wave_steps=1600, episodes=300)
QUICK = Size(glyph_steps=24, wave_steps=200, episodes=40)


class Lesson:
    """One learner on one family."""

    def __init__(self, name: str, family: TaskFamily, settings: dict[str, Any], config: TrainConfig) -> None:
        self.name, self.family, self.settings, self.config = name, family, settings, config
        self.seed, self.metric = config.seed, family.spec.metric

    def build(self, name: str, settings: dict[str, Any]) -> Learner:
        """A new learner for this family."""
        config = learners.configure(name, settings)
        return learners.build(name, self.family.spec, config, self.seed).eval()

    def untrained(self) -> Learner:
        """The learner as its training finds it."""
        learner = self.build(self.name, self.settings)
        learner.prepare(self.family.tasks("train"))
        return learner

    def train(self, out: Path, title: str, progress: Progress) -> Learner:
        """The trained learner; its run is in ``out``."""

        def watch(training: Training, metrics: dict[str, Any]) -> None:
            value = metrics.get(f"val_{self.metric}")
            progress(title, training.step, training.steps, "" if value is None else said(self.metric, value))

        run = trainer.train(self.name, self.family, self.config, settings=self.settings, out=out, progress=watch)
        return run.learner()

    def judge(self, learner: Learner, shot: int, episodes: int, steps: int | None = None) -> Interval:
        """Mean score on test tasks, with its interval."""
        query = QUERIES[self.family.spec.kind]
        which = Episodes(way=WAY, shot=shot, query=query, episodes=episodes, seed=self.seed)
        return self._score(learner, which, steps)

    def _score(self, learner: Learner, which: Episodes, steps: int | None = None) -> Interval:
        scored = score(learner, self.family, which, steps=steps)
        return interval(scored.values, scored.units)

    def learning_curve(self, run: Path, untrained: Learner) -> Line:
        """The validations in the run's metrics.jsonl, after that of the untrained learner on the same tasks."""
        c = self.config
        which = Episodes(
            split="val", way=VALIDATED, shot=c.shot or 1, query=c.query or 1, episodes=c.validate_episodes, seed=c.seed
        )
        start = self._score(untrained, which)
        lines = [json.loads(line) for line in (run / runs.METRICS).read_text(encoding="utf-8").splitlines()]
        lines = [line for line in lines if f"val_{self.metric}" in line]
        mean = [start.mean, *(line[f"val_{self.metric}"] for line in lines)]
        ci95 = [start.ci95, *(line[f"val_{self.metric}_ci95"] for line in lines)]
        return Line("", [0, *(line["step"] for line in lines)], mean, ci95)

    def guesses(self, learner: Learner, count: int) -> Tensor:
        """[count, WAY, ASKED] the learner's answers in the first test tasks of one shot."""
        tasks = self.family.sample("test", torch.arange(count), **self._shown())
        return answers(learner, tasks).argmax(-1).unflatten(1, (WAY, ASKED))

    def episode(self, number: int, guesses: Tensor) -> Episode:
        """Test task ``number`` finely drawn, with answers [WAY, ASKED] to it."""
        fine = load_tasks(f"{self.family.spec.name}:size={FINE}")
        task = batch.take(fine.sample("test", torch.tensor([number]), **self._shown()), 0)
        return Episode(task.support.x[:, 0], task.query.x[:, 0].unflatten(0, (WAY, ASKED)), guesses)

    def _shown(self) -> dict[str, int]:
        return {"way": WAY, "shot": SHOTS[0], "query": ASKED, "seed": self.seed}

    def heights(self, count: int) -> Tensor:
        """[count] of the first waves of the test split."""
        return self._waves(torch.arange(count)).query.y.abs().amax((1, 2))

    def wave(self, number: int, learner: Learner) -> Wave:
        """Test task ``number`` with the learner's answers over its whole range."""
        task = self._waves(torch.tensor([number]))
        order = task.query.x[0, :, 0].argsort()
        after = {steps: answers(learner, task, steps)[0, order, 0] for steps in SHOWN_STEPS}
        points = torch.cat([task.support.x[0], task.support.y[0]], -1)
        return Wave(task.query.x[0, order, 0], task.query.y[0, order, 0], points, after)

    def _waves(self, index: Tensor) -> Task:
        return self.family.sample("test", index, way=0, shot=POINTS, query=300, seed=self.seed)


@torch.no_grad()
def answers(learner: Learner, tasks: Task, steps: int | None = None) -> Tensor:
    """[T, n, outputs] answers to the queries of ``tasks``."""

    def one(own: Learner, task: Task) -> Tensor:
        return own.predict(own.adapt(task.support, steps), task.query.x, task.query.mask)[0]

    return batch.map_tasks(one, learner, (tasks,), "vmap")


def said(metric: str, value: float) -> str:
    """A score in words."""
    return f"{100 * value:.0f} % right" if metric == "accuracy" else f"squared error {value:.2f}"


def characters(size: Size, seed: int) -> Lesson:
    """ProtoNet on glyphs: many characters a step, one example of each."""
    config = TrainConfig(
        way=PRACTISED, shot=1, query=3, tasks_per_step=1, steps=size.glyph_steps, rate=6e-3, seed=seed, device="cpu",
        validate_every=size.glyph_steps // 8, validate_episodes=40,
    )  # fmt: skip
    settings = {"backbone": "resnet8", "width": 16, "distance": "cosine"}
    return Lesson("protonet", Ahead(load_tasks("glyphs")), settings, config)


def waves(size: Size, seed: int) -> Lesson:
    """MAML on sine waves with the net of its paper: one gradient step in training, more when it is judged."""
    config = TrainConfig(
        shot=POINTS, query=20, tasks_per_step=BATCH, steps=size.wave_steps, rate=1e-2, seed=seed, device="cpu",
        validate_every=size.wave_steps // 8, batching="vmap",
    )  # fmt: skip
    return Lesson("maml", load_tasks("sinusoid"), {}, config)
