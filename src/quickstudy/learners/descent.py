"""What learners share that take gradient steps on the support: a net, an output layer that meets any way, the steps.

    theta_i = theta - alpha grad L(theta; support_i), repeated                 (Finn et al. 2017, eq. 1)

So that any way can be met at test, the rows of the output layer start from one shared learned vector (Ye and Chao 2022,
"How to Train Your MAML to Excel in Few-Shot Classification", UNICORN-MAML); ``head=learned`` is the original, which
knows its classes by number. A learner of this kind says which weights move, by which rule, and from where.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from quickstudy import nets
from quickstudy.errors import UserError
from quickstudy.inner import Gradient, Rule, sgd, trajectory
from quickstudy.inner.unroll import Kind
from quickstudy.learners.base import (
    Adapted,
    Learner,
    Logits,
    Point,
    Prediction,
    check_inner,
    only_present,
    present,
    run_net,
)
from quickstudy.nets.norm import NormKind
from quickstudy.tasks.base import Examples, Spec, Task, WholeTasks, masked_mean

Head = Literal["shared", "zero", "learned"]
COLOURS = 3
"""Channels of a picture in colour."""


@dataclass(frozen=True, kw_only=True)
class DescentConfig(nets.NetConfig):
    """A learner that takes gradient steps."""

    inner_steps: int = 0
    """Gradient steps in adapt; 0 is the learner's default."""
    inner_rate: float = 0.0
    """Rate of those steps; 0 is the learner's default."""
    transductive: bool = False
    """Normalise queries with their own moments, as the published numbers do (norm=task only)."""


@dataclass(frozen=True, kw_only=True)
class MetaConfig(DescentConfig):
    """A learner that differentiates through its steps."""

    gradient: Kind = "exact"
    """Meta-gradient: exact, the same in little memory (mixed, recomputed), or with inner gradients held constant."""


