"""An engineer's estimator of grips: weight and friction from the test lifts, then Coulomb's law, as for contacts with
friction in Murray, Li, Sastry (1994), "A Mathematical Introduction to Robotic Manipulation", chapter 5.

    2 mu  = mean of load / touch over the lifts that slipped, else the largest of any
    m g   = mean of load over the lifts that held, else the largest of any
    need  = m g (1 + a / g) / (2 mu)

Means are of logarithms, for sensors err by a share of what they feel. Where no lift slipped, friction may be larger
than what was seen, and where none held, so may the weight. Before any lift the answer is the middle of the training
objects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Learner, Point, Traits
from quickstudy.learners.robots.griprules import needed
from quickstudy.sim.gripper import GRAVITY, SHAKING
from quickstudy.tasks.base import Examples, Spec, WholeTasks, masked_mean
from quickstudy.tasks.robots.grips_rows import SLIPPED


@dataclass(frozen=True, kw_only=True)
class FrictionGripConfig:
    """Estimator of weight and friction."""


class FrictionGrip(Learner):
    """Two numbers from the lifts, and a formula."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",), forms=("lifts",))
    Config: ClassVar[type[Any]] = FrictionGripConfig

    def __init__(self, spec: Spec, config: FrictionGripConfig) -> None:
        super().__init__(spec, config)
        self.register_buffer("usual", torch.zeros(2))

    def prepare(self, tasks: WholeTasks) -> None:
        """Mean weight and need, in doublings, of the training objects."""
        found = []
        for task in tasks:
            asked = task.x[:, 0] > 0.5
            found.append(torch.stack([(task.x[asked, 1] + task.y[asked, 0]).mean(), needed(task)]))
        self.get_buffer("usual").copy_(torch.stack(found).mean(0))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``known`` [2]: weight and need in doublings of the unit of force."""
        keep = support.mask
        x, y = (torch.where(keep.unsqueeze(-1), leaf, 0) for leaf in (support.x, support.y))
        slipped = keep & (y[:, 1] > SLIPPED)
        ratio, load = y[:, 0], x[:, 1] + y[:, 0]
        friction = best(ratio, slipped, keep)
        weight = best(load, keep & ~slipped, keep)
        found = torch.stack([weight, weight + math.log2(1 + SHAKING / GRAVITY) - friction])
        return {"known": torch.where(keep.any(), found, self.get_buffer("usual").to(found))}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 2], relative to the force of the question."""
        return Point(adapted["known"] - x[:, 1:])


def best(values: Tensor, sure: Tensor, some: Tensor) -> Tensor:
    """[]: mean of the ``sure`` of ``values`` [n]; where none is, the largest of ``some``."""
    low = torch.where(some, values, torch.finfo(values.dtype).min)
    most = torch.cat([low, low.new_full((1,), torch.finfo(values.dtype).min)]).amax()
    return torch.where(sure.any(), masked_mean(values, sure), most)
