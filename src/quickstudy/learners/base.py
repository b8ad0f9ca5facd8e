"""The learner protocol: adapt to a support set, predict with what came out, and a loss to be trained by.

``adapt``, ``predict`` and ``loss`` are written for one task; ``inner/batch.py`` maps them over tasks. What adaptation
finds is a value, never an attribute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.tasks.base import Examples, Form, Kind, Spec, Task, WholeTasks, masked_mean

Adapted = dict[str, Tensor]
"""Flat, so that users' states stack key by key and safetensors saves them as they are."""


class Logits(NamedTuple):
    """Classification."""

    logits: Tensor
    """[n, way]."""

    def nll(self, y: Tensor) -> Tensor:
        """Cross-entropy [n] against one-hot ``y`` [n, way]."""
        return -(F.log_softmax(self.logits, -1) * y).sum(-1)


class Point(NamedTuple):
    """Regression without an uncertainty."""

    mean: Tensor
    """[n, d]."""

    def nll(self, y: Tensor) -> Tensor:
        """Squared error [n], averaged over d: a Gaussian's negative log-likelihood up to scale and constant."""
        return (self.mean - y).square().mean(-1)


class Gaussian(NamedTuple):
    """Regression with an uncertainty."""

    mean: Tensor
    """[n, d]."""
    std: Tensor
    """[n, d], positive."""

    def nll(self, y: Tensor) -> Tensor:
        """Negative log-likelihood [n], summed over d."""
        each = 0.5 * ((y - self.mean) / self.std).square() + self.std.log() + 0.5 * math.log(2 * math.pi)
        return each.sum(-1)


Prediction = Logits | Point | Gaussian


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a learner can do; the registry's tests, the trainer and the command line read it."""

    kinds: tuple[Kind, ...]
    forms: tuple[Form, ...] | None = None
    """Forms of input that it is made for; None takes any."""
    orders: bool = False
    """Its numbers say what comes before what, and nothing else."""
    gradient: bool = False
    """``adapt`` takes gradient steps, so it has a number of steps and meta-gradients are taken a task at a time."""
    pretrains: bool = False
    """``loss`` takes no gradient steps although ``adapt`` does: meta-gradients are taken over all tasks at once."""
    transductive: bool = False
    """``transductive=True`` means something: predictions may then use the other queries of the task."""
    joint: bool = False
    """It means that ``predict`` answers all queries together, whatever the normalisation; otherwise it is the moments
    that are taken over them, which needs norm=task."""
    equivariant: bool = True
    """Permuting the labels of the support permutes the predictions in the same way."""

    def takes(self, spec: Spec) -> bool:
        """Whether there can be such a learner for tasks of ``spec``."""
        return spec.kind in self.kinds and (self.forms is None or spec.form in self.forms)

    @property
    def gradient_in_loss(self) -> bool:
        """Whether ``loss`` takes gradients, so that its own has to be taken inside (``batch.meta_gradient``)."""
        return self.gradient and not self.pretrains


class Learner(nn.Module):
    """Base of every learner. ``Config`` is a frozen dataclass; ``recipe`` holds its own training defaults."""

    traits: ClassVar[Traits]
    Config: ClassVar[type[Any]]
    transductive: bool = False

    def __init__(self, spec: Spec, config: Any) -> None:
        super().__init__()
        self.spec, self.config = spec, config

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """What the support of one task says; ``steps`` overrides the number of inner steps where there are any."""
        raise NotImplementedError

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        """Predictions for ``x`` [n, ...]; a row's answer depends on no other row unless transductive."""
        raise NotImplementedError

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar to be minimised over tasks; ``progress`` runs from 0 to 1 over the training."""
        prediction = self.predict(self.adapt(task.support), task.query.x, task.query.mask)
        return masked_mean(prediction.nll(task.query.y), task.query.mask)

    def forward(self, task: Task, progress: float) -> Tensor:
        """``loss``, callable through ``torch.func.functional_call``."""
        return self.loss(task, progress)

    def prepare(self, tasks: WholeTasks) -> None:
        """Fill buffers with what is learnt from training tasks without gradients; nothing by default.

        It is called before the first meta-step, before each validation, and before the weights are saved.
        """

    @property
    def learns(self) -> bool:
        """Whether training finds anything: weights, or what ``prepare`` puts into buffers."""
        return any(True for _ in self.parameters()) or any(True for _ in self.buffers())

    def lean(self) -> Learner:
        """A learner that answers as this one does, without what only its training needs."""
        return self

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """This learner's defaults for fields of TrainConfig, for families like ``spec``."""
        return {}


def check_inner(steps: int, rate: float) -> None:
    """UserError unless there can be so many inner steps of that rate; 0 stands for a learner's own default."""
    if steps < 0:
        raise UserError(f"--inner-steps is {steps}; it must be 0 (the learner's default) or more.")
    if not 0 <= rate < math.inf:
        raise UserError(f"--inner-rate is {rate}; it must be 0 (the learner's default) or more.")


def check_positive(**values: float) -> None:
    """UserError unless every setting is a finite number above 0."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise UserError(f"--{name.replace('_', '-')} is {value}; it must be more than 0.")


def present(support: Examples) -> Tensor:
    """[way] bool: the classes that have an example in the support."""
    return (support.y * support.mask.unsqueeze(-1)).sum(0) > 0


def only_present(logits: Tensor, present: Tensor) -> Tensor:
    """``logits`` [n, way] with the classes that have no support out of the running, without infinities."""
    return torch.where(present, logits, torch.finfo(logits.dtype).min)


def run_net(
    net: nn.Module, weights: Adapted, x: Tensor, mask: Tensor, moments: Adapted | None
) -> tuple[Tensor, Adapted]:
    """Features [n, f] and moments of the backbone ``net`` with those of ``weights`` that are called ``net.``."""
    own = {name.removeprefix("net."): value for name, value in weights.items() if name.startswith("net.")}
    features, found = functional_call(net, own, (x, mask, moments))
    return features, found


def class_labels(task: Task) -> Tensor:
    """[n_support + n_query] int64: the training class of every example, support first."""
    one_hot = torch.cat([task.support.y, task.query.y])
    return (one_hot @ task.classes.to(one_hot.dtype)).round().long()


def class_means(features: Tensor, support: Examples) -> Tensor:
    """[way, f] mean feature of each class; zeros for a class without support."""
    weights = support.y * support.mask.unsqueeze(-1)
    return weights.T @ features / weights.sum(0).clamp(min=1).unsqueeze(-1)


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """[n, f], [m, f] -> [n, m]; by matmul, for ``torch.cdist`` has no second derivative."""
    return a.square().sum(-1, keepdim=True) - 2 * a @ b.T + b.square().sum(-1)
