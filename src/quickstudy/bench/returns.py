"""What adaptation is worth to a robot that plans: held-out bodies driven by a planner whose model is a learner, once
adapting at every step and once not at all, and by one that plans in the true simulation.

Learners are those of ``folds``: trained anew on every partition, runs that are there are taken. All drive the same
bodies from the same starts with the same noise, so that differences are paired; a body counts once, its seeds averaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import quickstudy
from quickstudy import runs
from quickstudy.bench.folds import Folds, Say
from quickstudy.bench.ladder import trained
from quickstudy.control.driving import drive
from quickstudy.control.planner import Planning
from quickstudy.errors import UserError
from quickstudy.intervals import cell
from quickstudy.tasks.robots.dynamics import Dynamics

ORACLE = "oracle"
"""Plans in the true simulation."""
WAYS = {True: "adapting", False: "unadapted"}
ALONE = 20
"""Steps of one body for which plans in a CPU second are counted."""


@dataclass(frozen=True, kw_only=True)
class Drives:
    """Who is driven, how, and where it goes."""

    folds: Folds
    """Learners and partitions; its columns are not used."""
    bodies: int = 12
    """Held-out bodies of each partition, of all kinds."""
    seeds: int = 8
    """Episodes of each body."""
    steps: int = 200
    """Of an episode."""
    oracle_seeds: int = 0
    """Episodes of each body that the oracle has, which takes long; 0 leaves it out."""
    how: Planning = field(default_factory=Planning)

    def asked(self, seeds: int) -> dict[str, Any]:
        """What decides the episodes."""
        return {"bodies": self.bodies, "seeds": seeds, "steps": self.steps, "how": asdict(self.how)}


def measure(drives: Drives, say: Say) -> dict[str, Path]:
    """Drive whoever has not been driven, and write the rows: their files by name."""
    for partition in drives.folds.partitions:
        family = drives.folds.of(partition).family
        if not isinstance(family, Dynamics) or ":simulated=true" in family.spec.name:
            raise UserError(f"nothing of {family.spec.name} can be driven. Use dynamics, or dynamics:small=true.")
        for name in drives.folds.ladder.learners:
            for adapts in WAYS:
                driven(drives, family, partition, name, adapts, say)
        if drives.oracle_seeds:
            driven(drives, family, partition, ORACLE, True, say)
    names = [f"{name}-{way}" for name in drives.folds.ladder.learners for way in WAYS.values()]
    names += [ORACLE] if drives.oracle_seeds else []
    read = {name: gathered(drives, name) for name in names}
    paths = {}
    for name in names:
        paths[name] = drives.folds.ladder.out / f"{name}.json"
        runs.write_json(paths[name], row(drives, name, read))
    return paths


def driven(drives: Drives, family: Dynamics, partition: int, name: str, adapts: bool, say: Say) -> None:
    """Returns of one learner on one partition, unless they are there."""
    label = name if name == ORACLE else f"{name}-{WAYS[adapts]}"
    path = scores_file(drives, partition, label)
    seeds = drives.oracle_seeds if name == ORACLE else drives.seeds
    if path.is_file() and runs.read_note(path).get("asked") == drives.asked(seeds):
        return
    learner = None if name == ORACLE else runs.learner_of(trained(drives.folds.of(partition), name, say)).eval()
    bodies = spread(family.bodies("test"), drives.bodies)
    units = bodies.repeat_interleave(seeds)
    conditions = [family.condition(int(at)) for at in units]
    each = [1000 * int(at) + number for at in bodies for number in range(seeds)]
    found = drive(learner, family.units, conditions, each, how=drives.how, steps=drives.steps, adapts=adapts)
    alone = drive(learner, family.units, conditions[:1], each[:1], how=drives.how, steps=ALONE, adapts=adapts).hertz
    kinds = torch.tensor([family.kinds[int(at)] for at in units])
    tensors = {"return": found.returns, "blew_up": found.blew_up.float(), "units": units, "kinds": kinds}
    tensors |= {"error": found.error} if learner is not None else {}
    runs.write_tensors(path, tensors, {"asked": drives.asked(seeds), "hertz": found.hertz, "alone": alone})
    say(f"{family.spec.name}: {label}: return {found.returns.mean():.1f}, {alone:.1f} plans a second alone")


def spread(bodies: Tensor, count: int) -> Tensor:
    """``count`` of ``bodies``, from all along their list; all where there are no more."""
    if count >= len(bodies):
        return bodies
    return bodies[(torch.arange(count) * len(bodies)) // count]


def scores_file(drives: Drives, partition: int, label: str) -> Path:
    """Where what a driver got on a partition is kept."""
    return drives.folds.runs(partition) / "returns" / f"{label}.safetensors"


def gathered(drives: Drives, label: str) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """What a driver got on all partitions, one after the other, and the notes beside it."""
    read = [runs.read_tensors(scores_file(drives, partition, label)) for partition in drives.folds.partitions]
    return {key: torch.cat([part[key] for part, _ in read]) for key in read[0][0]}, [note for _, note in read]


def row(
    drives: Drives, label: str, read: Mapping[str, tuple[dict[str, Tensor], list[dict[str, Any]]]]
) -> dict[str, Any]:
    """What driver ``label`` got, and beside what others did; the oracle's difference is over the episodes it has."""
    mine, notes = read[label]
    others = [other for other in read if other not in (label, ORACLE) and label != ORACLE]
    return {
        "driver": label,
        "tasks": drives.folds.tasks,
        "partitions": list(drives.folds.partitions),
        **{key: value for key, value in notes[0]["asked"].items() if key != "how"},
        "planner": notes[0]["asked"]["how"],
        "units": len(mine["units"].unique()),
        "episodes": len(mine["units"]),
        "blew_up": int(mine["blew_up"].sum()),
        "scores": {key: cell(mine[key], mine["units"]) for key in ("return", "error") if key in mine},
        "by_kind": {name: cell(mine["return"][at], mine["units"][at]) for name, at in kinds(mine).items()},
        "minus": {other: beside(mine, read[other][0]) for other in others},
        "plans_in_a_cpu_second": {
            "together": [note["hertz"] for note in notes],
            "alone": [note["alone"] for note in notes],
        },
        "version": quickstudy.__version__,
    }


def beside(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, Any]:
    """Differences on the same episodes: of both scores, and of the return for each kind of bodies."""
    gain = mine["return"] - theirs["return"]
    found = {"return": cell(gain, mine["units"]), "error": cell(mine["error"] - theirs["error"], mine["units"])}
    return found | {name: cell(gain[at], mine["units"][at]) for name, at in kinds(mine).items()}


def kinds(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Which episodes [n] bool are of bodies with each thing wrong."""
    every = {name: scores["kinds"] == at for at, name in enumerate(Dynamics.wrong)}
    return {name: at for name, at in every.items() if at.any()}
