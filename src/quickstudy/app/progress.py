"""How a training is watched: a live line on a terminal, a plain line every few seconds elsewhere; all on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from quickstudy.app import output
from quickstudy.training import Training

EVERY = 10.0
"""Seconds between plain lines."""
WARM_UP = 20
"""Meta-steps after which the remaining time is said."""


class Watch:
    """Follows a training from one meta-step to the next; call it after each."""

    def __init__(self) -> None:
        self.training: Training | None = None
        self.loss: float | None = None
        self.validation = ""
        self._first: tuple[int, float] = (0, 0.0)
        self._said = 0.0

    def __call__(self, training: Training, metrics: dict[str, Any]) -> None:
        """``trainer.Progress``."""
        now = time.monotonic()
        if self.training is None:
            self.training, self._first, self._said = training, (training.step, now), now
            self.say(f"batching of tasks: {training.how}")
        self.loss = training.losses[-1] if training.losses else metrics.get("loss", self.loss)
        metric = training.family.spec.metric
        validated = f"val_{metric}" in metrics
        if validated:
            interval = metrics[f"val_{metric}"], metrics[f"val_{metric}_ci95"]
            self.validation = f"val {metric} {output.score(metric, *interval)}"
        if training.step - self._first[0] == WARM_UP and self.seconds_left() >= 1:
            left = training.steps - training.step
            self.say(f"about {output.duration(self.seconds_left())} for the {output.count(left, 'step')} left")
        self.show(validated or training.finished() or now - self._said >= EVERY)

    @property
    def step(self) -> int:
        """The last meta-step that was done."""
        return self.training.step if self.training else 0

    def rate(self) -> float:
        """Meta-steps a second since the first one that was watched, validations included; 0 before the second."""
        passed = time.monotonic() - self._first[1]
        return (self.step - self._first[0]) / passed if passed > 0 else 0.0

    def seconds_left(self) -> float:
        """At the rate so far; 0 while there is none."""
        left = self.training.steps - self.step if self.training else 0
        return left / self.rate() if self.rate() else 0.0

    def say(self, text: str) -> None:
        """One line that stays."""
        print(text, file=sys.stderr, flush=True)

    def show(self, due: bool) -> None:
        """Where the training stands, if a line is ``due``."""
        if due and self.training is not None:
            self._said = time.monotonic()
            left = f"{self.rate():.1f} steps/s, {output.duration(self.seconds_left())} left"
            self.say(f"step {self.step} of {self.training.steps}: {self.state()}, {left}")

    def state(self) -> str:
        """Loss and last validation."""
        loss = "loss -" if self.loss is None else f"loss {self.loss:.4f}"
        return f"{loss}, {self.validation}" if self.validation else loss

    def result(self) -> str:
        """Best validation, or the last loss where there was none."""
        if self.training is None or self.training.best is None:
            return self.state()
        metric = self.training.family.spec.metric
        return f"best val {metric} {output.score(metric, self.training.best, None)}"


class LiveWatch(Watch):
    """The same with rich's progress bar."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.bars = Progress(
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True, markup=False, highlight=False),
            refresh_per_second=4,
        )
        self.task = self.bars.add_task("", total=None, state="starting")

    def say(self, text: str) -> None:
        """Above the bar."""
        self.bars.console.print(text)

    def show(self, due: bool) -> None:
        """Every step: rich decides when to draw."""
        if self.training is not None:
            state = f"{self.state()}, {self.rate():.1f} steps/s"
            self.bars.update(self.task, completed=self.step, total=self.training.steps, state=state)


@contextmanager
def watching() -> Iterator[Watch]:
    """The watch for where stderr goes."""
    if not sys.stderr.isatty():
        yield Watch()
        return
    watch = LiveWatch()
    with watch.bars:
        yield watch
