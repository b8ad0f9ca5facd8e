"""What the demo finds out, as values: scores with their intervals, learning curves, and examples to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from quickstudy.app import lesson
from quickstudy.app.figures import Episode, Line, Wave
from quickstudy.app.lesson import POINTS, SHOTS, STEPS, WAY, Lesson, Progress, Size, said
from quickstudy.devices import on_threads
from quickstudy.intervals import Interval
from quickstudy.learners.base import Learner

PROTONET, UNTRAINED, NEAREST = "ProtoNet, meta-trained", "untrained net", "pixel nearest neighbour"
MAML = "MAML, meta-trained"
LOOKED_AT = 60
"""Test tasks among which those to be shown are chosen."""

Scores = dict[str, dict[int, Interval]]
"""By learner, then by shots or gradient steps."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that came out."""

    size: Size
    seed: int
    scores: Scores
    """Accuracy by shots."""
    errors: Scores
    """Squared error by gradient steps."""
    learning: tuple[Line, Line]
    """Validations of ProtoNet and of MAML."""
    before: Episode
    """The first test task, answered by the untrained net."""
    after: tuple[Episode, Episode]
    """The first two test tasks, answered by the trained net."""
    hardest: Episode
    """That of ``LOOKED_AT`` in which the trained net errs most."""
    tallest: tuple[Wave, Wave]
    """The tallest wave of ``LOOKED_AT``, followed by the trained net and by the untrained one."""
    middling: tuple[Wave, Wave]
    """One of middling height, likewise."""


@on_threads(1)  # nets as small as these lose more by a second one than they gain
def find(size: Size, seed: int, path: Path, progress: Progress) -> Found:
    """Hold both lessons from the beginning to the end; their runs go to ``path``."""
    characters, waves = lesson.characters(size, seed), lesson.waves(size, seed)
    protonet = characters.train(path / "protonet", "ProtoNet practises on characters", progress)
    maml = waves.train(path / "maml", "MAML practises on waves", progress)
    fresh, unprepared = characters.untrained(), waves.untrained()
    judging = Judging(size, progress)
    rivals = {UNTRAINED: fresh, NEAREST: characters.build("nearest", {}), PROTONET: protonet}
    scores = {name: judging.by_shots(characters, learner, name) for name, learner in rivals.items()}
    pair = {UNTRAINED: unprepared, MAML: maml}
    errors = {name: judging.by_steps(waves, learner, name) for name, learner in pair.items()}
    guesses = characters.guesses(protonet, LOOKED_AT)
    hardest = int((guesses == torch.arange(WAY).unsqueeze(-1)).sum((1, 2)).argmin())
    ranked = waves.heights(LOOKED_AT).argsort().tolist()
    tallest, middling = ranked[-1], ranked[len(ranked) // 2]
    return Found(
        size=size,
        seed=seed,
        scores=scores,
        errors=errors,
        learning=(
            characters.learning_curve(path / "protonet", fresh),
            waves.learning_curve(path / "maml", unprepared),
        ),
        before=characters.episode(0, characters.guesses(fresh, 1)[0]),
        after=(characters.episode(0, guesses[0]), characters.episode(1, guesses[1])),
        hardest=characters.episode(hardest, guesses[hardest]),
        tallest=(waves.wave(tallest, maml), waves.wave(tallest, unprepared)),
        middling=(waves.wave(middling, maml), waves.wave(middling, unprepared)),
    )


class Judging:
    """Scores one learner after the other, and says how far it is."""

    def __init__(self, size: Size, progress: Progress) -> None:
        self.size, self.progress, self.done = size, progress, 0

    def by_shots(self, characters: Lesson, learner: Learner, name: str) -> dict[int, Interval]:
        """Accuracy with so many examples of each character."""
        found = {shot: characters.judge(learner, shot, self.size.episodes) for shot in SHOTS}
        self._tell(f"{name}: {said('accuracy', found[SHOTS[0]].mean)}")
        return found

    def by_steps(self, waves: Lesson, learner: Learner, name: str) -> dict[int, Interval]:
        """Squared error after so many gradient steps."""
        found = {steps: waves.judge(learner, POINTS, self.size.episodes, steps) for steps in STEPS}
        self._tell(f"{name}: {said('mse', found[STEPS[-1]].mean)}")
        return found

    def _tell(self, result: str) -> None:
        self.done += 1
        self.progress("Both are judged on new tasks", self.done, 5, result)
