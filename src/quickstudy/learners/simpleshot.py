"""SimpleShot. Wang, Chao, Weinberger, van der Maaten (2019), "SimpleShot: Revisiting Nearest-Neighbor Classification
for Few-Shot Learning".

    m = mean of f(x) over the training classes
    z(x) = (f(x) - m) / ||f(x) - m||                                           (CL2N; L2N: m = 0; UN: z = f)
    y(x) = argmin_c ||z(x) - mean of z(x_i) over the support of class c||

f is pre-trained by cross-entropy on all training classes. A task has nothing to adapt but the means; logits are squared
distances, negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Logits, Traits, class_means, only_present, present, squared_distance
from quickstudy.learners.pretrained import Frozen, PretrainedConfig
from quickstudy.tasks.base import Examples, Spec, WholeTasks

MOST = 2048
"""Training examples that the mean feature is measured on."""
AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class SimpleShotConfig(PretrainedConfig):
    """SimpleShot."""

    transform: Literal["cl2n", "l2n", "un"] = "cl2n"
    """What is done to features: centred by the training mean and of unit length, of unit length, or nothing."""


class SimpleShot(Frozen):
    """Pre-train on every class; then the nearest class mean of centred unit features."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = SimpleShotConfig
    mean: Tensor

    def __init__(self, spec: Spec, config: SimpleShotConfig) -> None:
        super().__init__(spec, config)
        self.register_buffer("mean", torch.zeros(self.net.features))

    def prepare(self, tasks: WholeTasks) -> None:
        """Fix the moments of norm=batch, then the mean of training features."""
        super().prepare(tasks)
        self.mean.copy_(self._mean_feature(spread(tasks).to(self.mean.device)))

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        return {"prototypes": class_means(self._transformed(features), support), "present": present(support)}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        distance = squared_distance(self._transformed(features), adapted["prototypes"])
        return Logits(only_present(-distance, adapted["present"]))

    def _transformed(self, features: Tensor) -> Tensor:
        if self.config.transform == "un":
            return features
        return F.normalize(features - self.mean if self.config.transform == "cl2n" else features, dim=-1)

    @torch.no_grad()
    def _mean_feature(self, x: Tensor) -> Tensor:
        """[f] as they are after the training: with fixed moments."""
        was_training = self.net.training
        self.net.eval()
        batches = [self._embed(some, some.new_ones(len(some), dtype=torch.bool), None)[0] for some in x.split(AT_ONCE)]
        self.net.train(was_training)
        return torch.cat(batches).mean(0)


def spread(tasks: WholeTasks) -> Tensor:
    """[n, *shape]: equally many examples of each of evenly spaced ``tasks``, up to ``MOST`` in all."""
    count = min(len(tasks), MOST)
    each = MOST // count
    chosen = (tasks[round(at * len(tasks) / count)].x for at in range(count))
    # of one task's examples another one where there is only one to take: they stand in an order
    return torch.cat([x[(torch.arange(min(each, len(x))) + at) % len(x)] for at, x in enumerate(chosen)])
