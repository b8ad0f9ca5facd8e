"""An entry on a challenge, from its process to its row."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

import quickstudy
from quickstudy import runs
from quickstudy.challenge import areas, measure, neighbours
from quickstudy.challenge.check import Block
from quickstudy.challenge.clock import STANDARD, Reference, machine, reference
from quickstudy.challenge.entry import Entry
from quickstudy.challenge.home import digest
from quickstudy.challenge.process import Allowed, Process
from quickstudy.challenge.stranger import Stranger
from quickstudy.challenge.suite import Suite
from quickstudy.challenge.teach import Teacher, hello
from quickstudy.errors import UserError
from quickstudy.intervals import cell, finite

FORMAT = 2
PATIENCE = 4.0
"""Times as long may take to be trained who is trained once more for so many steps, on a machine that is slower."""
KEPT = 5
"""Of what was no answer, so much is kept in a row."""


def run(
    suite: Suite,
    blocks: Sequence[Block],
    entry: Entry,
    seed: int,
    say: measure.Say,
    like: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The row of ``entry``, trained as long as the row ``like`` says, if there is one. UserError for one that cannot
    take part in any of the tasks."""
    found, why = [], []
    for number, block in enumerate(blocks):
        say(f"{entry.name}: {block.test.spec.name} ...")
        if entry.run is not None:
            entry.run.check_unseen(block.test.members("test"), block.test.spec.name)
        before = reference()
        pace = before / STANDARD
        training = suite.training * pace * (1.0 if like is None else PATIENCE)
        try:
            most = allowed(suite, block, training)
            with Process(entry.command, most, entry.files, environment=entry.environment) as process:
                stranger = Stranger(block.test.spec, process, suite.cpu * pace, suite.wall)
                greeting = hello(suite, block, pace) | ({} if like is None else {"again": again(like, number)})
                stranger.begin(greeting, training, Teacher(block.train))
                told = on_block(suite, block, stranger, seed)
                told |= {"memory_mb": process.memory / 1e6, "isolation": process.isolation}
        except UserError as error:
            why.append(f"{block.test.spec.name}: {error}")
            say(f"{entry.name}: {why[-1]}")
            found.append(without(block, seed, str(error)))
            continue
        found.append(with_times(told, Reference(before, reference()), suite))
    if len(why) == len(blocks):
        raise UserError(f"{entry.name} cannot take part. {' '.join(why)}")
    return summed(suite, entry, seed, found)


def again(like: Mapping[str, Any], number: int) -> dict[str, Any]:
    """How long the learner of a block was trained, and how its tasks were batched: it is trained so once more."""
    about = like["blocks"][number].get("about", {})
    if not about.get("steps"):
        return {}
    return {name: about[name] for name in ("steps", "batching", "until") if name in about}


def command(suite: Suite, entry: Entry, seed: int) -> str:
    """What makes this row."""
    return shlex.join(("quickstudy", "challenge", "run", suite.source, *entry.words, "--seed", str(seed)))


def allowed(suite: Suite, block: Block, training: float) -> Allowed:
    """What the process of a block may use in all."""
    tasks = block.tasks.episodes + len(suite.examples) * block.tasks.curve + 50
    cpu = training + suite.cpu * tasks
    return Allowed(cpu=cpu, memory=suite.memory, processes=suite.processes, disk=suite.disk)


def on_block(suite: Suite, block: Block, stranger: Stranger, seed: int) -> dict[str, Any]:
    """All that is asked of an entry that is ready."""
    main = measure.main_tasks(stranger, block, seed)
    answered = sum(bool(steps) for steps in main.steps)
    shots, values = measure.curve(stranger, block, suite.examples, seed)
    verdict = neighbours.verdict(stranger, block, measure.plan(block, seed), main.answers, seed)
    return described(block, main) | {
        "answered": answered,
        "ended": stranger.ended,
        "wrong": stranger.wrong[:KEPT],
        "wrong_answers": len(stranger.wrong),
        "training_s": stranger.trained,
        "about": stranger.about,
        "inductive": verdict,
        "steps": main.steps,
        "before": measure.listed(main.before),
        "curve": curve(block, shots, values, main.judged.units),
    }


def described(block: Block, main: measure.Main) -> dict[str, Any]:
    """The block, and scores on it."""
    return {
        "tasks": block.test.spec.name,
        "metric": block.metric,
        "episodes": block.tasks.episodes,
        "units": len(main.judged.units.unique()),
        "manifest": measure.joined(main.judged.manifests),
        "chance": float(main.scale.chance.mean()),
        "best": float(main.scale.best.mean()),
        "raw": cell(main.judged.values, main.judged.units),
        "score": cell(main.scaled, main.judged.units),
        "scores": measure.listed(main.scaled),
        "unit_ids": main.judged.units.tolist(),
    }


