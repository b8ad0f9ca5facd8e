"""What ``quickstudy robot gait`` says of its tries: a line each, and all of them as JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import quickstudy
from quickstudy import runs
from quickstudy.app import output
from quickstudy.app.robot_tries import line
from quickstudy.control import gait
from quickstudy.control.gait import Step
from quickstudy.control.history import Search
from quickstudy.sim.strides import Ground
from quickstudy.tasks.base import NINETY
from quickstudy.tasks.robots import grounds
from quickstudy.tasks.robots.conditions import held_joints

COLUMNS = ("try", "gait", "believed speed, m/s", "felt", "")
WIDTHS = (5, 8, 24, 26, 0)


def heading(search: Search, ground: Ground, run: runs.Run) -> str:
    """What it is about, and the table's first line."""
    joints, partition = ground.body.joints, re.search(r":partition=(\d+)", run.spec.name)
    held = held_joints(len(joints), int(partition[1]) if partition else 0)
    new = grounds.unlike(ground.condition, joints, held)
    note = f" (not in its training: {', '.join(new)})" if new else ""
    goal = "the fastest gait" if search.speed is None else f"a gait that goes at {search.speed:g} m/s"
    return f"{ground.body.name}: {grounds.said(ground.condition, joints)}{note}; {goal}\n\n{line(COLUMNS, WIDTHS)}"


def watched(search: Search, ground: Ground, tries: int, show: Callable[[str], None]) -> list[Step]:
    """The tries, each shown when it is done."""
    steps: list[Step] = []
    for step in gait.trying(search, ground, tries):
        steps.append(step)
        speed, tilt = (step.told.outcome[search.candidates.outcomes.index(name)] for name in ("speed", "tilt"))
        felt = "nothing: numbers that are none" if step.blew_up else f"{speed:+.2f} m/s, tilt {tilt:.2f}"
        show(line([str(len(steps)), f"#{step.told.gait}", interval(step), felt, verdict(steps, search.speed)], WIDTHS))
    show("")
    return steps


def verdict(steps: list[Step], speed: float | None) -> str:
    """Of the last of ``steps``: whether it is the best so far."""
    if steps[-1].told.fell:
        return "fell"
    stood = [one.told.outcome[0] for one in steps if not one.told.fell]
    worth = stood if speed is None else [-abs(one - speed) for one in stood]
    return "best so far" if worth[-1] == max(worth) else "slower" if speed is None else "further off"


def interval(step: Step) -> str:
    """The speed that was believed, and where it is with 90 %."""
    half = NINETY * step.std
    return f"{step.believed:+.2f}" + (
        "" if math.isnan(half) else f" ({step.believed - half:+.2f} to {step.believed + half:+.2f})"
    )


def outcome(one: gait.Walk, speed: float | None) -> str:
    """What came of a walk."""
    asked_for = "" if speed is None else f", {abs(one.speed - speed):.2f} off the speed asked for"
    return "fell" if one.fell else f"{one.speed:.2f} m/s{asked_for}"


def told(search: Search, ground: Ground, steps: list[Step], walks: list[gait.Walk]) -> dict[str, Any]:
    """Everything that happened, as JSON."""
    return {
        "body": ground.body.name,
        "condition": asdict(ground.condition),
        "speed": search.speed,
        "outcomes": list(ground.body.outcomes),
        "tries": [
            {
                "gait": step.told.gait,
                "believed": step.believed,
                "std": output.finite(step.std),
                "felt": list(step.told.outcome),
                "fell": step.told.fell,
            }
            for step in steps
        ],
        "blew_up": sum(step.blew_up for step in steps),
        "walks": [{"who": one.who, "gait": one.gait.tolist(), "speed": one.speed, "fell": one.fell} for one in walks],
        "version": quickstudy.__version__,
    }
