"""What a test lift and a question are as numbers: the rows of the family ``grips``.

    x = [0, log2 F]   y = [log2 load / touch, log2 (1 + slip / mm)]     a test lift with the force F, and what it felt
    x = [1, log2 F]   y = [log2 weight / F, log2 need / F]              the shaking: how much more than F it needs

Forces are in units of ``UNIT``; every y is a ratio, so that an object twice as heavy, gripped twice as hard, gives the
same rows moved along x. An error of 1 is one of a doubling.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.sim.gripper import STRONGEST, WEAKEST
from quickstudy.tasks import draw

UNIT = 4.0
"""N: about the middle of what objects need; also the force of a first test lift."""
NOISE = 0.03
"""Of touch and load, as a share of what is felt."""
LOAD_NOISE = 0.03
"""N, of the load beside it."""
SLIP_NOISE = 0.0003
"""m."""
LEAST = 0.05
"""N: less touch or load than this is not told from none."""
SLIPPED = 2.0
"""The second y of a test lift that slipped: 3 mm."""
NAMES = ("the shaking rather than a test lift", "doublings of the force")


class Sensed(NamedTuple):
    """What lifts feel, with the noise of the sensors, each [...]: N, N, m."""

    touch: Tensor
    load: Tensor
    slip: Tensor


def noisy(felt: Sensed, key: Tensor, stream: str) -> Sensed:
    """``felt`` [..., n] as sensors of tries with ``key`` [...] say it."""
    n = felt.touch.shape[-1]
    e = [draw.normal(key, n, f"{stream} {name}") for name in ("touch", "load", "offset", "slip")]
    touch, load, slip = felt
    return Sensed(touch * (1 + NOISE * e[0]), load * (1 + NOISE * e[1]) + LOAD_NOISE * e[2], slip + SLIP_NOISE * e[3])


def doublings(force: Tensor) -> Tensor:
    """log2 of ``force``, in N, in units of ``UNIT``."""
    return (force / UNIT).log2()


def newtons(doublings: Tensor) -> Tensor:
    """The force that they stand for, as far as the gripper has it."""
    return (UNIT * doublings.exp2()).clamp(WEAKEST, STRONGEST)


def lifts(force: Tensor, felt: Sensed) -> tuple[Tensor, Tensor]:
    """x and y [..., 2] of test lifts with ``force`` [...]."""
    carried = (felt.load.clamp(min=LEAST) / felt.touch.clamp(min=LEAST)).log2()
    slip = (1 + 1000 * felt.slip.clamp(min=0)).log2()
    return torch.stack([torch.zeros_like(force), doublings(force)], -1), torch.stack([carried, slip], -1)


def shakes(force: Tensor, weight: Tensor, need: Tensor) -> tuple[Tensor, Tensor]:
    """x and y [..., 2] of the question asked at ``force`` [...], of objects with ``weight`` and ``need`` in N."""
    y = torch.stack([(weight / force).log2(), (need / force).log2()], -1)
    return torch.stack([torch.ones_like(force), doublings(force)], -1), y
