"""Grounds and bodies of ``strides``: which there are, and who of them may be trained on.

kind        what it is                                                                          split
==========  ==================================================================================  ==================
intact      ground and body drawn from the trained ranges                                       train, some val
damaged     the same with one joint weak or dead                                                test if that joint
                                                                                                is held out, else
                                                                                                train, some val
outside     one of friction, slope and payload beyond the trained range                         test
mixed       a weak or dead joint, and one of these                                              test

Over three partitions in a row each joint is held out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from quickstudy.sim.bodies import Condition
from quickstudy.tasks import draw
from quickstudy.tasks.base import Split

Kind = Literal["intact", "damaged", "outside", "mixed"]
FOLDS = 3
VALIDATED = 10
"""One of so many conditions that may be trained on is for validation."""
TRAINED = {
    "friction": (0.35, 1.5),
    "slope": (-6.0, 6.0),
    "payload": (0.0, 0.3),
    "damping": (0.5, 2.0),
    "gain": (0.6, 1.3),
    "bumps": (0.0, 0.05),
}
"""Ranges of training; friction, damping and gain are even in their logarithm, and 7 of 10 grounds have no bumps."""
OUTSIDE = {"friction": (0.1, 0.25), "slope": (8.0, 12.0), "payload": (0.4, 0.8)}
"""Ice, steep hills, heavy loads."""
LOGARITHMIC = ("friction", "damping", "gain")
BUMPY = 0.3
DEAD = 0.5
"""Share of damaged joints that are dead; the others keep 10 to 50 % of their strength."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Every condition of a body, one row each."""

    all: tuple[Condition, ...]
    kind: tuple[Kind, ...]
    joint: tuple[int, ...]
    """The one that is weak or dead; -1 where all are whole."""
    joints: int

    def split(self, split: Split, partition: int) -> Tensor:
        """Numbers of the conditions of a split, in order."""
        held = held_joints(self.joints, partition)
        return torch.tensor([i for i in range(len(self.all)) if self._place(i, held, partition) == split])

    def _place(self, number: int, held: frozenset[int], partition: int) -> Split:
        if self.kind[number] in ("outside", "mixed") or self.joint[number] in held:
            return "test"
        return "val" if draw.salt("val", partition, number) % VALIDATED == 0 else "train"


def held_joints(joints: int, partition: int) -> frozenset[int]:
    """The joints that nothing in training breaks."""
    repeat, fold = divmod(partition, FOLDS)
    ordered = sorted(range(joints), key=lambda joint: draw.salt("held joint", repeat, joint))
    return frozenset(joint for place, joint in enumerate(ordered) if place % FOLDS == fold)


def leaks(found: Conditions, train: Tensor, test: Tensor, held: frozenset[int]) -> list[str]:
    """What of the held-out grounds ``train`` gives away; nothing, if all is well."""
    both = set(train.tolist()) & set(test.tolist())
    wrong = [f"ground {at} is trained on and tested" for at in sorted(both)]
    for at in train.tolist():
        one = found.all[at]
        wrong += [f"ground {at} breaks joint {joint}" for joint in held if one.strength[joint] < 1]
        for field, (low, high) in TRAINED.items():
            if not low - 1e-4 <= getattr(one, field) <= high + 1e-4:
                wrong.append(f"the {field} of ground {at} is outside the trained range")
    return wrong


def conditions(joints: int, *, intact: int, damaged: int, outside: int, mixed: int) -> Conditions:
    """``intact`` conditions, ``damaged`` of each joint, ``outside`` of each of ``OUTSIDE``, ``mixed`` of each joint."""
    rows: list[tuple[Kind, int, str]] = [("intact", -1, "")] * intact
    rows += [("damaged", joint, "") for joint in range(joints) for _ in range(damaged)]
    rows += [("outside", -1, beyond) for beyond in OUTSIDE for _ in range(outside)]
    rows += [("mixed", joint, list(OUTSIDE)[each % len(OUTSIDE)]) for joint in range(joints) for each in range(mixed)]
    made = [_drawn(joints, joint, beyond, f"{kind} {at}") for at, (kind, joint, beyond) in enumerate(rows)]
    return Conditions(
        all=tuple(made), kind=tuple(row[0] for row in rows), joint=tuple(row[1] for row in rows), joints=joints
    )


def for_search(joints: int, count: int) -> list[Condition]:
    """Intact conditions of the trained ranges that are no task: on them the library of gaits is looked for."""
    return [_drawn(joints, -1, "", f"search {at}") for at in range(count)]


def _drawn(joints: int, joint: int, beyond: str, name: str) -> Condition:
    """A condition, drawn from its ``name`` alone."""
    chance = draw.uniform(torch.tensor(draw.salt("strides", name)), len(TRAINED) + 3, "condition").double().tolist()
    ranges = {**TRAINED, **({beyond: OUTSIDE[beyond]} if beyond else {})}
    values = {field: between(*ranges[field], chance[at], field) for at, field in enumerate(ranges)}
    if chance[-1] >= BUMPY:
        values["bumps"] = 0.0
    strength = [1.0] * joints
    if joint >= 0:
        strength[joint] = 0.0 if chance[-2] < DEAD else 0.1 + 0.4 * chance[-3]
    return Condition(**{field: round(value, 4) for field, value in values.items()}, strength=tuple(strength))


def between(low: float, high: float, share: float, field: str) -> float:
    """The value of ``field`` at a ``share`` of the way from ``low`` to ``high``."""
    return low * (high / low) ** share if field in LOGARITHMIC else low + (high - low) * share


def numbers(found: Conditions) -> Tensor:
    """[conditions, 6 + joints] float32: what each is."""
    rows = [[getattr(one, field) for field in TRAINED] + list(one.strength) for one in found.all]
    return torch.tensor(rows)
