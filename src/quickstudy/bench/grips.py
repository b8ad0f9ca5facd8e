"""Grips over several partitions: each learner is trained anew on every one, settles its margin on validation objects,
and then grips test objects of three kinds in the true simulation.

Every learner meets the same objects with the same noise, so that differences are paired. An object counts once, however
many partitions test it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import quickstudy
from quickstudy import runs
from quickstudy.bench.ladder import Ladder, Say, trained
from quickstudy.control import grip
from quickstudy.control.grip import Tries
from quickstudy.intervals import cell
from quickstudy.learners.base import Learner
from quickstudy.plan import TrainConfig
from quickstudy.sim.gripper import CRUSHED
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import Split
from quickstudy.tasks.robots.grips import Grips

Read = tuple[dict[str, Tensor], list[dict[str, Any]]]
"""Scores of all partitions, one after the other, and the note beside those of each."""
ORACLE = "oracle"
"""Who knows what is needed."""
SETS = {"inside": "", "outside": ":objects=outside", "shapes": ":objects=shapes"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is compared, and where it goes."""

    options: str = ""
    """Of the family, beside objects and partition: ``:wider=1``."""
    partitions: Sequence[int]
    learners: Sequence[str]
    against: Sequence[str]
    config: TrainConfig
    runs: Path
    out: Path
    seed: int = 0
    lifts: int = grip.MOST

    def family(self, partition: int, objects: str) -> Grips:
        """Test objects of a kind; those inside the range have the other splits as well."""
        made = load_tasks(f"grips{SETS[objects]}:partition={partition}{self.options}")
        assert isinstance(made, Grips)
        return made


def measure(plan: Plan, say: Say) -> list[Path]:
    """Train and judge what is missing, then write the rows, of the oracle as well: one for each kind of objects."""
    for partition in plan.partitions:
        if missing := [name for name in plan.learners if not is_judged(plan, partition, name)]:
            judge(plan, partition, missing, say)
    read = {name: gathered(plan, name) for name in plan.learners}
    read[ORACLE] = gathered(plan, plan.learners[0], oracle=True)
    return [write(plan, name, objects, read) for name in read for objects in SETS]


def is_judged(plan: Plan, partition: int, name: str) -> bool:
    """Whether there are its scores after the tries, and the training, that are asked for."""
    path = scores_file(plan, partition, name)
    note = runs.read_note(path) if path.is_file() else {}
    steps = note.get("training", {}).get("steps", 0)  # 0 where there is nothing to train by steps
    return note.get("asked") == asked(plan) and (steps == 0 or plan.config.steps in (None, steps))


def asked(plan: Plan) -> dict[str, Any]:
    """What decides the tries."""
    return {"options": plan.options, "lifts": plan.lifts, "seed": plan.seed}


def judge(plan: Plan, partition: int, names: Sequence[str], say: Say) -> None:
    """Every learner of ``names`` on the objects of one partition."""
    families = {objects: plan.family(partition, objects) for objects in SETS}
    place = plan.runs / f"partition-{partition}"
    ladder = Ladder(
        family=families["inside"],
        learners=plan.learners,
        columns=(),
        config=replace(plan.config, seed=plan.seed + partition),
        seed=plan.seed + partition,
        runs=place,
    )
    for name in names:
        run = trained(ladder, name, say)
        learner = runs.learner_of(run)
        margins = grip.settle(*tried(plan, families["inside"], "val", learner)[:2])
        scores: dict[str, Tensor] = {}
        for objects, family in families.items():
            found = outcomes(plan, family, learner, margins)
            scores |= {f"{objects}/{metric}": values for metric, values in found.items()}
            shares = ", ".join(f"{metric} {found[metric].mean():.3f}" for metric in ("success", "ratio"))
            say(f"partition {partition}: {name} {objects}: {shares}")
        if not isinstance(run, Learner):
            runs.write_json(run.path / grip.MARGINS_FILE, margins)
        note: dict[str, Any] = {"margins": margins, "asked": asked(plan)}
        note["training"] = {} if isinstance(run, Learner) else run.trained()
        note["left_out"] = {objects: family.kept.left_out for objects, family in families.items()}
        note["blown"] = {objects: family.kept.blown for objects, family in families.items()}
        runs.write_tensors(scores_file(plan, partition, name), scores, note)


