"""Every gait of a library on every ground, once: a table that episodes are read from.

The library is looked for on the intact body, on grounds of the trained ranges that are no task. Each search leaves one
joint still, or none, so that there are fast gaits that do without it (as in Cully et al. 2015, "Robots that can adapt
like animals", where behaviours differ by how much each leg is used). The best of each search, and gaits on the way
there, are kept, and some gaits are random.

What the cross-entropy method finds on each ground that may be held out, in as many tries as it is given, is in the
table as well: it is what trial and error is measured by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from quickstudy.sim.bodies import Body, Condition
from quickstudy.sim.cem import search
from quickstudy.sim.gaits import Array
from quickstudy.sim.strides import Ground
from quickstudy.tasks.cached import fingerprint, tensors, version
from quickstudy.tasks.places import cache_folder, progress
from quickstudy.tasks.robots.conditions import Conditions, conditions, for_search

VERSION = "1"
EACH = 20
"""Tries of the cross-entropy method at a time."""
RANDOM = 0.1
"""Share of the library that is random."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is simulated."""

    gaits: int
    """In the library."""
    searches: int
    """Searches for each joint that is left still, and with none."""
    tries: int
    """Of each of these searches."""
    intact: int
    damaged: int
    """For each joint."""
    outside: int
    """For each of friction, slope and payload."""
    mixed: int
    """For each joint."""
    cem: int = 500
    """Tries of the cross-entropy method on each ground that may be held out."""


SIZES = {
    "cheetah": Size(gaits=1680, searches=8, tries=1000, intact=100, damaged=16, outside=12, mixed=8),
    "ant": Size(gaits=720, searches=4, tries=600, intact=60, damaged=6, outside=8, mixed=3),
    "go1": Size(gaits=160, searches=1, tries=100, intact=24, damaged=2, outside=3, mixed=1, cem=200),
}
SMALL = Size(gaits=48, searches=1, tries=100, intact=14, damaged=3, outside=2, mixed=1, cem=100)
"""Seconds of simulation, to try things out."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Outcomes of every gait on every ground."""

    gaits: Tensor
    """[G, numbers]."""
    outcomes: Tensor
    """[C, G, outcomes] in the body's units."""
    fell: Tensor
    """[C, G] bool."""
    cem: Tensor
    """[C, tries] best speed after each try of the cross-entropy method; NaN for grounds that are never held out."""
    blew_up: int
    """Simulations that ended in numbers that are none; each counts as a fall."""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.outcomes, self.gaits)

    @property
    def best(self) -> Tensor:
        """[C] the fastest stride known on each ground, in metres a second."""
        return torch.maximum(self.outcomes[..., 0].amax(1), self.cem[:, -1].nan_to_num(-torch.inf))


def all_conditions(joints: int, size: Size) -> Conditions:
    """The grounds of a table."""
    return conditions(joints, intact=size.intact, damaged=size.damaged, outside=size.outside, mixed=size.mixed)


def table(body: Body, grounds: Conditions, size: Size, small: bool) -> Table:
    """From the cache, or simulated."""
    known = version(VERSION, str(asdict(size)), str(grounds), str(body.gait), str(body.stamp))
    path = cache_folder() / "strides" / f"{body.name}{'-small' * small}.safetensors"
    found = tensors(path, f"strides of the {body.name}", known, lambda: simulated(body, grounds, size))
    return Table(
        gaits=found["gaits"],
        outcomes=found["outcomes"],
        fell=found["fell"],
        cem=found["cem"],
        blew_up=int(found["blew_up"]),
    )


def simulated(body: Body, grounds: Conditions, size: Size) -> dict[str, Tensor]:
    """The tensors of a table, by minutes of simulation."""
    total = len(grounds.all) + (len(body.joints) + 1) * size.searches
    with progress(f"simulating strides of the {body.name}, once; for a body of many joints it takes long", total) as on:
        gaits = library(body, size, on)
        outcomes, fell, cem, blew_up = [], [], [], 0
        for number, condition in enumerate(grounds.all):
            ground = Ground(body, condition)
            felt = ground.walk(gaits)
            outcomes.append(torch.from_numpy(felt.values).float())
            fell.append(torch.from_numpy(felt.fell))
            blew_up += felt.blew_up
            asked = grounds.kind[number] != "intact"
            cem.append(best_so_far(ground, size.cem, number) if asked else torch.full((size.cem,), torch.nan))
            on(1)
    return {
        "gaits": torch.from_numpy(gaits).float(),
        "outcomes": torch.stack(outcomes),
        "fell": torch.stack(fell),
        "cem": torch.stack(cem),
        "blew_up": torch.tensor(blew_up),
    }


def best_so_far(ground: Ground, tries: int, seed: int) -> Tensor:
    """[tries] best speed after each try of the cross-entropy method."""
    count = len(ground.body.gait.names)
    tried = search(lambda gaits: ground.walk(gaits).values[:, 0], count, tries=tries, each=EACH, seed=seed)
    return torch.from_numpy(np.maximum.accumulate(tried.worth)).float()


def library(body: Body, size: Size, advance: Callable[[int], None]) -> Array:
    """[G, numbers] float32 exactly."""
    count, joints = len(body.gait.names), len(body.joints)
    still = [None, *range(joints)]
    drawn = for_search(joints, len(still) * size.searches)
    random = round(RANDOM * size.gaits)
    each = -(-(size.gaits - random) // len(drawn))
    kept = []
    for number, condition in enumerate(drawn):
        kept.append(searched(body, condition, still[number % len(still)], size.tries, each, number))
        advance(1)
    rng = np.random.default_rng(0)
    found = np.concatenate([*kept, rng.uniform(-1, 1, (size.gaits, count))])[: size.gaits - random]
    return np.concatenate([found, rng.uniform(-1, 1, (random, count))]).astype(np.float32).astype(float)


def searched(body: Body, condition: Condition, still: int | None, tries: int, keep: int, seed: int) -> Array:
    """[keep, numbers] of one search: the best fifth of what is kept, and the others from all its course."""
    only = np.ones(len(body.gait.names)) if still is None else body.gait.without(still)
    ground = Ground(body, condition)
    found = search(
        lambda gaits: ground.walk(gaits).values[:, 0], len(only), tries=tries, each=EACH, seed=seed, only=only
    )
    order = np.argsort(-found.worth, kind="stable")
    best = max(keep // 5, 1)
    places: Sequence[int] = np.linspace(best, len(order) - 1, keep - best).astype(int).tolist()
    chosen: Array = found.x[order[[*range(best), *places]]]
    return chosen
