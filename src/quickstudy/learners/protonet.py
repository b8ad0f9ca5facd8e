"""Prototypical Networks. Snell, Swersky, Zemel (2017), "Prototypical Networks for Few-shot Learning".

    c_k = mean of f(x_i) over the support of class k                      (eq. 1)
    p(y = k | x) = softmax_k(-||f(x) - c_k||^2)                           (eq. 2, Euclidean)
    p(y = k | x) = softmax_k(s cos(f(x), c_k)), s learnt                  (cosine)

f is the backbone; a class without support is out of the running.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Logits, Traits, class_means, only_present, present, squared_distance
from quickstudy.learners.metric import Metric, MetricConfig
from quickstudy.tasks.base import Examples, Spec

SCALE = 16.0
"""Start of the cosine's scale."""


@dataclass(frozen=True, kw_only=True)
class ProtoNetConfig(MetricConfig):
    """Prototypical network."""

    distance: Literal["euclidean", "cosine"] = "euclidean"
    """Squared Euclidean distance, or cosine similarity times a learned scale."""


class ProtoNet(Metric):
    """A class is the mean of its support's features."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = ProtoNetConfig

    def __init__(self, spec: Spec, config: ProtoNetConfig) -> None:
        super().__init__(spec, config, SCALE if config.distance == "cosine" else None)
        self.cosine = config.distance == "cosine"

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
