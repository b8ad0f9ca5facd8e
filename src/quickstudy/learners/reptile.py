"""Reptile. Nichol, Achiam, Schulman (2018), "On First-Order Meta-Learning Algorithms".

    phi_i = k steps from theta on the loss of task i, each on another small batch of its examples
    theta <- theta + epsilon (phi_i - theta), averaged over tasks                                  (algorithm 1)

theta - phi is the gradient of |theta - phi|^2 / 2 with phi held constant, and that is the training loss, so that the
trainer's optimiser takes the outer step. There is no query in training: all examples of a task are learnt from.

The paper's inner steps are Adam's without momentum, whose state goes on from task to task (section 6.1), and its outer
steps plain ones of a falling size. Here every task begins without a state: its steps are those of SGD, and Adam takes
the outer ones, with which far fewer meta-steps are enough. ``rule=adam`` and ``--optimizer sgd --rate 1`` are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from quickstudy.inner import Rule, adam, sgd, trajectory
from quickstudy.learners.base import Traits
from quickstudy.learners.descent import Descent, DescentConfig
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Spec, Task, check_counts

SALT = draw.salt("reptile")


@dataclass(frozen=True, kw_only=True)
class ReptileConfig(DescentConfig):
    """Reptile."""

    train_steps: int = 5
    """Inner steps of a training task."""
    batch: int = 20
    """Examples in each of them."""
    rule: Literal["adam", "sgd"] = "sgd"
    """Update rule of inner steps."""


class Reptile(Descent):
    """A start near the ends of all training tasks."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), gradient=True, transductive=True)
    Config: ClassVar[type[Any]] = ReptileConfig
    default_steps = (50, 32)
    default_rate = (0.1, 0.02)

    def __init__(self, spec: Spec, config: ReptileConfig) -> None:
        check_counts(**{"train-steps": config.train_steps, "batch": config.batch})
        super().__init__(spec, config, "first-order")

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: half the squared distance from where the task's examples lead."""
        start, end = self._start(task.support), self._end(task)
        # the rows of the output layer share one start, which is to be drawn by their mean
        share = {name: len(start[name]) if name.startswith("head.") and self.classifies else 1 for name in start}
        apart = [(value - end[name]).square().sum() / share[name] for name, value in start.items()]
        return 0.5 * torch.stack(apart).sum()

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Ten examples a class, as in the paper, five tasks a step, and steps twice as long as others take."""
        if spec.kind == "regression":
            return {"shot": 25, "query": 25, "tasks_per_step": 5, "steps": 30_000}
        sizes = {"way": min(20, spec.classes or 20), "shot": 5, "query": 5, "tasks_per_step": 5, "steps": 6000}
        return sizes | {"rate": 0.002}

    def _rule(self, steps: int) -> Rule:
        return adam(self.rate, betas=(0.0, 0.999)) if self.config.rule == "adam" else sgd(self.rate)

    def _end(self, task: Task) -> dict[str, Tensor]:
        """The weights after ``train_steps`` steps on batches of all examples, as constants."""
        examples = Examples(*(torch.cat([one, other]) for one, other in zip(task.support, task.query, strict=True)))
        here, steps, size = self._present(examples), self.config.train_steps, self.config.batch
        rows = _shuffled(task.key, examples.mask)
        turn = torch.arange(steps * size, device=rows.device) % examples.mask.sum().clamp(min=1)
        first = {name: value.detach() for name, value in self._start(examples).items()}

        def given(number: int) -> Any:
            some = rows[turn[number * size : (number + 1) * size]]
            return {}, Examples(*(leaf[some] for leaf in examples)), here

        for weights, _ in trajectory(self._support_loss, first, self._rule(steps), steps, "first-order", given):
            end = weights
        return {name: value.detach() for name, value in end.items()}


def _shuffled(key: Tensor, mask: Tensor) -> Tensor:
    """[n] the numbers of the rows that ``mask`` [n] keeps, in an order hashed from ``key``; then those of padding."""
    chance = draw.mix(key ^ draw.mix(mask.cumsum(0) ^ SALT)) >> 1
    return torch.where(mask, chance, torch.iinfo(torch.int64).max).argsort(stable=True)
