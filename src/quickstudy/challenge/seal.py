"""A challenge as files: what participants get, and what the host keeps.

    public/README.md                 what is asked, and how
    public/sample_submission.csv     id, answer
    public/1-glyphs/train.csv        training tasks: task, set (support or query), id, answer, class
    public/1-glyphs/support.csv      test tasks: task, id, answer
    public/1-glyphs/query.csv        test tasks: task, id
    public/1-glyphs/images/ID.png    or values.csv: id and the numbers of each input
    private/solution.csv             what ``metric`` needs
    private/metric.py, private/manifest.json

Ids are hashes with a salt that the host keeps. Rows are in the order of their ids, files are written in it and have all
the same time, so that nothing but the inputs says anything about a class.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

import quickstudy
from quickstudy import runs
from quickstudy.challenge import areas, measure, metric
from quickstudy.challenge.check import Block
from quickstudy.challenge.describe import description
from quickstudy.challenge.suite import Suite
from quickstudy.errors import UserError, reason
from quickstudy.inner import batch
from quickstudy.learners.base import Logits, Point
from quickstudy.tasks.base import Examples, Task

FORMAT = 2
METRICS = ("accuracy", "mse", "rmse")
MOMENT = 946684800
"""Time of every file: the first of January 2000."""
SOLUTION = ("id", "answer", "block", "task", "unit", "metric", "chance", "best", "level")
DIGITS = 7
CLOSE = 1e-4
"""Share by which the sealed metric may differ from the family's, for answers have few digits."""


class Row(NamedTuple):
    """One input."""

    id: str
    task: str
    part: str
    """support or query."""
    answer: str
    group: str
    """Number of the class among those of its split; empty in regression."""
    x: Tensor


