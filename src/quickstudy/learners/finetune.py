"""Pre-train on everything, then fine-tune: the honest baseline of meta-learning.

Chen, Liu, Kira, Wang, Huang (2019), "A Closer Look at Few-shot Classification" (Baseline); Tian, Wang, Krishnan,
Tenenbaum, Isola (2020), "Rethinking Few-Shot Image Classification: a Good Embedding Is All You Need?" (unit features).

    min over theta, W of the mean of L(W f_theta(x), y) over the examples of all training tasks, pooled     (training)
    V <- V - alpha grad L(V f_theta(x) / ||f_theta(x)||; support), repeated from V = 0                (classification)
    (theta, W) <- (theta, W) - alpha grad L(W f_theta(x); support), repeated                              (regression)

In classification W is a linear head over all training classes, and each task gets a new head V. No meta-gradient goes
through the steps of a task: ``loss`` takes none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.inner import sgd, unroll
from quickstudy.learners.base import (
    Adapted,
    Logits,
    Point,
    Prediction,
    Traits,
    check_inner,
    only_present,
    present,
    run_net,
)
from quickstudy.learners.pretrained import Pretrained, PretrainedConfig
from quickstudy.tasks.base import Examples, Spec, masked_mean


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(PretrainedConfig):
    """Pre-training and fine-tuning."""

    adapts: Literal["auto", "head", "all"] = "auto"
    """What a task changes: the output layer or all weights; auto is head for classification and all for regression."""
    inner_steps: int = 0
    """Gradient steps in adapt; 0 is 100 for classification and 10 for regression."""
    inner_rate: float = 0.0
    """Rate of those steps; 0 is 10 for a new head alone, 0.5 for all weights and a new head, 0.01 for regression."""
    normalise: bool = True
    """Unit-length features under a new head (classification only)."""


class Finetune(Pretrained):
    """Pre-training on every class or task at once, then gradient steps on the support."""

    traits: ClassVar[Traits] = Traits(
        kinds=("classification", "regression"), gradient=True, pretrains=True, transductive=True
    )
    Config: ClassVar[type[Any]] = FinetuneConfig

    head: nn.Linear

    def __init__(self, spec: Spec, config: FinetuneConfig) -> None:
        super().__init__(spec, config)
        check_inner(config.inner_steps, config.inner_rate)
        self.adapts_all = config.adapts == "all" or (config.adapts == "auto" and not self.classifies)
        self.steps = config.inner_steps or (100 if self.classifies else 10)
        self.rate = config.inner_rate or _rate(self.classifies, self.adapts_all)
        self.config = replace(self.config, inner_steps=self.steps, inner_rate=self.rate)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """Adapted weights (``head.``, with adapts=all also ``net.``), the classes present, moments (norm=task)."""
        here = present(support) if self.classifies else support.mask.new_ones(self.spec.outputs)
        embed = self._embedding(support)

        def loss(weights: Adapted, support: Examples) -> Tensor:
            prediction = self._judge(weights, here, embed(weights))
            return masked_mean(prediction.nll(support.y), support.mask)

        steps = self.steps if steps is None else steps
        start = self._start(support)
        weights = unroll(loss, start, sgd(self.rate), steps if len(support.x) else 0, "first-order", support)
        return weights | {"present": here} | self._moments(weights, support)

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        """Logits [n, way] or means [n, d] for ``x`` [n, *shape]."""
        features, _ = run_net(self.net, adapted, x, mask, None if self.transductive else adapted)
        return self._judge(adapted, adapted["present"], features)

    def _start(self, support: Examples) -> Adapted:
        """The weights that a task changes, before it does."""
        weight: Tensor = self.head.weight
        bias: Tensor = self.head.bias
        if self.classifies:
            way = support.y.shape[-1]
            weight, bias = weight.new_zeros(way, self.net.features), bias.new_zeros(way)
        net = self.net.named_parameters() if self.adapts_all else ()
        return {"head.weight": weight, "head.bias": bias} | {f"net.{name}": value for name, value in net}

    def _embedding(self, support: Examples) -> Callable[[Adapted], Tensor]:
        """Features of the support as a function of the weights; computed once where a task does not change them."""
        if self.adapts_all:
            return lambda weights: run_net(self.net, weights, support.x, support.mask, None)[0]
        frozen, _ = self.net(support.x, support.mask, None)
        return lambda weights: frozen

    def _judge(self, weights: Adapted, here: Tensor, features: Tensor) -> Logits | Point:
        if not self.classifies:
            return Point(F.linear(features, weights["head.weight"], weights["head.bias"]))
        features = F.normalize(features, dim=-1) if self.config.normalise else features
        return Logits(only_present(F.linear(features, weights["head.weight"], weights["head.bias"]), here))

    def _moments(self, weights: Adapted, support: Examples) -> Adapted:
        """Those of the final weights: the last inner step saw the weights before it."""
        return run_net(self.net, weights, support.x, support.mask, None)[1] if self.net.keeps_moments else {}


def _rate(classifies: bool, adapts_all: bool) -> float:
    """Default inner rate."""
    if not classifies:
        return 0.01
    return 0.5 if adapts_all else 10.0
