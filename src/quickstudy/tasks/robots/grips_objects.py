"""The objects of the family ``grips``: drawn, tried out once by simulation, and kept.

Of each object there are test lifts with forces all over the gripper's range, one in each of as many equal parts of its
logarithm, and the least force that holds it through the shaking. Objects that the strongest grip does not hold are left
out, and counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from quickstudy.sim.gripper import SHAPES, STRONGEST, WEAKEST, Gripper, Objects, needed
from quickstudy.tasks import draw
from quickstudy.tasks.cached import tensors
from quickstudy.tasks.places import cache_folder, progress
from quickstudy.tasks.robots.grips_rows import Sensed

VERSION = "1"
MASS, FRICTION = (0.06, 1.2), (0.2, 1.0)
"""Of objects inside the range: kg, and a coefficient. The force that is needed spans a factor of 50."""
WIDER_MASS, WIDER_FRICTION = (0.03, 2.4), (0.12, 1.4)
"""Of objects outside it: mass or friction, or both, are in here and not in there."""
COUNTS = {"inside": 800, "outside": 160, "shapes": 160}
LIFTS = 16
"""Test lifts of each object that are kept."""
AT_ONCE = 40


@dataclass(frozen=True)
class Kept:
    """Objects and what happened to them."""

    objects: Objects
    need: Tensor
    """[N] N, the least force that holds the object."""
    force: Tensor
    """[N, L] N, of the test lifts, rising."""
    felt: Sensed
    """[N, L] each, of the test lifts, before noise."""
    names: tuple[str, ...]
    left_out: int
    """Objects that no force could hold."""
    blown: int
    """Tries in which the simulation failed."""


def drawn(which: str, count: int) -> Objects:
    """``count`` objects: always the same, all different."""
    key = draw.keys(torch.arange(64 * count), "grips", which)
    wide = which == "outside"
    (least, most), (slick, rough) = (WIDER_MASS, WIDER_FRICTION) if wide else (MASS, FRICTION)
    mass = draw.uniform(key, 1, "mass", math.log(least), math.log(most)).exp()[:, 0]
    friction = draw.uniform(key, 1, "friction", math.log(slick), math.log(rough)).exp()[:, 0]
    if wide:
        inside = (mass >= MASS[0]) & (mass <= MASS[1]) & (friction >= FRICTION[0]) & (friction <= FRICTION[1])
        mass, friction = mass[~inside], friction[~inside]
    shape = np.zeros(count, np.int64)
    if which == "shapes":
        shape = 1 + np.arange(count) % (len(SHAPES) - 1)
    return Objects(mass[:count].double().numpy(), friction[:count].double().numpy(), shape)


def forces(which: str, count: int) -> Tensor:
    """[count, LIFTS] float64: of the test lifts."""
    key = draw.keys(torch.arange(count), "grips", which, "forces")
    place = (torch.arange(LIFTS) + draw.uniform(key, LIFTS, "force")).double() / LIFTS
    return (math.log(WEAKEST) + math.log(STRONGEST / WEAKEST) * place).exp()


def kept(which: str, make: Callable[[Objects], Gripper], by: str) -> Kept:
    """The objects of ``which`` (inside, outside, shapes), tried out by ``make``'s gripper (``by``), or as kept."""
    count = COUNTS[which]
    objects, force = drawn(which, count), forces(which, count)
    path = cache_folder() / "grips" / f"{which}-{by}.safetensors"
    if by == "formula":
        found = tried(which, objects, force, make)
    else:
        what = f"grips: {count} objects, lifted and shaken once and kept"
        found = tensors(path, what, f"{VERSION} {count}", lambda: tried(which, objects, force, make, what))
    able = found["need"].isfinite()
    return Kept(
        objects=objects.at(able.nonzero()[:, 0].numpy()),
        need=found["need"][able],
        force=force[able].float(),
        felt=Sensed(*(found[name][able] for name in Sensed._fields)),
        names=tuple(f"grips/{which}/{number}" for number in torch.arange(count)[able].tolist()),
        left_out=int((~able).sum()),
        blown=int(found["blown"]),
    )


def tried(
    which: str, objects: Objects, force: Tensor, make: Callable[[Objects], Gripper], what: str = ""
) -> dict[str, Tensor]:
    """By name: the need [N], what lifts felt [N, L] each, float32, and how many tries failed."""
    parts: list[dict[str, np.ndarray]] = []

    def some(begin: int) -> None:
        part = slice(begin, begin + AT_ONCE)
        gripper = make(objects.at(part))
        felt = gripper.lift(force[part].numpy())
        parts.append({"need": needed(gripper), **felt._asdict(), "blown": np.array([gripper.blown])})

    begins = range(0, len(force), AT_ONCE)
    if what:
        with progress(what, len(force)) as advance:
            for begin in begins:
                some(begin)
                advance(min(AT_ONCE, len(force) - begin))
    else:
        for begin in begins:
            some(begin)
    joined = {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in parts[0]}
    return {name: leaf.sum() if name == "blown" else leaf.float() for name, leaf in joined.items()}