def tried(plan: Plan, family: Grips, split: Split, learner: Learner) -> tuple[Tries, Tensor, Any]:
    """What the learner finds out of a split's objects, what they need [N], and the gripper that holds them."""
    which = family.folds[split]
    gripper = family.gripper(family.kept.objects.at(which.numpy()))
    return (
        grip.explore(learner, gripper, grip.keys(len(which), plan.seed), plan.lifts),
        family.kept.need[which],
        gripper,
    )


def outcomes(plan: Plan, family: Grips, learner: Learner, margins: Sequence[float]) -> dict[str, Tensor]:
    """By metric [N], and the objects' numbers.

    After all lifts, in the true simulation: ``success``, ``dropped``, ``crushed``, and ``ratio`` of the grip to what is
    needed; ``strained``: a test lift was so strong already that the object counts as crushed. After ``n`` lifts, by the
    force needed: ``success/n``, ``ratio/n`` and ``error/n`` of the belief in doublings.
    """
    tries, need, gripper = tried(plan, family, "test", learner)
    force = grip.grip(tries.beliefs[-1], margins[-1])
    held, crushed = grip.shaken(gripper, force), force > CRUSHED * need
    found = {"success": held & ~crushed, "dropped": ~held, "crushed": crushed, "ratio": force / need}
    found["strained"] = (tries.forces > CRUSHED * need.unsqueeze(-1)).any(-1)
    for number, (belief, margin) in enumerate(zip(tries.beliefs, margins, strict=True)):
        chosen = grip.grip(belief, margin)
        found |= {f"success/{number}": grip.succeeds(chosen, need), f"ratio/{number}": chosen / need}
        found[f"error/{number}"] = grip.error(belief, need)
    return {metric: values.float() for metric, values in found.items()} | {"units": family.folds["test"]}


def scores_file(plan: Plan, partition: int, name: str) -> Path:
    """Where the scores of a learner on a partition are kept."""
    return plan.runs / f"partition-{partition}" / "scores" / f"{name}.safetensors"


def gathered(plan: Plan, name: str, oracle: bool = False) -> Read:
    """Scores of a learner on all partitions, one after the other, and the notes beside them.

    The oracle's are those of a grip that is as strong as needed, on the same objects.
    """
    read = [runs.read_tensors(scores_file(plan, partition, name)) for partition in plan.partitions]
    joined = {metric: torch.cat([part[metric] for part, _ in read]) for metric in read[0][0]}
    if oracle:
        right = {"success": 1.0, "dropped": 0.0, "crushed": 0.0, "ratio": 1.0}
        kept = {m: v for m, v in joined.items() if m.endswith("/units") or m.partition("/")[2] in right}
        joined = {m: torch.full_like(v, right[m.partition("/")[2]]) if "units" not in m else v for m, v in kept.items()}
    return joined, [] if oracle else [note for _, note in read]


def write(plan: Plan, name: str, objects: str, read: Mapping[str, Read]) -> Path:
    """The row of ``name`` on one kind of objects."""
    scores, notes = read[name]
    units = scores[f"{objects}/units"]
    mine = of_kind(scores, objects)
    minus = {}
    for other in plan.against if name in plan.learners else ():
        if other != name:
            theirs = of_kind(read[other][0], objects)
            minus[other] = {metric: cell(values - theirs[metric], units) for metric, values in mine.items()}
    row = {
        "learner": name,
        "objects": objects,
        "tasks": "grips" + plan.options,
        "partitions": list(plan.partitions),
        "lifts": plan.lifts,
        "seed": plan.seed,
        "episodes": len(units),
        "units": len(units.unique()),
        "left_out": read[plan.learners[0]][1][0]["left_out"][objects],
        "blown": read[plan.learners[0]][1][0]["blown"][objects],
        "scores": {metric: cell(values, units) for metric, values in mine.items()},
        "minus": minus,
        "margins": [note["margins"] for note in notes],
        "training": notes[0]["training"] if notes else {},
        "cpu_s": [note["training"].get("cpu_s") for note in notes],
        "version": quickstudy.__version__,
    }
    path = plan.out / f"{name}-{objects}.json"
    runs.write_json(path, row)
    return path


def of_kind(scores: Mapping[str, Tensor], objects: str) -> dict[str, Tensor]:
    """Metrics on one kind of objects."""
    pairs = ((key.partition("/"), values) for key, values in scores.items())
    return {metric: values for (kind, _, metric), values in pairs if kind == objects and metric != "units"}
