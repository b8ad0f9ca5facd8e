"""Model-agnostic meta-learning. Finn, Abbeel, Levine (2017), "Model-Agnostic Meta-Learning for Fast Adaptation".

    theta_i = theta - alpha grad L(theta; support_i), repeated                 (eq. 1)
    min over theta of sum_i L(theta_i; query_i)                                (algorithm 2)

The meta-gradient is exact (second order) unless ``gradient=first-order`` (section 5.2). With ``step_losses`` the
query loss is averaged over all inner steps instead of taken after the last, so that a learner trained with few steps is
not spoilt by more of them at test (Antoniou, Edwards, Storkey 2019, "How to Train Your MAML", eq. 3 with equal
weights throughout). So that any way can be met at test, the rows of the output layer start from one shared learned
vector (Ye and Chao 2022, "How to Train Your MAML to Excel in Few-Shot Classification", UNICORN-MAML);
``head=learned`` is the original, which knows one way only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from quickstudy import nets
from quickstudy.errors import UserError
from quickstudy.inner import sgd, trajectory
from quickstudy.inner.unroll import Kind
from quickstudy.learners.base import (
    Adapted,
    Learner,
    Logits,
    Point,
    Prediction,
    Traits,
    check_inner,
    only_present,
    present,
    run_net,
)
from quickstudy.tasks.base import Examples, Spec, Task, WholeTasks, masked_mean


@dataclass(frozen=True, kw_only=True)
class MAMLConfig(nets.NetConfig):
    """MAML."""

    inner_steps: int = 0
    """Gradient steps in adapt; 0 is 3 for classification and 1 for regression."""
    inner_rate: float = 0.0
    """Rate of those steps; 0 is 0.2 for classification and 0.01 for regression."""
    step_losses: bool = False
    """Train on the query loss after every inner step, not after the last alone."""
    gradient: Kind = "exact"
    """Meta-gradient: exact, the same in little memory (mixed, recomputed), or with inner gradients held constant."""
    head: Literal["shared", "zero", "learned"] = "shared"
    """Start of the output layer: one learned vector for all classes, zeros, or one a class (needs --max-way)."""
    max_way: int = 5
    """Classes of head=learned."""
    transductive: bool = False
    """Normalise queries with their own moments, as the published numbers do (norm=task only)."""


class MAML(Learner):
    """A start from which a few gradient steps on the support are enough."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), gradient=True, transductive=True)
    Config: ClassVar[type[Any]] = MAMLConfig

    def __init__(self, spec: Spec, config: MAMLConfig) -> None:
        super().__init__(spec, config)
        check_inner(config.inner_steps, config.inner_rate)
        self.net = nets.build(config, spec.shape, norm="task")
        self.transductive = nets.transductive(self.net, config.transductive)
        self.classifies = spec.kind == "classification"
        self.steps = config.inner_steps or (3 if self.classifies else 1)
        self.rate = config.inner_rate or (0.2 if self.classifies else 0.01)
        self.rows = spec.outputs if not self.classifies else (config.max_way if config.head == "learned" else 1)
        self.weight = nn.Parameter(self._first_weights(), requires_grad=config.head != "zero")
        self.bias = nn.Parameter(torch.zeros(self.rows), requires_grad=config.head != "zero")

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        for weights in self._descent(support, self.steps if steps is None else steps):
            last = weights
        return self._adapted(last, support)

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        moments = None if self.transductive else adapted
        return self._forward(adapted, adapted["present"], x, mask, moments)

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: the query loss after the last inner step, or with ``step_losses`` its mean over all of them."""
        if not self.config.step_losses:
            return super().loss(task, progress)
        start, *after = self._descent(task.support, self.steps)
        losses = []
        for weights in after or [start]:
            prediction = self.predict(self._adapted(weights, task.support), task.query.x, task.query.mask)
            losses.append(masked_mean(prediction.nll(task.query.y), task.query.mask))
        return torch.stack(losses).mean()

    def prepare(self, tasks: WholeTasks) -> None:
        self.net.prepare(len(tasks), lambda number: tasks[number].x)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        if spec.kind == "regression":
            return {"shot": 5, "query": 10, "tasks_per_step": 25, "steps": 20_000}
        return {"way": 5, "query": 5, "tasks_per_step": 8, "steps": 4000}

    def _first_weights(self) -> Tensor:
        if self.config.head == "zero" and self.classifies:
            return torch.zeros(self.rows, self.net.features)
        bound = 1 / math.sqrt(self.net.features)
        return torch.empty(self.rows, self.net.features).uniform_(-bound, bound)

    def _start(self, rows: int) -> Adapted:
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if self.classifies and self.config.head == "learned" and rows != self.rows:
            raise UserError(
                f"this MAML was trained with head=learned for {self.rows} classes and met {rows}. Train it with "
                f"--head shared, or use protonet, to meet any number."
            )
        if self.rows != rows:
            weight, bias = weight.expand(rows, -1), bias.expand(rows)
        named: Adapted = {f"net.{name}": value for name, value in self.net.named_parameters()}
        return named | {"head.weight": weight, "head.bias": bias}

    def _descent(self, support: Examples, steps: int) -> Iterator[Adapted]:
        """The weights after 0, 1, ..., ``steps`` inner steps; after 0 alone where the support is empty."""
        start = self._start(support.y.shape[-1])
        yield start
        if len(support.x):
            given = support, self._present(support)
            for weights, _ in trajectory(self._support_loss, start, sgd(self.rate), steps, self.config.gradient, given):
                yield weights

    def _support_loss(self, weights: Adapted, given: tuple[Examples, Tensor]) -> Tensor:
        support, here = given
        prediction = self._forward(weights, here, support.x, support.mask, None)
        return masked_mean(prediction.nll(support.y), support.mask)

    def _adapted(self, weights: Adapted, support: Examples) -> Adapted:
        return weights | {"present": self._present(support)} | self._moments(weights, support)

    def _present(self, support: Examples) -> Tensor:
        return present(support) if self.classifies else support.mask.new_ones(self.spec.outputs)

    def _forward(
        self, weights: Adapted, here: Tensor, x: Tensor, mask: Tensor, moments: Adapted | None
    ) -> Logits | Point:
        features, _ = run_net(self.net, weights, x, mask, moments)
        out = features @ weights["head.weight"].T + weights["head.bias"]
        return Logits(only_present(out, here)) if self.classifies else Point(out)

    def _moments(self, weights: Adapted, support: Examples) -> Adapted:
        """Those of the final weights: the last inner step saw the weights before it."""
        return run_net(self.net, weights, support.x, support.mask, None)[1] if self.net.keeps_moments else {}
