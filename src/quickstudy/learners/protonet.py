"""Prototypical Networks. Snell, Swersky, Zemel (2017), "Prototypical Networks for Few-shot Learning".

    c_k = mean of f(x_i) over the support of class k                      (eq. 1)
    p(y = k | x) = softmax_k(-||f(x) - c_k||^2)                           (eq. 2, Euclidean)
    p(y = k | x) = softmax_k(s cos(f(x), c_k)), s learnt                  (cosine)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy import nets
from quickstudy.learners.base import (
    Adapted,
    Learner,
    Logits,
    Traits,
    class_means,
    only_present,
    present,
    squared_distance,
)
from quickstudy.learners.proxies import Proxies
from quickstudy.tasks.base import Examples, Spec, Task, masked_mean


@dataclass(frozen=True, kw_only=True)
class ProtoNetConfig(nets.NetConfig):
    """Prototypical network."""

    distance: Literal["euclidean", "cosine"] = "euclidean"
    """Squared Euclidean distance, or cosine similarity times a learned scale."""
    proxies: bool = False
    """Train with one learned proxy for each training class beside the episodes (see ``proxies.py``); needs cosine."""
    transductive: bool = False
    """Normalise queries with their own moments (norm=task only)."""


class ProtoNet(Learner):
    """A class is the mean of its support's features."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = ProtoNetConfig

    def __init__(self, spec: Spec, config: ProtoNetConfig) -> None:
        super().__init__(spec, config)
        self.net = nets.build(config, spec.shape, norm="batch")
        self.transductive = nets.transductive(self.net, config.transductive)
        self.cosine = config.distance == "cosine"
        if self.cosine:
            self.log_scale = nn.Parameter(torch.tensor(16.0).log())
        self.proxies = Proxies.build(spec, self.net.features, config.distance) if config.proxies else None

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        features, moments = self.net(support.x, support.mask)
        return self._state(features, support) | moments

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        features, _ = self.net(x, mask, None if self.transductive else adapted)
        return self._compare(adapted, features)

    def loss(self, task: Task, progress: float) -> Tensor:
        if self.net.keeps_moments:
            return super().loss(task, progress)
        # support and query in one pass: one large convolution, and one set of batch moments
        both = torch.cat([task.support.x, task.query.x]), torch.cat([task.support.mask, task.query.mask])
        features, _ = self.net(*both)
        if self.proxies is not None:
            return self.proxies(F.normalize(features, dim=-1), task, self.log_scale.exp())
        support, query = features.tensor_split([len(task.support.x)])
        prediction = self._compare(self._state(support, task.support), query)
        return masked_mean(prediction.nll(task.query.y), task.query.mask)

    def prepare(self, tasks: Iterable[Examples]) -> None:
        self.net.prepare((task.x, task.mask) for task in tasks)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        return {"way": 60, "query": 4, "tasks_per_step": 1, "steps": 4000}

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        features = F.normalize(features, dim=-1) if self.cosine else features
        return {"prototypes": class_means(features, support), "present": present(support)}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        prototypes = adapted["prototypes"]
        if self.cosine:
            similarity = F.normalize(features, dim=-1) @ F.normalize(prototypes, dim=-1).T
            logits = self.log_scale.exp() * similarity
        else:
            logits = -squared_distance(features, prototypes)
        return Logits(only_present(logits, adapted["present"]))
