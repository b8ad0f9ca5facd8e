"""The outer loss of one task as a module, which ``inner/batch.py`` maps over tasks: the inner loop, then the query."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from quickstudy.inner.modules import Chosen, Loss, Trace, adapted, bound, described, masks, scalar
from quickstudy.inner.rules import Params, Rule
from quickstudy.inner.unroll import Gradient, trajectory
from quickstudy.tasks import draw

QUERY = draw.salt("query")
"""What sets the masks of the outer loss apart from those of the inner steps."""


class Inner(nn.Module):
    """The inner loop with its settings; the learnt numbers of the rule are parameters here."""

    module: nn.Module
    loss: Loss
    numbers: nn.ParameterList | tuple[()]
    rule: Rule
    steps: int
    gradient: Gradient
    adapts: Chosen
    until: float | None
    keyed: bool
    by_step: bool

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        rule: Rule,
        steps: int,
        gradient: Gradient,
        adapts: Chosen,
        until: float | None,
        keyed: bool,
        by_step: bool = False,
    ) -> None:
        super().__init__()
        learnt = [leaf for leaf in pytree.tree_leaves(rule.hyper) if _is_learnt(leaf)]
        if learnt:
            self.numbers = nn.ParameterList([nn.Parameter(leaf.detach()) for leaf in learnt])
            rule = rule._replace(hyper=pytree.tree_map(lambda leaf: None if _is_learnt(leaf) else leaf, rule.hyper))
        settings: dict[str, Any] = {} if learnt else {"numbers": ()}
        settings |= {"rule": rule, "steps": steps, "gradient": gradient, "adapts": adapts, "until": until}
        _hold(self, settings | {"keyed": keyed, "by_step": by_step}, {"module": module, "loss": loss})

    def forward(self, support: Any, key: Tensor) -> tuple[Params, Trace]:
        """``adapt``."""
        mine, batch = key if self.keyed else None, self.batches(support)
        return adapted(
            self.module, self.loss, batch, self._rule(), self.steps, self.gradient, self.adapts, mine, self.until
        )

    def batches(self, support: Any) -> Any:
        """The batch of all steps, or the function from a step's number to its own."""
        return support.__getitem__ if self.by_step else support

    def path(self, support: Any, key: Tensor) -> Iterator[tuple[Params, Tensor]]:
        """The parameters after each step, and the inner loss before it."""
        mine, batch = key if self.keyed else None, self.batches(support)
        loss, start, given = described(self.module, self.loss, batch, self.adapts, mine)
        return trajectory(loss, start, self._rule(), self.steps, self.gradient, given, self.until)

    def _rule(self) -> Rule:
        if not self.numbers:
            return self.rule
        learnt = iter(self.numbers)
        return self.rule._replace(
            hyper=pytree.tree_map(lambda leaf: next(learnt) if leaf is None else leaf, self.rule.hyper)
        )


class Outer(nn.Module):
    """One task's outer loss, as ``inner/batch.py`` maps it."""

    inner: Inner
    loss: Loss
    step_weights: Sequence[float] | None

    def __init__(self, inner: Inner, loss: Loss, step_weights: Sequence[float] | None) -> None:
        super().__init__()
        _hold(self, {"step_weights": step_weights}, {"inner": inner, "loss": loss})

    def stage(self, progress: float) -> Hashable:
        """The same at any time of a training."""
        return ()

    def forward(self, task: tuple[Any, Any, Tensor], progress: float) -> Tensor:
        support, query, key = task
        if self.step_weights is None:
            return self.judge(self.inner(support, key)[0], query, key)
        after = [self.judge(params, query, key) for params, _ in self.inner.path(support, key)]
        return sum((w * value for w, value in zip(self.step_weights, after, strict=True)), torch.zeros(()))

    def judge(self, adapted: Params, query: Any, key: Tensor) -> Tensor:
        """The outer loss of ``adapted`` parameters."""
        with masks(draw.mix(key ^ QUERY) if self.inner.keyed else None):
            return scalar(self.loss(bound(self.inner.module, adapted), query))


def _hold(module: nn.Module, settings: dict[str, Any], parts: dict[str, Any]) -> None:
    """Attributes of ``module``, those of ``parts`` registered where they are modules themselves.

    A module's own way to set an attribute asks of each what it is, which takes a tenth of a small call.
    """
    vars(module).update(settings)
    for name, part in parts.items():
        (module._modules if isinstance(part, nn.Module) else vars(module))[name] = part


def _is_learnt(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.requires_grad
