"""A few test lifts, then the grip: how a learner of ``grips`` handles objects.

The first test lift has the usual force. Each further one goes where there is more to learn: below the belief, so that
it slips and tells friction, while at least as many lifts have held as slipped; else above it, so that it holds and
tells weight. The grip is the force believed to be needed and a margin of so many standard deviations, or doublings
where a learner tells none; how many, validation objects settle (``settle``).

    log2 F = mean + margin * std
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from quickstudy.inner import batch
from quickstudy.learners.base import Gaussian, Learner, Prediction
from quickstudy.sim.gripper import CRUSHED, DROPPED, GRAVITY, SHAKING, Gripper
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples
from quickstudy.tasks.robots import grips_rows
from quickstudy.tasks.robots.grips_rows import SLIPPED, UNIT, Sensed, doublings, newtons

MOST = 4
"""Test lifts before the grip."""
GAP = float(np.log2(1 + SHAKING / GRAVITY))
"""Doublings between what a lift and what the shaking needs."""
LEAP = 1.5
"""Doublings that a test lift goes further at least, until one has slipped and one has held."""
UNSURE = 0.3
"""Doublings by which test lifts go further where a learner does not say how sure it is."""
ENOUGH = 0.99
"""Share of validation objects that a margin has to hold without crushing them; where none does, the most that one
does."""
MARGINS_FILE = "margins.json"
"""In a run's folder: the margin after each number of lifts."""
MARGINS = torch.arange(0, 4.01, 0.05)


class Belief(NamedTuple):
    """Of the force needed, in doublings, each [N]."""

    mean: Tensor
    std: Tensor
    """NaN where the learner tells none."""


class Tries(NamedTuple):
    """What N objects let a learner find out."""

    lifts: Examples
    """[N, K, 2] rows of the test lifts."""
    beliefs: tuple[Belief, ...]
    """Before any lift, and after each."""

    @property
    def forces(self) -> Tensor:
        """[N, K] N, of the test lifts."""
        return newtons(self.lifts.x[..., 1])


def explore(learner: Learner, gripper: Gripper, key: Tensor, most: int = MOST) -> Tries:
    """``most`` test lifts of every object of ``gripper``; sensors' noise is hashed from ``key`` [N]."""
    *_, last = trying(learner, gripper, key, most)
    return last


def trying(learner: Learner, gripper: Gripper, key: Tensor, most: int = MOST) -> Iterator[Tries]:
    """The same, before the first lift and after each."""
    empty = torch.zeros(len(key), 0, 2)
    lifts = Examples(empty, empty, torch.zeros(len(key), 0, dtype=torch.bool))
    beliefs: tuple[Belief, ...] = (believe(learner, lifts),)
    yield Tries(lifts, beliefs)
    for number in range(most):
        force = next_force(lifts, beliefs[-1])
        felt = gripper.lift(force.double().numpy()[:, None])
        told = noisy(Sensed(*(torch.from_numpy(leaf).float() for leaf in felt)), key, number)
        x, y = grips_rows.lifts(force.unsqueeze(-1), told)
        there = torch.ones(len(key), 1, dtype=torch.bool)
        lifts = Examples(*(torch.cat(pair, 1) for pair in zip(lifts, (x, y, there), strict=True)))
        beliefs = (*beliefs, believe(learner, lifts))
        yield Tries(lifts, beliefs)


def noisy(felt: Sensed, key: Tensor, number: int) -> Sensed:
    """As the sensors tell the try of that number."""
    return grips_rows.noisy(felt, key, f"lift {number}")


@torch.no_grad()
def believe(learner: Learner, lifts: Examples) -> Belief:
    """After ``lifts``; the question is asked at the force of the last."""
    count, tried = lifts.mask.shape
    asked = lifts.x[:, -1:, 1] if tried else torch.zeros(count, 1)
    x = torch.stack([torch.ones_like(asked), asked], -1)
    mask = torch.ones(count, 1, dtype=torch.bool)
    found = batch.map_tasks(answer, learner.eval(), (lifts, x, mask), batch.usual(learner))
    mean = found[0][:, 0, 1] + asked[:, 0]
    std = found.std[:, 0, 1] if isinstance(found, Gaussian) else torch.full_like(mean, torch.nan)
    return Belief(mean, std)


def answer(learner: Learner, lifts: Examples, x: Tensor, mask: Tensor) -> Prediction:
    """Of one object."""
    return learner.predict(learner.adapt(lifts), x, mask)


def next_force(lifts: Examples, belief: Belief) -> Tensor:
    """[N] N, of the next test lift."""
    if not lifts.mask.shape[1]:
        return torch.full_like(belief.mean, UNIT)
    slipped = lifts.y[..., 1] > SLIPPED
    force, unsure = lifts.x[..., 1], torch.where(belief.std.isnan(), UNSURE, belief.std)
    weakest_held = torch.where(slipped, torch.inf, force).amin(-1)
    strongest_slipped = torch.where(slipped, force, -torch.inf).amax(-1)
    step = torch.where(slipped.any(-1) & ~slipped.all(-1), GAP / 2, LEAP)
    lower = torch.minimum(belief.mean - GAP - unsure, weakest_held - step)
    higher = torch.maximum(belief.mean + unsure, strongest_slipped + step)
    fewer = slipped.sum(-1) <= (~slipped).sum(-1)
    return newtons(torch.where(fewer, lower, higher))


def grip(belief: Belief, margin: float | Tensor) -> Tensor:
    """[N] N: the force that is chosen."""
    return newtons(belief.mean + margin * torch.where(belief.std.isnan(), 1.0, belief.std))


def settle(tries: Tries, need: Tensor) -> list[float]:
    """The margin after each number of lifts, from objects whose ``need`` [N], in N, is known: the least with which
    enough succeed."""
    found = []
    for belief in tries.beliefs:
        force = torch.stack([grip(belief, float(margin)) for margin in MARGINS])
        share = succeeds(force, need).double().mean(-1)
        least = (share >= share.max().clamp(max=ENOUGH) - 1e-9).nonzero()[0, 0]
        found.append(round(float(MARGINS[least]), 2))
    return found


def succeeds(force: Tensor, need: Tensor) -> Tensor:
    """Whether a ``force`` neither drops nor crushes an object."""
    return (force >= need) & (force <= CRUSHED * need)


def shaken(gripper: Gripper, force: Tensor) -> Tensor:
    """[N] bool: whether each object is still there after the shaking with ``force`` [N]."""
    return torch.from_numpy(gripper.shake(force.double().numpy()) <= DROPPED)


def keys(count: int, seed: int) -> Tensor:
    """[count] of the sensors' noise of so many objects."""
    return draw.keys(torch.arange(count), "grip", seed)


def error(belief: Belief, need: Tensor) -> Tensor:
    """[N] how far the belief is from ``need``, in doublings, either way."""
    return (belief.mean - doublings(need)).abs()
