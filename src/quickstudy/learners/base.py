"""The learner protocol: adapt to a support set, predict with what came out, and a loss to be trained by.

``adapt``, ``predict`` and ``loss`` are written for one task; ``inner/batch.py`` maps them over tasks. What adaptation
finds is a value, never an attribute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.tasks.base import Examples, Kind, Spec, Task, masked_mean

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
        return -torch.distributions.Normal(self.mean, self.std, validate_args=False).log_prob(y).sum(-1)


Prediction = Logits | Point | Gaussian


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a learner can do; the registry's tests, the trainer and the command line read it."""

    kinds: tuple[Kind, ...]
    gradient: bool = False
    """``adapt`` takes gradient steps, so it has a number of steps and meta-gradients are taken a task at a time."""
    transductive: bool = False
    """``transductive=True`` means something: predictions may then use the other queries of the task."""
    equivariant: bool = True
    """Permuting the labels of the support permutes the predictions in the same way."""


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

    def prepare(self, tasks: Iterable[Examples]) -> None:
        """Fill buffers with what is learnt from training tasks without gradients; nothing by default."""

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """This learner's defaults for fields of TrainConfig, for families like ``spec``."""
        return {}


def present(support: Examples) -> Tensor:
    """[way] bool: the classes that have an example in the support."""
    return (support.y * support.mask.unsqueeze(-1)).sum(0) > 0


def only_present(logits: Tensor, present: Tensor) -> Tensor:
    """``logits`` [n, way] with the classes that have no support out of the running, without infinities."""
    return torch.where(present, logits, torch.finfo(logits.dtype).min)


def class_means(features: Tensor, support: Examples) -> Tensor:
    """[way, f] mean feature of each class; zeros for a class without support."""
    weights = support.y * support.mask.unsqueeze(-1)
    return weights.T @ features / weights.sum(0).clamp(min=1).unsqueeze(-1)


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """[n, f], [m, f] -> [n, m]; by matmul, for ``torch.cdist`` has no second derivative."""
    return a.square().sum(-1, keepdim=True) - 2 * a @ b.T + b.square().sum(-1)
