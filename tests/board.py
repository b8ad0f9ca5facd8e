"""Rows of a challenge that nobody had to make, for tests of what is done with rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import quickstudy
from quickstudy.challenge import many, suite
from quickstudy.challenge.check import opened
from quickstudy.challenge.run import FORMAT

SUITE = """
name = "small"
examples = [1, 5]

[[tasks]]
family = "glyphs:classes=20"
ways = [2, 3]
query = 2
episodes = 12

[[tasks]]
family = "functions"
shots = [1, 5]
query = 4
episodes = 12
"""


def cell(mean: float, ci95: float | None = 0.1) -> dict[str, Any]:
    return {"mean": mean, "ci95": ci95}


def block(tasks: str, manifest: str, scores: Sequence[float], ms: float) -> dict[str, Any]:
    """One family's part: ``scores`` of its tasks, answered in ``ms`` milliseconds each."""
    mean = sum(scores) / len(scores)
    points = [{"at": at} | cell(mean * share) for at, share in ((1, 0.5), (5, 1.0))]
    about = {"learner": "protonet", "config": {"backbone": "conv4", "width": 64}, "parameters": 9, "steps": 7}
    return {
        "tasks": tasks,
        "metric": "accuracy" if tasks.startswith("glyphs") else "mse",
        "manifest": manifest,
        "episodes": len(scores),
        "answered": len(scores),
        "ended": None,
        "raw": cell(mean),
        "score": cell(mean),
        "scores": list(scores),
        "unit_ids": list(range(len(scores))),
        "about": about,
        "inductive": "inductive",
        "curve": {"points": points, "area": cell(mean * 0.75), "areas": list(scores)},
        "time": {
            "median_s": ms / 1000,
            "points": [{"at": at} | cell(mean * (at > ms / 1000)) for at in (0.001, 0.01, 0.1)],
            "area": cell(mean * 0.9),
            "areas": list(scores),
            "holds": True,
        },
    }


def unanswered(one: dict[str, Any]) -> dict[str, Any]:
    """The part of a learner that does no such tasks."""
    nothing, ended = [0.0] * one["episodes"], "it does images alone. Use one of: nearest."
    time = {"area": cell(0.0), "areas": nothing, "holds": True}
    curve = {"points": [{"at": 1} | cell(0.0)], "area": cell(0.0), "areas": nothing}
    told = {"answered": 0, "ended": ended, "about": {}, "inductive": "no answer", "score": cell(0.0), "scores": nothing}
    return one | told | {"time": time, "curve": curve}


def row(name: str, scores: Sequence[float], ms: float = 3.0, alone: str = "", **changed: Any) -> dict[str, Any]:
    """A row of the small challenge in which each family's tasks have ``scores``, or those of the family ``alone``."""
    found = suite.read(SUITE, "small.toml")
    blocks = [block(one.family, f"of {one.family}", scores, ms) for one in found.tasks]
    blocks = [one if one["tasks"].startswith(alone) else unanswered(one) for one in blocks]
    mean = sum(one["score"]["mean"] for one in blocks) / len(blocks)
    told = {
        "format": FORMAT,
        "challenge": "small",
        "suite": found.hash,
        "entry": name,
        "form": "name",
        "command": f"quickstudy challenge run small.toml {name} --seed 0",
        "seed": 0,
        "version": quickstudy.__version__,
        "tasks": sum(one["episodes"] for one in blocks),
        "score": cell(mean),
        "area_by_examples": cell(mean * 0.75),
        "area_by_time": cell(mean * 0.9),
        "memory_mb": 300.0,
        "training_s": 10 * ms,
        "inductive": True,
        "breaks_the_rules": False,
        "budget": {"cpu": 2.0, "wall": 20.0, "memory": 3.0, "training": 60.0},
        "blocks": blocks,
    }
    return told | changed


def evaluation(name: str, mean: float, ci95: float, **changed: Any) -> dict[str, Any]:
    """A row as ``evaluate --json`` prints it."""
    told: dict[str, Any] = {"learner": name, "run": "", "tasks": "glyphs", "split": "test", "way": 5, "shot": 1}
    told |= {"query": 15, "episodes": 100, "seed": 0, "metric": "accuracy", "mean": mean, "ci95": ci95}
    told |= {"transductive": False, "adapt_ms": 1.0, "predict_ms": 1.0, "device": "cpu", "manifest": "m"}
    return told | {"version": quickstudy.__version__, "curves": {}, "training": None} | changed


def write(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Into files, and the challenge beside the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in rows:
        (folder / f"{one.get('entry', one.get('learner'))}.json").write_text(json.dumps(one))
    (folder.parent / "small.toml").write_text(SUITE)


def real_manifests() -> list[str]:
    """Those of the small challenge's tasks."""
    return many.manifests(opened(suite.read(SUITE, "small.toml")), 0)
