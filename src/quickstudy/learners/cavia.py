"""Fast context adaptation. Zintgraf, Shiarli, Kurin, Hofmann, Whiteson (2019), "Fast Context Adaptation via
Meta-Learning" (CAVIA).

    phi_i = 0 - alpha grad_phi L(f(.; phi, theta); support_i), repeated: a few context parameters phi move    (eq. 6)
    min over theta of sum_i L(f(.; phi_i, theta); query_i)                                                   (eq. 7)

In regression phi joins the inputs of the net. In classification it scales and shifts the maps of the third block
(FiLM, section 3.2): with (gamma, delta) = W phi, the normalisation there has weight w (1 + gamma) and bias
b (1 + gamma) + delta. All a task adds is phi, so that its state is small and no step can break the net; the output
layer is the same for every task, so it knows classes by number, up to ``max_way``. The paper's rate is 1; on pictures
it is 80 here, for with 5 the context hardly moves: the support's loss stays where it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.errors import UserError
from quickstudy.learners.base import Adapted, Logits, Point, Traits, run_net
from quickstudy.learners.descent import Descent, MetaConfig
from quickstudy.nets.norm import Norm
from quickstudy.tasks.base import Examples, Spec, check_counts

BLOCK = 2
"""Number of the normalisation that the context reaches, or the last where there are fewer."""


@dataclass(frozen=True, kw_only=True)
class CAVIAConfig(MetaConfig):
    """CAVIA."""

    context: int = 0
    """Context parameters; 0 is 100 for classification and 5 for regression."""
    max_way: int = 20
    """Most classes that can be met."""


class CAVIA(Descent):
    """A few context parameters adapt; the net is the same for every task."""

    traits: ClassVar[Traits] = Traits(
        kinds=("classification", "regression"), gradient=True, transductive=True, equivariant=False
    )
    Config: ClassVar[type[Any]] = CAVIAConfig
    default_steps = (2, 1)
    default_rate = (80.0, 1.0)
    default_norm = "task"

    def __init__(self, spec: Spec, config: CAVIAConfig) -> None:
        check_counts(context=config.context or 1, **{"max-way": config.max_way})
        self.context = config.context or (100 if spec.kind == "classification" else 5)
        super().__init__(spec, config, config.gradient, "learned", config.max_way)
        if self.classifies:
            self.reached, channels = reached(self.net)
            self.film = nn.Parameter(torch.empty(2 * channels, self.context).uniform_(-1, 1) / math.sqrt(self.context))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """The context after the inner steps, the classes present, moments (norm=task)."""
        found = super().adapt(support, steps)
        return {name: value for name, value in found.items() if name not in self._named()}

    def _shape(self, spec: Spec) -> tuple[int, ...]:
        return spec.shape if spec.kind == "classification" else (math.prod(spec.shape) + self.context,)

    def _named(self) -> Adapted:
        return super()._named() | ({"film": self.film} if self.classifies else {})

    def _start(self, support: Examples) -> Adapted:
        return self._named() | {"context": self.bias.new_zeros(self.context)}

    def _moves(self, name: str) -> bool:
        return name == "context"

    def _features(self, weights: Adapted, x: Tensor, mask: Tensor, moments: Adapted | None) -> tuple[Tensor, Adapted]:
        weights = self._named() | weights
        context = weights["context"]
        if not self.classifies:
            x = torch.cat([x.flatten(1), context.expand(len(x), -1)], -1)
            return run_net(self.net, weights, x, mask, moments)
        weight, bias = f"{self.reached}.weight", f"{self.reached}.bias"
        scale, shift = (weights["film"] @ context).chunk(2)
        turned = {weight: weights[weight] * (1 + scale), bias: weights[bias] * (1 + scale) + shift}
        return run_net(self.net, weights | turned, x, mask, moments)

    def _judge(self, weights: Adapted, here: Tensor, features: Tensor) -> Logits | Point:
        weights = self._named() | weights
        if self.classifies:
            self._check_way(len(here))
            head = {name: weights[name][: len(here)] for name in ("head.weight", "head.bias")}
            return super()._judge(head, here, features)
        return super()._judge(weights, here, features)


def reached(net: nn.Module) -> tuple[str, int]:
    """Name (with ``net.``) and channels of the normalisation that the context scales; UserError without any."""
    parts = [(path, part) for path, part in net.named_modules() if isinstance(part, Norm) and part.kind != "none"]
    if not parts:
        raise UserError("cavia scales the maps of a normalisation, and this net has none. Add --norm task or group.")
    path, norm = parts[min(BLOCK, len(parts) - 1)]
    return f"net.{path}", len(norm.weight)