class Descent(Learner):
    """Base of the learners that take gradient steps."""

    default_steps: tuple[int, int] = (2, 1)
    """Of classification and regression."""
    default_rate: tuple[float, float] = (0.4, 0.01)
    colour_rate: float | None = None
    """Of pictures in colour, where that is another one: a step that suits strokes is too long for photographs."""
    default_norm: NormKind = "group"

    def __init__(
        self, spec: Spec, config: DescentConfig, gradient: Gradient, head: Head | None = "shared", max_way: int = 1
    ) -> None:
        check_inner(config.inner_steps, config.inner_rate)
        regresses = spec.kind == "regression"
        shape = self._shape(spec)
        steps = config.inner_steps or self.default_steps[regresses]
        usual = self.colour_rate if len(spec.shape) == 3 and spec.shape[0] == COLOURS else None
        rate = config.inner_rate or usual or self.default_rate[regresses]
        config = replace(nets.settled(config, shape, self.default_norm), inner_steps=steps, inner_rate=rate)
        super().__init__(spec, config)
        self.net = nets.build(config, shape)
        self.transductive = nets.transductive(self.net, config.transductive)
        self.classifies, self.steps, self.rate = not regresses, steps, rate
        self.gradient, self.head = gradient, head
        self.rows = spec.outputs if not self.classifies else (max_way if head == "learned" else 1)
        if head is not None:  # otherwise the support makes one
            self.weight = nn.Parameter(self._first_weights(), requires_grad=head != "zero")
            self.bias = nn.Parameter(torch.zeros(self.rows), requires_grad=head != "zero")

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """All weights after the inner steps (``net.``, ``head.``), the classes present, moments (norm=task).

        In classification those of the step after which the support's loss is lowest: more examples than in training
        can make steps of its rate too long, and such steps undo what the first ones found.
        """
        losses: list[Tensor] = []
        best: tuple[Adapted, Tensor] | None = None
        last: Adapted = {}
        for weights in self._descent(support, self.steps if steps is None else steps, losses=losses):
            if losses and self.classifies:
                best = lower(best, (last, losses[-1]))
            last = weights
        if best is not None:
            prediction = self._forward(last, self._present(support), support.x, support.mask, None)
            last, _ = lower(best, (last, masked_mean(prediction.nll(support.y), support.mask)))
        return self._adapted(last, support)

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: the query's, after all inner steps."""
        *_, last = self._descent(task.support, self.steps)
        return self._query_loss(last, task)

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        """Logits [n, way] or means [n, d] for ``x`` [n, *shape]."""
        moments = None if self.transductive else adapted
        return self._forward(adapted, adapted["present"], x, mask, moments)

    def prepare(self, tasks: WholeTasks) -> None:
        """Fix the moments of norm=batch."""
        self.net.prepare(len(tasks), lambda number: tasks[number].x)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Few tasks of many ways a step: what tells twenty classes apart tells five apart sooner and better."""
        if spec.kind == "regression":
            return {"shot": 5, "query": 10, "tasks_per_step": 25, "steps": 20_000}
        return {"way": min(20, spec.classes or 20), "query": 3, "tasks_per_step": 2, "steps": 15_000}

    def _rule(self, steps: int) -> Rule:
        """How the weights move in so many steps."""
        return sgd(self.rate)

    def _moves(self, name: str) -> bool:
        """Whether the weight ``name`` (``net.``, ``head.``) does."""
        return True

    def _start(self, support: Examples) -> Adapted:
        """All weights before the first step."""
        weight, bias = self._output_layer(support.y.shape[-1])
        return self._named() | {"head.weight": weight, "head.bias": bias}

    def _named(self) -> Adapted:
        """The weights that there are without any support."""
        net: Adapted = {f"net.{name}": value for name, value in self.net.named_parameters()}
        return net if self.head is None else net | {"head.weight": self.weight, "head.bias": self.bias}

    def _output_layer(self, rows: int) -> tuple[Tensor, Tensor]:
        """Weights [rows, f] and biases [rows]."""
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if not self.classifies or self.rows == rows:
            return weight, bias
        if self.head != "learned":
            return weight.expand(rows, -1), bias.expand(rows)
        self._check_way(rows)
        return weight[:rows], bias[:rows]

    def _check_way(self, way: int) -> None:
        if way > self.rows:
            raise UserError(
                f"this learner knows {self.rows} classes by number and met {way}. Train it with --max-way {way}, or "
                f"use protonet, or maml with --head shared, to meet any number."
            )

    def _shape(self, spec: Spec) -> tuple[int, ...]:
        """Of what the net is given."""
        return spec.shape

    def _first_weights(self) -> Tensor:
        if self.head == "zero" and self.classifies:
            return torch.zeros(self.rows, self.net.features)
        bound = 1 / math.sqrt(self.net.features)
        return torch.empty(self.rows, self.net.features).uniform_(-bound, bound)

    def _descent(
        self, support: Examples, steps: int, gradient: Gradient | None = None, losses: list[Tensor] | None = None
    ) -> Iterator[Adapted]:
        """The weights after 0, 1, ..., ``steps`` inner steps; after 0 alone where the support is empty.

        ``gradient`` replaces the learner's own kind. To ``losses`` the support's loss before each step is added.
        """
        start = self._start(support)
        yield start
        if len(support.x):
            moving = {name: value for name, value in start.items() if self._moves(name)}
            still = {name: value for name, value in start.items() if name not in moving}
            given = self._given(start, still, support)
            kind = gradient or self.gradient
            for moved, value in trajectory(self._support_loss, moving, self._rule(steps), steps, kind, given):
                if losses is not None:
                    losses.append(value)
                yield still | moved

    def _given(self, start: Adapted, still: Adapted, support: Examples) -> Any:
        """What the inner loss needs beside the weights that move."""
        return still, support, self._present(support)

    def _support_loss(self, moving: Adapted, given: Any) -> Tensor:
        still, support, here = given
        prediction = self._forward(still | moving, here, support.x, support.mask, None)
        return masked_mean(prediction.nll(support.y), support.mask)

    def _query_loss(self, weights: Adapted, task: Task) -> Tensor:
        """That of ``weights`` as they are after some inner steps on the task's support."""
        prediction = self.predict(self._adapted(weights, task.support), task.query.x, task.query.mask)
        return masked_mean(prediction.nll(task.query.y), task.query.mask)

    def _adapted(self, weights: Adapted, support: Examples) -> Adapted:
        return weights | {"present": self._present(support)} | self._moments(weights, support)

    def _present(self, support: Examples) -> Tensor:
        return present(support) if self.classifies else support.mask.new_ones(self.spec.outputs)

    def _forward(
        self, weights: Adapted, here: Tensor, x: Tensor, mask: Tensor, moments: Adapted | None
    ) -> Logits | Point:
        return self._judge(weights, here, self._features(weights, x, mask, moments)[0])

    def _features(self, weights: Adapted, x: Tensor, mask: Tensor, moments: Adapted | None) -> tuple[Tensor, Adapted]:
        return run_net(self.net, weights, x, mask, moments)

    def _judge(self, weights: Adapted, here: Tensor, features: Tensor) -> Logits | Point:
        out = features @ weights["head.weight"].T + weights["head.bias"]
        return Logits(only_present(out, here)) if self.classifies else Point(out)

    def _moments(self, weights: Adapted, support: Examples) -> Adapted:
        """Those of the final weights: the last inner step saw the weights before it."""
        return self._features(weights, support.x, support.mask, None)[1] if self.net.keeps_moments else {}


def lower(one: tuple[Adapted, Tensor] | None, other: tuple[Adapted, Tensor]) -> tuple[Adapted, Tensor]:
    """Weights and loss of the one whose loss is lower, as a value that autograd and vmap can go through."""
    if one is None:
        return other
    (mine, loss), (theirs, value) = one, other
    return {name: torch.where(value < loss, theirs[name], mine[name]) for name in mine}, torch.minimum(loss, value)


def key(name: str) -> str:
    """The name of a weight without dots, which a ParameterDict does not allow."""
    return name.replace(".", "-")
