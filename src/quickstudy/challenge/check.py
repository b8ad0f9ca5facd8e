"""Whether a challenge can be held: families are there, give what is asked for, and test on nothing that is trained."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from quickstudy.challenge.stranger import Chance, NoConfig
from quickstudy.challenge.suite import Suite, Tasks, where
from quickstudy.errors import UserError, unknown
from quickstudy.scoring import Episodes, score
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import TaskFamily, check_split

UNRANKED = ("coverage90", "width", "zone_a", "zone_ab", "nll")
"""Metrics of which neither more nor less is better."""
NAMED = 3
"""Members that an error names."""


class Block(NamedTuple):
    """Tasks of a suite with their families loaded."""

    tasks: Tasks
    test: TaskFamily
    train: TaskFamily
    metric: str
    way: tuple[int, int]
    """Least and most; (0, 0) in regression."""
    shot: tuple[int, int]


def opened(suite: Suite) -> list[Block]:
    """All of a suite's tasks, checked. UserError names file and line."""
    return [opened_one(suite, number) for number in range(len(suite.tasks))]


def opened_one(suite: Suite, number: int) -> Block:
    """The tasks with that number."""
    tasks = suite.tasks[number]

    def at(key: str) -> str:
        path = Path(suite.source)
        text = path.read_text("utf-8") if path.suffix == ".toml" and path.is_file() else ""
        return where(suite.source, text, key, number)

    found = {}
    for key, name, split in (("family", tasks.family, "test"), ("train", tasks.train or tasks.family, "train")):
        try:
            found[key] = load_tasks(name)
            check_split(found[key], split)
        except UserError as error:
            raise UserError(f"{at(key if getattr(tasks, key) else 'family')}: {error}") from error
    test, train = found["family"], found["train"]
    if (test.spec.kind, test.spec.shape, test.spec.outputs) != (train.spec.kind, train.spec.shape, train.spec.outputs):
        raise UserError(
            f"{at('train')}: inputs of {train.spec.name} are {train.spec.kind} of shape {train.spec.shape}, those of "
            f"{test.spec.name} {test.spec.kind} of shape {test.spec.shape}. Train on tasks like those of the test."
        )
    check_apart(test, train, at("train" if tasks.train else "family"))
    span = (tasks.ways[0], tasks.ways[-1]) if test.spec.kind == "classification" else (0, 0)
    block = Block(tasks, test, train, "", span, (tasks.shots[0], tasks.shots[-1]))
    try:
        return block._replace(metric=metric_of(block))
    except UserError as error:
        raise UserError(f"{at('metric' if 'metric' in str(error) else 'shots')}: {error}") from error


def check_apart(test: TaskFamily, train: TaskFamily, at: str) -> None:
    """UserError where a member of the test is trained, or validated, on."""
    asked = test.members("test") or frozenset()
    for split in train.splits:
        both = sorted(asked & (train.members(split) or frozenset())) if split != "test" else []
        if both:
            some = ", ".join(both[:NAMED]) + (f" and {len(both) - NAMED} more" if len(both) > NAMED else "")
            raise UserError(
                f"{at}: {len(both)} members of the test of {test.spec.name} are in {split} of {train.spec.name} "
                f"({some}). Choose families, or options, whose splits have nothing in common."
            )


def metric_of(block: Block) -> str:
    """The metric that counts. UserError where the family does not have it, or cannot give such tasks."""
    chance = Chance(block.test.spec, NoConfig())
    names: list[str] = []
    for way, shot in {(block.way[0], block.shot[0]), (block.way[1], block.shot[1])}:
        which = Episodes(way=way, shot=shot, query=block.tasks.query, episodes=1)
        names = [block.test.spec.metric, *score(chance, block.test, which, how="loop").others]
    wanted = block.tasks.metric or names[0]
    rank = [name for name in names if name not in UNRANKED]
    if wanted not in rank:
        raise unknown(f"metric of {block.test.spec.name}", wanted, rank)
    return wanted
