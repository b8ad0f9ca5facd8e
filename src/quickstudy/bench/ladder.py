"""Every learner trained at one budget and judged on the same episodes, row by row.

A ladder goes on where it was cut off: a row that is there is not made again, a run that was interrupted is resumed.
Learners that pre-train the same net in the same way share the training of the first of them, which cost each as much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from quickstudy import learners, runs, trainer
from quickstudy.errors import UserError
from quickstudy.evaluation import Evaluation, evaluate
from quickstudy.learners.base import Learner
from quickstudy.learners.pretrained import pretraining
from quickstudy.plan import TrainConfig
from quickstudy.tasks.base import TaskFamily

Say = Callable[[str], None]


class Column(NamedTuple):
    """Episodes of a row."""

    way: int
    """0 in regression."""
    shot: int

    def __str__(self) -> str:
        return f"{self.way}w{self.shot}s" if self.way else f"{self.shot}s"


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """What is compared, and where it goes."""

    family: TaskFamily
    learners: Sequence[str]
    columns: Sequence[Column]
    config: TrainConfig
    """How each is trained; what is None comes from its own recipe."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of those learners that have such a setting, a backbone for one."""
    episodes: int = 1000
    query: int = 15
    seed: int = 0
    runs: Path = Path("runs/ladder")
    out: Path = Path("results/ladder")


class Refused(NamedTuple):
    """A learner that has no row, and why."""

    learner: str
    why: str


def climb(ladder: Ladder, say: Say) -> tuple[list[Path], list[Refused]]:
    """Make the rows that are missing: the files of all rows, and the learners that have none."""
    made: list[Path] = []
    refused: list[Refused] = []
    for name in ladder.learners:
        rows = {column: ladder.out / f"{name}-{column}.json" for column in ladder.columns}
        missing = {column: path for column, path in rows.items() if not path.is_file()}
        try:
            if missing:
                judge(ladder, trained(ladder, name, say), missing, say)
        except UserError as error:
            refused.append(Refused(name, str(error)))
            say(f"{name}: {error}")
        made += [path for path in rows.values() if path.is_file()]
    return made, refused


def trained(ladder: Ladder, name: str, say: Say) -> runs.Run | Learner:
    """The run of ``name``, made, resumed or found; one that training finds nothing for needs none."""
    known = learners.configure(name, {})
    settings = {key: value for key, value in ladder.settings.items() if hasattr(known, key)}
    built = learners.build(name, ladder.family.spec, learners.configure(name, settings), ladder.seed)
    if not built.learns:
        return built
    path = ladder.runs / name
    if (path / runs.WEIGHTS).is_file():
        return as_asked(ladder, runs.load(path))
    if (path / runs.CARD).is_file():
        say(f"{name}: going on with {path} ...")
        return trainer.resume(path)
    if (twin := pretrained_by(ladder, built)) is not None:
        say(f"{name}: adapts the net that {twin} has pre-trained ...")
        config = replace(ladder.config, budget=0.0, steps=0)
        return trainer.train(name, ladder.family, config, settings=settings, init=ladder.runs / twin, out=path)
    say(f"{name}: training into {path} ...")
    return trainer.train(name, ladder.family, ladder.config, settings=settings, out=path)


def as_asked(ladder: Ladder, run: runs.Run) -> runs.Run:
    """``run``, which is there; UserError where it was trained with another seed, or for longer or shorter than said."""
    asked = {"seed": ladder.config.seed, "budget": ladder.config.budget or None, "steps": ladder.config.steps}
    stepped = run.training["steps"] > 0  # otherwise it is prepared without steps, or by another's
    for name, value in asked.items():
        if value not in (None, run.training[name]) and (name == "seed" or stepped):
            raise UserError(
                f"{run.path} was trained with --{name} {run.training[name]}, not {value}. Say so, give other --runs, "
                "or delete it."
            )
    return run


def pretrained_by(ladder: Ladder, learner: Learner) -> str | None:
    """Which of the ladder's learners has trained the net of ``learner`` already."""
    mine = pretraining(learner)
    for name in ladder.learners if mine else ():
        if (ladder.runs / name / runs.WEIGHTS).is_file():
            run = runs.load(ladder.runs / name)
            asked = ladder.config.budget, ladder.config.seed, ladder.family.spec
            alike = (run.training["budget"], run.training["seed"], run.spec) == asked
            if alike and pretraining(run.learner()) == mine:
                return name
    return None


def judge(ladder: Ladder, run: runs.Run | Learner, missing: dict[Column, Path], say: Say) -> None:
    """Evaluate ``run`` on each of the missing columns and write the rows."""
    for column, path in missing.items():
        found = judged(ladder, run, column)
        runs.write_json(path, found.to_json())
        say(f"{found.learner} {column}: {found.metric} {found.mean:.4f} +- {found.ci95:.4f}")


def judged(ladder: Ladder, run: runs.Run | Learner, column: Column) -> Evaluation:
    """``run`` on the episodes of ``column``."""
    return evaluate(
        run,
        ladder.family,
        way=column.way or 5,
        shot=column.shot,
        query=ladder.query,
        episodes=ladder.episodes,
        seed=ladder.seed,
        device=ladder.config.device,
    )
