"""MAML++. Antoniou, Edwards, Storkey (2019), "How to Train Your MAML".

    theta_(s+1) = theta_s - alpha_(l,s) grad L(theta_s; support)        a rate for each tensor l and step s (section 4)
    min over theta, alpha of sum_s v_s L(theta_s; query)                the query loss after every step     (eq. 3)

v starts even and goes over to the last step in the first ``anneal`` of the training; from then on only the last counts.
Inner gradients are constants until ``second_order_from`` of it (derivative-order annealing). Normalisation has its own
weights and biases for every step, which are learnt but do not move within a task; its moments are those of the support
at each step (norm=task), where the paper keeps running ones. The cosine schedule of the meta-rate is the trainer's.
Steps beyond those of the training take the numbers of the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.inner import Gradient, PerStep, Rule, sgd
from quickstudy.learners.base import Adapted, Traits
from quickstudy.learners.descent import Descent, MetaConfig, key
from quickstudy.nets.norm import Norm
from quickstudy.tasks.base import Examples, Spec, Task

LEAST = 0.03
"""Share of an even weight below which an annealed one does not fall."""


@dataclass(frozen=True, kw_only=True)
class MAMLPlusPlusConfig(MetaConfig):
    """MAML++."""

    anneal: float = 0.15
    """Share of the training in which the loss moves over to the last step."""
    second_order_from: float = 0.5
    """Share of the training after which inner gradients are differentiated."""


class MAMLPlusPlus(Descent):
    """MAML with rates and normalisation by step, a loss after every step, and second order late."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), gradient=True, transductive=True)
    Config: ClassVar[type[Any]] = MAMLPlusPlusConfig
    default_steps = (5, 5)
    default_rate = (0.1, 0.01)
    colour_rate = 0.01

    def __init__(self, spec: Spec, config: MAMLPlusPlusConfig) -> None:
        super().__init__(spec, config, config.gradient)
        norms = {path: module for path, module in self.net.named_modules() if isinstance(module, Norm)}
        self.affine = [f"net.{path}.{part}" for path, norm in norms.items() for part, _ in norm.named_parameters()]
        for norm in norms.values():
            norm.requires_grad_(False)  # in their place there are those of the steps
        named = self._named()
        each = max(self.steps, 1)
        self.norms = nn.ParameterDict({key(n): nn.Parameter(torch.stack([named[n]] * each)) for n in self.affine})
        self.rates = nn.ParameterDict(
            {key(n): nn.Parameter(torch.full((each,), self.rate)) for n in named if self._moves(n)}
        )

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: the query losses after each inner step, weighted for this ``progress``."""
        late = progress >= self.config.second_order_from
        gradient = self.gradient if late else "first-order"
        start, *after = self._descent(task.support, self.steps, gradient)
        if progress >= self.config.anneal or not after:
            return self._query_loss([start, *after][-1], task)
        losses = torch.stack([self._query_loss(weights, task) for weights in after])
        return torch.stack([w * value for w, value in zip(self.shares(progress), losses, strict=True)]).sum()

    def stage(self, progress: float) -> bool | None:
        """What ``loss`` goes by, once the weights of its parts do not change any more."""
        late = progress >= self.config.second_order_from
        return late if progress >= self.config.anneal or not self.steps else None

    def shares(self, progress: float) -> list[float]:
        """Weights of the losses after each step: those of the authors' implementation."""
        count = self.steps
        before = max(1 - progress / self.config.anneal, LEAST) / count
        return [before] * (count - 1) + [1 - (count - 1) * before]

    def _moves(self, name: str) -> bool:
        return name not in self.affine

    def _rule(self, steps: int) -> Rule:
        return sgd(PerStep({name: _long(self.rates[key(name)], steps) for name in self._named() if self._moves(name)}))

    def _given(self, start: Adapted, still: Adapted, support: Examples) -> Callable[[int], Any]:
        here = self._present(support)
        return lambda number: (still | self._norms(number), support, here)

    def _descent(
        self, support: Examples, steps: int, gradient: Gradient | None = None, losses: list[Tensor] | None = None
    ) -> Iterator[Adapted]:
        for number, weights in enumerate(super()._descent(support, steps, gradient, losses)):
            yield weights | self._norms(max(number - 1, 0))

    def _norms(self, number: int) -> Adapted:
        """The weights and biases of normalisation at inner step ``number``."""
        return {name: self.norms[key(name)][min(number, self.steps - 1)] for name in self.affine}


def _long(rates: Tensor, steps: int) -> Tensor:
    """[steps], the last repeated."""
    return torch.cat([rates, rates[-1:].expand(max(steps - len(rates), 0))])
