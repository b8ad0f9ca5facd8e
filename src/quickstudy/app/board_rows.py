"""Rows of results as a leaderboard reads them: of challenges, ``evaluate``, ``bench ladder`` and ``bench folds``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from quickstudy.challenge.rank import SEALED, takes_part
from quickstudy.intervals import finite
from quickstudy.tasks.base import HIGHER

STRANGE = ("metadl", "program", SEALED)
"""Forms of entries that are no learners."""
NOTHING = "none"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A mean with its interval; None where there is none."""

    mean: float | None = None
    ci95: float | None = None


class Part(NamedTuple):
    """One family of a challenge."""

    tasks: str
    score: Cell
    done: bool
    """Whether any of its tasks was answered: some learners do one kind alone."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One entry on one table's tasks."""

    path: Path
    title: str
    """Of the table."""
    about: str
    """What its tasks are, in words."""
    same: tuple[Any, ...]
    """What all rows of a table have in common: they were asked the same tasks."""
    challenge: bool
    name: str
    """Of the entry."""
    learner: str
    """None of the registry where an entry is a stranger's."""
    metric: str
    score: Cell
    by_examples: Cell = Cell()
    by_time: Cell = Cell()
    adapt_ms: float | None = None
    """To learn a task and answer it; in a challenge in milliseconds of the standard machine."""
    training_s: float | None = None
    """Seconds of the processors."""
    memory_mb: float | None = None
    backbone: str = NOTHING
    budget: str = NOTHING
    inductive: bool = True
    device: str = "cpu"
    why_unranked: str = ""
    why_untimed: str = ""
    command: str = ""
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of the learner, by the tasks that it was trained for."""
    curves: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Score by shots, by tasks."""
    times: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Score by seconds, by tasks; older rows say nothing of it."""
    parts: tuple[Part, ...] = ()
    """Of a challenge, family by family."""
    value: dict[str, Any] = field(default_factory=dict, repr=False)
    """The row as it is in its file."""

    @property
    def higher(self) -> bool:
        """Whether more is better."""
        return self.challenge or self.metric in HIGHER


def of_challenge(path: Path, value: dict[str, Any]) -> Row:
    """A row of ``challenge run``, ``challenge score`` or ``bench run``."""
    blocks = value["blocks"]
    abouts = [block.get("about") or {} for block in blocks]
    told = next((about for about in abouts if about.get("learner")), {})
    configs = {
        block["tasks"]: about["config"] for block, about in zip(blocks, abouts, strict=True) if "config" in about
    }
    seconds = [block["time"]["median_s"] for block in blocks if block["time"].get("median_s") is not None]
    holds = all(block["time"]["holds"] for block in blocks)
    sealed = value["form"] == SEALED
    return Row(
        path=path,
        title=value["challenge"],
        about=f"{value['tasks']:,} tasks of {', '.join(block['tasks'] for block in blocks)}, seed {value['seed']}",
        same=(value["challenge"], value["suite"], value["seed"], *(block["manifest"] for block in blocks)),
        challenge=True,
        name=value["entry"],
        learner=told.get("learner", value["form"] if value["form"] in STRANGE else value["entry"]),
        metric="score",
        score=cell(value["score"]),
        by_examples=cell(value["area_by_examples"]),
        by_time=cell(value["area_by_time"]),
        adapt_ms=1000 * mean(seconds) if seconds and holds else None,
        training_s=value["training_s"],
        memory_mb=value["memory_mb"],
        backbone=backbone(configs.values()),
        budget=NOTHING if sealed else f"{value['budget']['training']:g} s a family",
        inductive=not value["breaks_the_rules"],
        device=NOTHING if sealed else "cpu",
        why_untimed="" if holds or sealed else "the reference workload drifted by more than 10 % meanwhile",
        why_unranked="its answers depend on the other queries" if value["breaks_the_rules"] else "",
        command=value.get("command", ""),
        configs=configs,
        curves={
            block["tasks"]: block["curve"]["points"]
            for block in blocks
            if block["answered"] and block["curve"]["points"]
        },
        times={
            block["tasks"]: block["time"]["points"]
            for block in blocks
            if block["answered"] and block["time"].get("points")
        },
        parts=tuple(Part(block["tasks"], cell(block["score"]), takes_part(block)) for block in blocks),
        value=value,
    )


def of_evaluation(path: Path, value: dict[str, Any]) -> Row:
    """A row of ``evaluate`` or ``bench ladder``."""
    training = value.get("training") or {}
    return Row(
        path=path,
        title=f"{value['tasks']}, {size(value)}",
        about=f"{value['episodes']:,} episodes of {value['tasks']}, split {value['split']}, seed {value['seed']}",
        same=tuple(value[name] for name in ("tasks", "split", "way", "shot", "query", "metric", "seed", "manifest")),
        challenge=False,
        name=value["learner"],
        learner=value["learner"],
        metric=value["metric"],
        score=Cell(mean=finite(value["mean"]), ci95=None if value["ci95"] is None else finite(value["ci95"])),
        adapt_ms=spent(value),
        training_s=training.get("cpu_s"),
        memory_mb=value.get("adapt_peak_mb"),
        backbone=backbone([training.get("config") or {}]),
        budget=budget(training),
        inductive=not value["transductive"],
        device=value["device"],
        command=command(value),
        configs={value["tasks"]: training["config"]} if training.get("config") else {},
        curves={value["tasks"]: value["curves"]["shots"]} if (value.get("curves") or {}).get("shots") else {},
        value=value,
    )


def of_folds(path: Path, value: dict[str, Any]) -> Row:
    """A row of ``bench folds``."""
    training = value.get("training") or {}
    training = training if isinstance(training, dict) else {}
    count = len(value["partitions"])
    cpu = [seconds for seconds in value.get("cpu_s") or () if seconds is not None]
    return Row(
        path=path,
        title=f"{value['tasks']}, {size(value)}, {count} partitions",
        about=f"{value['units']:,} units of {value['tasks']} over {count} partitions, seed {value['seed']}",
        same=(value["tasks"], value["way"], value["shot"], value["metric"], value["seed"], str(value["manifests"])),
        challenge=False,
        name=value["learner"],
        learner=value["learner"],
        metric=value["metric"],
        score=cell(value["scores"][value["metric"]]),
        adapt_ms=spent(value),
        training_s=mean(cpu) if cpu else None,
        backbone=backbone([training.get("config") or {}]),
        budget=budget(training),
        device=value.get("device", "cpu"),
        command=f"quickstudy bench folds --tasks {value['tasks']} --learners {value['learner']}",
        configs={value["tasks"]: training["config"]} if training.get("config") else {},
        value=value,
    )


def size(value: dict[str, Any]) -> str:
    """Of its episodes."""
    return f"{value['way']}-way {value['shot']}-shot" if value["way"] else f"{value['shot']}-shot"


def spent(value: dict[str, Any]) -> float | None:
    """Milliseconds to learn a task and answer it; None where nobody measured them."""
    return value["adapt_ms"] + value["predict_ms"] if value.get("adapt_ms") is not None else None


def cell(value: dict[str, Any]) -> Cell:
    """A mean with its interval, as rows have it."""
    return Cell(mean=value["mean"], ci95=value.get("ci95"))


def backbone(configs: Any) -> str:
    """Those of an entry's nets."""
    names = {str(one["backbone"]) for one in configs if one.get("backbone")}
    return ", ".join(sorted(names)) or NOTHING


def budget(training: dict[str, Any]) -> str:
    """How long was trained, in words."""
    if not training:
        return NOTHING
    if training.get("budget"):
        return f"{training['budget']:g} s"
    steps = training.get("steps")
    return f"{steps:,} steps" if steps else NOTHING


def command(value: dict[str, Any]) -> str:
    """What judges a run again, which has to be there or to be trained first."""
    what = value.get("run") or value["learner"]
    size = f"--way {value['way']} --shot {value['shot']}" if value["way"] else f"--shot {value['shot']}"
    episodes = f"--query {value['query']} --episodes {value['episodes']} --seed {value['seed']}"
    return f"quickstudy evaluate {what} --tasks {value['tasks']} {size} {episodes}"