def seal(suite: Suite, blocks: Sequence[Block], folder: Path, *, seed: int, salt: str, train_tasks: int) -> Path:
    """Write ``folder``, whole or not at all. UserError for tasks whose metric a table of answers cannot have."""
    if folder.exists():
        raise UserError(f"{folder} is there already. Choose another --out.")
    made = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.tmp")
    try:
        _write(suite, blocks, made, seed, salt, train_tasks)
        os.replace(made, folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {reason(error)}. Choose another folder, or make room.") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _write(suite: Suite, blocks: Sequence[Block], made: Path, seed: int, salt: str, train_tasks: int) -> None:
    public, private = made / "public", made / "private"
    public.mkdir(parents=True)
    private.mkdir()
    solution: list[tuple[str, ...]] = []
    manifests = []
    for number, block in enumerate(blocks, 1):
        name = f"{number}-{re.sub(r'[^a-z0-9_]+', '-', block.test.spec.name.partition(':')[0])}"
        rows, manifest = block_files(block, public / name, name, seed, salt, train_tasks)
        solution += rows
        manifests.append({"name": name, "tasks": block.test.spec.name, "metric": block.metric, "manifest": manifest})
    solution.sort()
    write_csv(private / "solution.csv", SOLUTION, solution)
    write_csv(public / "sample_submission.csv", SOLUTION[:2], [(row[0], nothing(row[1])) for row in solution])
    (public / "README.md").write_text(description(suite, blocks, [one["name"] for one in manifests]), "utf-8")
    shutil.copy(metric.__file__, private / "metric.py")
    runs.write_json(
        private / "manifest.json",
        {
            "format": FORMAT,
            "challenge": suite.name,
            "suite": suite.hash,
            "seed": seed,
            "salt": salt,
            "version": quickstudy.__version__,
            "blocks": manifests,
        },
    )
    for path in sorted(made.rglob("*")):
        os.utime(path, (MOMENT, MOMENT))


def nothing(answer: str) -> str:
    """An answer of the same form that knows nothing."""
    return " ".join("0" for _ in answer.split())


def block_files(
    block: Block, folder: Path, name: str, seed: int, salt: str, train_tasks: int
) -> tuple[list[tuple[str, ...]], str]:
    """Write what participants get of one block; its part of the solution, and the manifest of its episodes."""
    episodes = measure.plan(block, seed)
    scale, chance = measure.scale_of(block, episodes, seed)
    tasks = [measure.drawn(block, episode, seed) for episode in episodes]
    check_metric(block, tasks)
    rows: list[Row] = []
    solution: list[tuple[str, ...]] = []
    for episode, task in zip(episodes, tasks, strict=True):
        own = rows_of(task, block, f"{salt}/{name}/test/{episode.number}")
        rows += own
        facts = (str(int(task.unit)), block.metric, *scale_at(scale, episode.number))
        solution += [(row.id, row.answer, name, row.task, *facts) for row in own if row.part == "query"]
    trained = [
        row
        for number in range(train_tasks)
        for row in rows_of(train_task(block, number), block, f"{salt}/{name}/{number}")
    ]
    folder.mkdir()
    write_inputs(folder, [*rows, *trained])
    write_csv(folder / "query.csv", ("task", "id"), [(row.task, row.id) for row in rows if row.part == "query"])
    support = [(row.task, row.id, row.answer) for row in rows if row.part == "support"]
    write_csv(folder / "support.csv", ("task", "id", "answer"), support)
    labelled = [(row.task, row.part, row.id, row.answer, row.group) for row in trained]
    write_csv(folder / "train.csv", ("task", "set", "id", "answer", "class"), labelled)
    return solution, measure.joined(chance.manifests)


def scale_at(scale: areas.Scale, number: int) -> tuple[str, str, str]:
    """Chance, best and level of one task."""
    return repr(float(scale.chance[number])), repr(float(scale.best[number])), repr(scale.level)


def train_task(block: Block, number: int) -> Task:
    """One training task, with ways and shots like those of the test."""
    episode = measure.plan(block, -1 - number)[0]
    size = {"way": episode.way, "shot": episode.shot, "query": block.tasks.query}
    return batch.take(block.train.sample("train", torch.tensor([number]), **size, seed=0), 0)


def rows_of(task: Task, block: Block, salted: str) -> list[Row]:
    """Every input of a task, under ids that say nothing."""
    name = hashed(salted)
    rows = []
    for part, some in (("support", task.support), ("query", task.query)):
        for number in some.mask.nonzero()[:, 0].tolist():
            at = int(some.y[number].argmax()) if block.test.spec.kind == "classification" else -1
            answer = str(at) if at >= 0 else " ".join(f"{value:.{DIGITS}g}" for value in some.y[number].tolist())
            group = str(int(task.classes[at])) if at >= 0 else ""
            rows.append(Row(hashed(f"{salted}/{part}/{number}"), name, part, answer, group, some.x[number]))
    return rows


def hashed(text: str) -> str:
    """Twelve letters and digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def write_inputs(folder: Path, rows: Sequence[Row]) -> None:
    """A picture for each row, or one table of all, in the order of ids."""
    rows = sorted(rows)
    shape = rows[0].x.shape
    if len(shape) == 3 and shape[0] in (1, 3):
        from PIL import Image

        (folder / "images").mkdir()
        for row in rows:
            pixels = (row.x.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            Image.fromarray(pixels.squeeze(-1) if shape[0] == 1 else pixels).save(folder / f"images/{row.id}.png")
        return
    names = [f"x{number}" for number in range(rows[0].x.numel())]
    values = [(row.id, *(f"{value:.{DIGITS}g}" for value in row.x.flatten().tolist())) for row in rows]
    write_csv(folder / "values.csv", ("id", *names), values)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
    """A table whose rows are in their own order, whatever order they came in."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(sorted(rows))


def check_metric(block: Block, tasks: Sequence[Task]) -> None:
    """UserError unless ``metric`` finds what the family's own score finds, on answers that are partly wrong."""
    task = tasks[0]
    guess = Examples(task.query.x, task.query.y.roll(1, 0), task.query.mask)
    answer = Logits(guess.y) if block.test.spec.kind == "classification" else Point(guess.y)
    batched: Any = type(answer)(*(leaf.unsqueeze(0) for leaf in answer))
    found = block.test.score(lambda x, mask: batched, batch.stack([task]))
    own = float(found[block.metric]) if block.metric in METRICS and block.metric in found else None
    if own is not None:
        there = task.query.mask.nonzero()[:, 0].tolist()
        if block.test.spec.kind == "classification":
            pairs = [([int(task.query.y[at].argmax())], [int(guess.y[at].argmax())]) for at in there]
        else:
            pairs = [(task.query.y[at].tolist(), guess.y[at].tolist()) for at in there]
        if abs(metric.measured(block.metric, pairs) - own) <= CLOSE * max(abs(own), CLOSE):
            return
    raise UserError(
        f"{block.test.spec.name} is judged by {block.metric}, which a table of answers does not have. Sealed tasks are "
        f"judged by {', '.join(METRICS)} in standard units; leave this family out, or hold the challenge with run."
    )