def curve(block: Block, shots: list[int], values: Tensor, units: Tensor) -> dict[str, Any]:
    """Score by examples, and its area."""
    units = units[: values.shape[-1]]
    points = [{"at": at} | cell(row, units) for at, row in zip(shots, values, strict=True)]
    area = areas.by_examples(shots, values) if shots else torch.full((len(units),), torch.nan)
    return {"points": points, "area": cell(area, units), "areas": measure.listed(area)}


def without(block: Block, seed: int, why: str) -> dict[str, Any]:
    """The part of the row of an entry that does not do such tasks: what chance has."""
    episodes = measure.plan(block, seed)
    scale, chance = measure.scale_of(block, episodes, seed)
    scaled = scale(chance.values)
    nothing = measure.Main(torch.zeros_like(scaled), [[] for _ in episodes], scaled, chance, scale, [])
    few = torch.zeros(1, block.tasks.curve, dtype=torch.float64)
    return described(block, nothing) | {
        "answered": 0,
        "ended": why,
        "wrong": [],
        "wrong_answers": 0,
        "training_s": 0.0,
        "about": {},
        "inductive": "no answer",
        "before": measure.listed(scaled),
        "curve": curve(block, [1], few, chance.units),
        "time": {"area": {"mean": 0.0, "ci95": 0.0}, "areas": [0.0] * len(episodes), "holds": True},
        "memory_mb": 0.0,
        "isolation": {},
    }


def with_times(told: dict[str, Any], reference: Reference, suite: Suite) -> dict[str, Any]:
    """``told`` with its area by time, its seconds now those of the standard machine."""
    steps = [[(seconds * reference.scale, score) for seconds, score in each] for each in told.pop("steps")]
    before = [score or 0.0 for score in told["before"]]
    budget = max(suite.cpu, 2 * areas.FROM)
    spent = torch.tensor([each[-1][0] for each in steps if each], dtype=torch.float64)
    tasks = list(zip(steps, before, strict=True))
    values = torch.tensor([areas.by_time(*one, budget) for one in tasks], dtype=torch.float64)
    curve = {
        moment: torch.tensor([areas.at(*one, moment) for one in tasks], dtype=torch.float64)
        for moment in areas.moments(budget)
    }
    units = torch.tensor(told["unit_ids"])
    time = {
        "reference_before_s": reference.before,
        "reference_after_s": reference.after,
        "drift": reference.drift,
        "holds": reference.holds,
        "median_s": float(spent.median()) if len(spent) else None,
        "points": [
            {"at": float(f"{moment:.4g}"), **cell(some, units)} for moment, some in curve.items() if reference.holds
        ],
        "area": cell(values, units) if reference.holds else {"mean": None, "ci95": None},
        "areas": measure.listed(values) if reference.holds else None,
    }
    return told | {"time": time, "training_s": told["training_s"] * reference.scale}


def summed(suite: Suite, entry: Entry, seed: int, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """The row: means over blocks, each counting alike, and all blocks."""
    verdicts = {block["inductive"] for block in blocks}
    return {
        "format": FORMAT,
        "challenge": suite.name,
        "suite": suite.hash,
        "entry": entry.name,
        "form": entry.form,
        "command": command(suite, entry, seed),
        "files": digest(entry.files),
        "seed": seed,
        "version": quickstudy.__version__,
        "torch": torch.__version__,
        "created": runs.now(),
        "machine": machine(),
        "tasks": sum(block["episodes"] for block in blocks),
        "score": together([block["score"] for block in blocks]),
        "area_by_examples": together([block["curve"]["area"] for block in blocks]),
        "area_by_time": together([block["time"]["area"] for block in blocks]),
        "memory_mb": max(block["memory_mb"] for block in blocks),
        "training_s": sum(block["training_s"] for block in blocks),
        "inductive": suite.inductive,
        "breaks_the_rules": suite.inductive and bool({*neighbours.BROKEN} & verdicts),
        "budget": {
            name: value for name, value in asdict(suite).items() if name in ("cpu", "wall", "memory", "training")
        },
        "blocks": blocks,
    }


def together(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean of the blocks' means with its interval; none where one block has none."""
    if any(each["mean"] is None for each in cells):
        return {"mean": None, "ci95": None}
    mean = sum(each["mean"] for each in cells) / len(cells)
    if any(each["ci95"] is None for each in cells):
        return {"mean": mean, "ci95": None}
    return {"mean": mean, "ci95": finite(sum(each["ci95"] ** 2 for each in cells) ** 0.5 / len(cells))}
