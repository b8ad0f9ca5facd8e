"""What is wrong with the bodies of ``dynamics``: which there are, and who of them may be trained on.

kind        what it is                                                                          split
==========  ==================================================================================  ==================
intact      ground and body drawn from the trained ranges                                       train, some val
damaged     the same with the motor of one joint dead, weak or reversed                         test if that joint
                                                                                                is held out, else
                                                                                                train, some val
outside     one of friction, slope and payload beyond the trained range                         test

The ranges, who is held out and how a leak is found are those of ``conditions.py``; there are no bumps. Over three
partitions in a row each joint is held out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from quickstudy.sim.bodies import Condition
from quickstudy.tasks import draw
from quickstudy.tasks.robots.conditions import OUTSIDE, TRAINED, Conditions, Kind, between

Harm = Literal["", "dead", "weak", "reversed"]
HARMS: tuple[Harm, ...] = ("dead", "weak", "reversed")
DRAWN = tuple(field for field in TRAINED if field != "bumps")
WEAK = (0.1, 0.5)
"""Strength that is left of a weak motor."""
REVERSED = (0.6, 1.0)
"""Strength of a reversed motor, which turns the other way."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many bodies."""

    intact: int
    damaged: int
    """Of each harm to each joint."""
    outside: int
    """Of each of friction, slope and payload."""


def damages(joints: int, count: Count) -> Conditions:
    """``count`` of bodies with so many ``joints``."""
    rows: list[tuple[Kind, int, Harm, str]] = [("intact", -1, "", "")] * count.intact
    rows += [("damaged", joint, harm, "") for joint in range(joints) for harm in HARMS for _ in range(count.damaged)]
    rows += [("outside", -1, "", beyond) for beyond in OUTSIDE for _ in range(count.outside)]
    made = [_drawn(joints, row[1], row[2], row[3], f"{row[0]} {at}") for at, row in enumerate(rows)]
    return Conditions(
        all=tuple(made), kind=tuple(row[0] for row in rows), joint=tuple(row[1] for row in rows), joints=joints
    )


def harm(found: Conditions, number: int) -> Harm:
    """What has become of the motor of body ``number``'s joint."""
    if found.joint[number] < 0:
        return ""
    left = found.all[number].strength[found.joint[number]]
    return "reversed" if left < 0 else "weak" if left else "dead"


def _drawn(joints: int, joint: int, harmed: Harm, beyond: str, name: str) -> Condition:
    """A condition, drawn from its ``name`` alone."""
    key = torch.tensor(draw.salt("dynamics", name))
    chance = draw.uniform(key, len(DRAWN) + 1, "condition").double().tolist()
    ranges = {**TRAINED, **({beyond: OUTSIDE[beyond]} if beyond else {})}
    values = {field: between(*ranges[field], chance[at], field) for at, field in enumerate(DRAWN)}
    strength = [1.0] * joints
    if harmed == "dead":
        strength[joint] = 0.0
    elif harmed == "weak":
        strength[joint] = WEAK[0] + (WEAK[1] - WEAK[0]) * chance[-1]
    elif harmed == "reversed":
        strength[joint] = -(REVERSED[0] + (REVERSED[1] - REVERSED[0]) * chance[-1])
    return Condition(**{field: round(value, 4) for field, value in values.items()}, strength=tuple(strength))
