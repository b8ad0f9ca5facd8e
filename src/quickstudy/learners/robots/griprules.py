"""Rules for how hard to grip, which models of objects have to beat; what they say is a force, whatever is asked.

    maxgrip      the strongest force that there is
    fixedgrip    argmax over F of the share of training objects with need <= F <= 2.5 need
    reactivegrip 1.5 times the weakest force that held in a test lift; twice the strongest tried, where all slipped

2.5 times the force needed is where an object counts as crushed. The first two are baselines. The third is what people
do: a margin above the force at which it slips, and more after a slip (Johansson and Westling 1984, "Roles of Glabrous
Skin Receptors and Sensorimotor Memory in Automatic Control of Precision Grip When Lifting Rougher or More Slippery
Objects").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Learner, Point, Traits
from quickstudy.sim.gripper import CRUSHED, STRONGEST
from quickstudy.tasks.base import Examples, Spec, WholeTasks
from quickstudy.tasks.robots.grips_rows import SLIPPED, doublings

MARGIN = math.log2(1.5)
"""Doublings above a force that held: the shaking asks for more than a lift does."""


@dataclass(frozen=True, kw_only=True)
class GripRuleConfig:
    """A rule for grips."""


class GripRule(Learner):
    """Base of the rules; each says in ``adapt`` which force it takes."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",), forms=("lifts",))
    Config: ClassVar[type[Any]] = GripRuleConfig

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        """[n, 2]: of a weight nothing is known; the force, relative to that of the question."""
        return Point(torch.stack([torch.zeros_like(x[..., 1]), adapted["force"] - x[..., 1]], -1))


class MaxGrip(GripRule):
    """As hard as it goes."""

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``force`` []: in doublings."""
        return {"force": doublings(support.y.new_tensor(STRONGEST))}


class FixedGrip(GripRule):
    """The one force that suits most training objects."""

    def __init__(self, spec: Spec, config: GripRuleConfig) -> None:
        super().__init__(spec, config)
        self.register_buffer("force", torch.zeros(()))

    def prepare(self, tasks: WholeTasks) -> None:
        """Each need is a candidate: the share of objects changes there alone."""
        need = torch.stack([needed(task) for task in tasks])
        fits = (need <= need[:, None] + 1e-6) & (need[:, None] <= need + math.log2(CRUSHED))
        self.get_buffer("force").copy_(need[fits.sum(-1).argmax()])

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``force`` []: in doublings."""
        return {"force": self.get_buffer("force").clone()}


class ReactiveGrip(GripRule):
    """Tighten where it slips."""

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``force`` []: in doublings; 0, the usual first one, without any lift."""
        force, slipped = support.x[..., 1], support.y[..., 1] > SLIPPED
        none = torch.zeros_like(force)
        held = torch.where(support.mask & ~slipped, force, torch.inf)
        tried = torch.where(support.mask, force, none - torch.inf)
        weakest = torch.cat([held, held.new_full((1,), torch.inf)]).amin()
        strongest = torch.cat([tried, tried.new_full((1,), -torch.inf)]).amax()
        up = torch.where(weakest.isinf(), strongest + 1, weakest + MARGIN)
        return {"force": torch.where(up.isinf(), torch.zeros_like(up), up)}


def needed(task: Examples) -> Tensor:
    """[] doublings: the force that a whole task's object needs."""
    asked = task.x[:, 0] > 0.5
    return (task.x[asked, 1] + task.y[asked, 1]).mean()
