"""An entry's worst tasks of a challenge, drawn again from the challenge's seed, where the family can be drawn."""

from __future__ import annotations

import base64
import io
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

import quickstudy
from quickstudy.app import board_plots, output
from quickstudy.app.board_rows import Row
from quickstudy.challenge import measure
from quickstudy.challenge import suite as suites
from quickstudy.challenge.check import Block
from quickstudy.challenge.suite import Suite
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import Task

COUNT = 2
"""Tasks of each family."""
SIMULATED = ("strides", "grips", "dynamics", "glucose")
"""Families whose tasks are simulated first, which takes minutes, and of which there is nothing to draw."""
EACH, GAP, LARGEST = 5, 4, 64
"""Examples of a class that are shown, pixels between pictures, and the side to which a picture is shrunk."""


class Worst(NamedTuple):
    """A task, and how it went."""

    title: str
    drawn: str
    """An <svg> or <img>; empty where such tasks cannot be drawn."""


class Painter:
    """Draws tasks of challenges; families are loaded once."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, str], list[Block | None] | str] = {}

    def __call__(self, rows: Sequence[Row]) -> tuple[list[Worst], str]:
        """The worst tasks of an entry's rows of challenges, and why there are no more."""
        found: list[Worst] = []
        for row in rows:
            if not row.challenge:
                continue
            blocks = self._of(row)
            if isinstance(blocks, str):
                return found, blocks
            for block, told in zip(blocks, row.value["blocks"], strict=True):
                if told["answered"]:
                    found += worst(block, told, row)
        return found, ""

    def _of(self, row: Row) -> list[Block | None] | str:
        """The blocks of a row's challenge, or why they are not known."""
        key = (row.title, row.value["suite"])
        if key not in self._blocks:
            self._blocks[key] = blocks_of(row)
        return self._blocks[key]


def blocks_of(row: Row) -> list[Block | None] | str:
    """Families with the sizes of their tasks, as the row's challenge has them; None for one that is not loaded."""
    if row.value["version"] != quickstudy.__version__:
        return f"The tasks are those of quickstudy {row.value['version']}, and are drawn by that version alone."
    try:
        suite = named(row)
        if suite.hash != row.value["suite"]:
            return f"The challenge {row.title} is another by now, so its tasks are not drawn."
        return [block(suite, number) for number in range(len(suite.tasks))]
    except UserError as error:
        return f"The tasks are not drawn: {error}"


def named(row: Row) -> Suite:
    """The challenge by the name, or file, that the row's command has."""
    words = shlex.split(row.command)
    return suites.load(words[3] if len(words) > 3 else row.title)


def block(suite: Suite, number: int) -> Block | None:
    """One family's tasks, without any check: the row says that they could be asked."""
    tasks = suite.tasks[number]
    if tasks.family.partition(":")[0] in SIMULATED:
        return None
    family = load_tasks(tasks.family)
    way = (tasks.ways[0], tasks.ways[-1]) if family.spec.kind == "classification" else (0, 0)
    return Block(tasks, family, family, "", way, (tasks.shots[0], tasks.shots[-1]))


def worst(one: Block | None, told: dict[str, Any], row: Row) -> list[Worst]:
    """The tasks with the lowest scores."""
    scores = [(score, number) for number, score in enumerate(told["scores"]) if score is not None]
    found = []
    for score, number in sorted(scores)[:COUNT]:
        if one is None:
            found.append(Worst(f"{told['tasks']}, task {number}: score {score:.2f}", ""))
            continue
        episode = measure.plan(one, row.value["seed"])[number]
        drawn = one.test.sample(
            "test",
            torch.tensor([number]),
            way=episode.way,
            shot=episode.shot,
            query=one.tasks.query,
            seed=row.value["seed"],
        )
        size = f"{episode.way} classes, " if episode.way else ""
        title = f"{told['tasks']}, task {number}: {size}{output.count(episode.shot, 'shot')}, score {score:.2f}"
        found.append(Worst(title, picture(batch.take(drawn, 0), title)))
    return found


def picture(task: Task, title: str) -> str:
    """A task, drawn; empty where its inputs are neither pictures nor one number."""
    shape = task.support.x.shape[1:]
    if len(shape) == 3 and shape[0] in (1, 3):
        return tiles(task, title)
    if shape == (1,) and task.support.y.shape[-1] == 1:
        support, query = (
            [(float(x), float(y)) for x, y in zip(some.x[some.mask, 0], some.y[some.mask, 0], strict=True)]
            for some in (task.support, task.query)
        )
        return board_plots.waves(support, query, f"{title}: {len(support)} examples, {len(query)} queries")
    return ""


def tiles(task: Task, title: str) -> str:
    """A row of pictures for each class: its first examples, a gap, its first queries."""
    from PIL import Image

    sides = [columns(some.x[some.mask], some.y[some.mask].argmax(-1), task.support.y.shape[-1]) for some in task[:2]]
    height = max(side.shape[1] for side in sides)
    width = sum(side.shape[2] for side in sides) + 4 * GAP
    sheet = torch.ones(3, height, width)
    sheet[:, :, : sides[0].shape[2]] = sides[0]
    sheet[:, :, width - sides[1].shape[2] :] = sides[1]
    pixels = (sheet.permute(1, 2, 0) * 255).round().byte().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    scale = 2 if max(height, width) < 500 else 1
    return f'<img src="data:image/png;base64,{data}" width="{width * scale}" alt="{title}">'


def columns(x: Tensor, classes: Tensor, way: int) -> Tensor:
    """[3, height, width]: the first pictures of each class side by side."""
    if max(x.shape[-2:]) > LARGEST:
        x = torch.nn.functional.interpolate(x, size=(LARGEST, LARGEST), mode="area")
    x = (1 - x).expand(-1, 3, -1, -1) if x.shape[1] == 1 else x  # ink is 1, paper 0
    side = x.shape[-1] + GAP
    most = min(EACH, max(int((classes == one).sum()) for one in range(way)))
    sheet = torch.ones(3, way * side, most * side)
    for one in range(way):
        for place, pixels in enumerate(x[classes == one][:EACH].clamp(0, 1)):
            sheet[:, one * side : one * side + side - GAP, place * side : place * side + side - GAP] = pixels
    return sheet
