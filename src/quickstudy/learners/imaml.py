"""MAML without a way. Rajeswaran, Finn, Kakade, Levine (2019), "Meta-Learning with Implicit Gradients".

    phi_i = argmin over phi of L(phi; support_i) + lambda / 2 |phi - theta|^2                    (eq. 3)
    d phi_i / d theta = (I + H_i / lambda)^-1, applied by conjugate gradients                    (lemma 1, algorithm 2)
    min over theta of sum_i L(phi_i; query_i)

The meta-gradient is that of the solution, whatever steps led there; it is as good as the steps come near it. They have
momentum, with which a few come as near as many without. A new task takes the step after which its support is told best.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.inner import Gradient, Implicit, Rule, sgd, trajectory, unroll
from quickstudy.learners.base import Adapted, Traits
from quickstudy.learners.descent import Descent, DescentConfig
from quickstudy.tasks.base import Examples, Spec

MOMENTUM = 0.9


@dataclass(frozen=True, kw_only=True)
class IMAMLConfig(DescentConfig):
    """iMAML."""

    proximal: float = 0.5
    """lambda: how strongly a task's weights are held to the start (the paper: 2)."""
    cg_steps: int = 5
    """Steps of conjugate gradients in a meta-gradient."""


class IMAML(Descent):
    """A start to which tasks stay tied; the meta-gradient of where they settle."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), gradient=True, transductive=True)
    Config: ClassVar[type[Any]] = IMAMLConfig
    default_steps = (16, 16)
    default_rate = (0.02, 0.02)

    def __init__(self, spec: Spec, config: IMAMLConfig) -> None:
        # as in the paper, a few iterations and whatever they leave: half of the right-hand side is common
        gradient = Implicit(proximal=config.proximal, iterations=config.cg_steps, tolerance=math.inf)
        super().__init__(spec, config, gradient)

    def _rule(self, steps: int) -> Rule:
        return sgd(self.rate, momentum=MOMENTUM)

    def _descent(
        self, support: Examples, steps: int, gradient: Gradient | None = None, losses: list[Tensor] | None = None
    ) -> Iterator[Adapted]:
        """The start, and where ``steps`` steps towards the solution end; each step where ``losses`` are wanted."""
        start = self._start(support)
        yield start
        if not len(support.x):
            return
        given, rule = self._given(start, {}, support), self._rule(steps)
        if losses is None:
            yield unroll(self._support_loss, start, rule, steps, self.gradient, given)
            return

        def tie(moved: Adapted) -> Tensor:
            apart = [(moved[name] - value).square().sum() for name, value in start.items()]
            return 0.5 * self.config.proximal * torch.stack(apart).sum()

        def tied(moved: Adapted, given: Any) -> Tensor:
            return self._support_loss(moved, given) + tie(moved)

        before = start
        for moved, value in trajectory(tied, start, rule, steps, "first-order", given):
            losses.append(value - tie(before))
            before = moved
            yield moved
