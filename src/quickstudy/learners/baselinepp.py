"""Baseline++. Chen, Liu, Kira, Wang, Huang (2019), "A Closer Look at Few-shot Classification" (section 3.2).

    s_ij = s cos(f(x_i), w_j),  p(y = j | x_i) = softmax_j(s_ij)
    min over f, w of the cross-entropy over all training classes, pooled                               (training)
    w <- w - alpha grad CE(s cos(f(x), w); support), repeated; f and s stay as they are                (each task)

The paper draws a task's first w at random, so that its answer depends on the draw; here w_j starts from the mean of
unit features of class j's support (Qi, Brown, Lowe 2018, "Low-Shot Learning with Imprinted Weights"). Every step sees
the whole support, in the paper four examples of it. The scale s is learnt in training, from 10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.inner import sgd, unroll
from quickstudy.learners.base import Adapted, Logits, Traits, check_inner, class_means, only_present, present
from quickstudy.learners.pretrained import Frozen, PretrainedConfig
from quickstudy.tasks.base import Examples, Spec, masked_mean

SCALE = 10.0
"""Start of the cosine's scale."""
STEPS, RATE = 100, 0.01


@dataclass(frozen=True, kw_only=True)
class BaselinePPConfig(PretrainedConfig):
    """Baseline++."""

    inner_steps: int = 0
    """Gradient steps of a task's head in adapt; 0 is 100."""
    inner_rate: float = 0.0
    """Rate of those steps; 0 is 0.01."""


class CosineHead(nn.Module):
    """Logits by scaled cosine with one vector a class."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.Linear(features, classes, bias=False).weight.detach())
        self.log_scale = nn.Parameter(torch.tensor(math.log(SCALE)))

    def forward(self, features: Tensor) -> Tensor:
        """[n, f] -> [n, classes]."""
        return self.compare(features, self.weight)

    def compare(self, features: Tensor, weight: Tensor) -> Tensor:
        """[n, f] with the vectors ``weight`` [way, f] -> [n, way]."""
        return self.log_scale.exp() * F.normalize(features, dim=-1) @ F.normalize(weight, dim=-1).T


class BaselinePP(Frozen):
    """Pre-training with a cosine head, then gradient steps on a new one for each task."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), gradient=True, pretrains=True, transductive=True)
    Config: ClassVar[type[Any]] = BaselinePPConfig
    head: CosineHead

    def __init__(self, spec: Spec, config: BaselinePPConfig) -> None:
        super().__init__(spec, config)
        check_inner(config.inner_steps, config.inner_rate)
        self.steps, self.rate = config.inner_steps or STEPS, config.inner_rate or RATE
        self.config = replace(self.config, inner_steps=self.steps, inner_rate=self.rate)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """The task's head, the classes present, and the support's moments where the net keeps them (norm=task)."""
        features, moments = self._embed(support.x, support.mask, None)
        here = present(support)

        def loss(head: Adapted, support: Examples) -> Tensor:
            prediction = self._compare(head | {"present": here}, features)
            return masked_mean(prediction.nll(support.y), support.mask)

        start = {"weight": class_means(F.normalize(features, dim=-1), support)}
        steps = self.steps if steps is None else steps
        return unroll(loss, start, sgd(self.rate), steps, "first-order", support) | {"present": here} | moments

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        return Logits(only_present(self.head.compare(features, adapted["weight"]), adapted["present"]))

    def _training_head(self, features: int, outputs: int) -> nn.Module:
        return CosineHead(features, outputs)
