"""What is left of a learner's score when the world moves: its inputs change, or its tasks are of another family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from quickstudy.calibration import Calibration, Overheard, calibrate
from quickstudy.intervals import Interval, interval
from quickstudy.learners.base import Learner
from quickstudy.scoring import Episodes, Scored, score
from quickstudy.tasks.base import TaskFamily
from quickstudy.tasks.vision.shift import Kind, Shift, Where

STRENGTHS = (1.0, 2.0, 4.0)
"""Of each kind of shift."""


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


class Elsewhere(NamedTuple):
    """A score on episodes of another family."""

    tasks: str
    mean: float
    ci95: float
    change: float
    """From the score on its own tasks."""
    change_ci95: float
    """Of two independent means, for these are other episodes."""
    calibration: Calibration | None
    """At the temperature that was learnt on its own tasks; None in regression."""
    manifest: str


@dataclass(frozen=True, kw_only=True)
class Home:
    """A learner where nothing has changed, and which episodes it meets elsewhere."""

    learner: Learner
    family: TaskFamily
    side: Episodes
    values: Tensor
    """[episodes] its scores there."""
    mean: Interval
    """Of them."""
    degree: float | None
    """Its temperature, where there is one."""
    device: torch.device

    def shifted(self, kind: Kind, on: Where) -> Iterator[Shifted]:
        """On the same episodes changed, more and more."""
        for strength in STRENGTHS:
            scored, judged = self._judged(Shift(self.family, kind=kind, strength=strength, on=on))
            after, change = (interval(values, scored.units) for values in (scored.values, scored.values - self.values))
            yield Shifted(kind, strength, *after, *change, judged)

    def elsewhere(self, family: TaskFamily) -> Elsewhere:
        """On as many episodes of another ``family``."""
        scored, judged = self._judged(family)
        after = interval(scored.values, scored.units)
        spread = (after.ci95**2 + self.mean.ci95**2) ** 0.5
        change = after.mean - self.mean.mean
        return Elsewhere(family.spec.name, *after, change, spread, judged, scored.manifest)

    def _judged(self, family: TaskFamily) -> tuple[Scored, Calibration | None]:
        heard: Any = Overheard(family) if family.spec.kind == "classification" else family
        scored = score(self.learner, heard, self.side, device=self.device)
        return scored, calibrate(heard.answers(), self.degree) if isinstance(heard, Overheard) else None
