"""Grounds and damages by name: ``ice``, ``slope,payload=0.5``, ``fthigh``, ``bfoot=0.3``.

A ground is names and numbers with commas between them; a number replaces what a name before it says of the same thing.
Friction, payload and slope of the names that say so lie beyond what ``strides`` trains on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from quickstudy.errors import UserError, unknown
from quickstudy.sim.bodies import Condition
from quickstudy.tasks.robots.conditions import TRAINED

GROUNDS: dict[str, dict[str, float]] = {
    "flat": {},
    "ice": {"friction": 0.2},
    "wet": {"friction": 0.5},
    "rubber": {"friction": 1.5},
    "slope": {"slope": 8.0},
    "downhill": {"slope": -6.0},
    "rough": {"bumps": 0.05},
    "payload": {"payload": 0.5},
    "stiff": {"damping": 2.0},
    "weak": {"gain": 0.6},
}
"""What each changes of a body on flat ground."""
LIMITS = {
    "friction": (0.01, 10.0),
    "slope": (-45.0, 45.0),
    "payload": (0.0, 5.0),
    "damping": (0.0, 100.0),
    "gain": (0.0, 10.0),
    "bumps": (0.0, 0.5),
}
"""What a simulation is asked for at most: times, degrees, shares of the body's mass, times, times, metres."""


def condition(ground: str, broken: str, joints: Sequence[str]) -> Condition:
    """The condition that ``ground`` and the ``broken`` of ``joints`` say; UserError for names that are none."""
    changed: dict[str, float] = {}
    for name, value in parts(ground):
        if value is None:
            if name not in GROUNDS:
                raise unknown("ground", name, GROUNDS)
            changed |= GROUNDS[name]
        elif name not in LIMITS:
            raise unknown("number of a ground", name, LIMITS)
        else:
            low, high = LIMITS[name]
            changed[name] = number(f"--ground {name}", value, low, high)
    return Condition(**changed, strength=strengths(broken, joints))


def strengths(broken: str, joints: Sequence[str]) -> tuple[float, ...]:
    """Of each joint: 0 for those that ``broken`` names, or the share that it says."""
    found = dict.fromkeys(joints, 1.0)
    short = {joint.removesuffix("_joint"): joint for joint in joints}
    for name, value in parts(broken):
        if name not in found and name not in short:
            raise unknown("joint to --break", name, short)
        found[short.get(name, name)] = 0.0 if value is None else number(f"--break {name}", value, 0.0, 1.0)
    return tuple(found.values())


def parts(text: str) -> Iterator[tuple[str, str | None]]:
    """Names, each with what stands behind its =, if anything does."""
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        yield name.strip(), value.strip() if equals else None


def number(what: str, text: str, low: float, high: float) -> float:
    """``text`` as a number from ``low`` to ``high``."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise UserError(f"{what} is {text!r}; expected a number from {low:g} to {high:g}.")
    return value


def unlike(found: Condition, joints: Sequence[str], held: frozenset[int]) -> list[str]:
    """What of a condition no training ground had, where those never broke the joints ``held``."""
    outside = [name for name, (low, high) in TRAINED.items() if not low <= getattr(found, name) <= high]
    hurt = [at for at, share in enumerate(found.strength) if share < 1]
    broken = [f"a broken {joints[at].removesuffix('_joint')}" for at in hurt if at in held]
    return [f"its {name}" for name in outside] + broken + (["several broken joints"] if len(hurt) > 1 else [])


def said(found: Condition, joints: Sequence[str]) -> str:
    """A condition in words."""
    usual = Condition()
    changes = {
        "friction": f"friction {found.friction:g} times",
        "slope": f"{abs(found.slope):g} degrees {'up' if found.slope > 0 else 'down'}",
        "bumps": f"bumps of {100 * found.bumps:g} cm",
        "payload": f"a load of {100 * found.payload:g} % of its mass",
        "damping": f"joints {found.damping:g} times as stiff",
        "gain": f"motors {found.gain:g} times as strong",
    }
    words = [text for name, text in changes.items() if getattr(found, name) != getattr(usual, name)] or ["flat ground"]
    for joint, share in zip(joints, found.strength, strict=True):
        name = joint.removesuffix("_joint")
        words += [f"{name} dead" if share == 0 else f"{name} at {100 * share:g} %"] if share < 1 else []
    return ", ".join(words)
