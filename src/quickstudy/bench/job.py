"""One piece of work, the same for every library: a net, a loss, episodes, and how to adapt to them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Batch = tuple[Tensor, Tensor]
"""Inputs x [n, ...] and targets y of one task; with a leading [T] those of all tasks."""
Net = Callable[..., Any]
Loss = Callable[[Net, Batch], Tensor]
Way = Callable[[], list[Tensor]]
"""Takes the meta-gradient once: one tensor for each parameter of the net, in the order of ``net.parameters()``."""


def squared_error(net: Net, batch: Batch) -> Tensor:
    """Mean squared error."""
    x, y = batch
    return F.mse_loss(net(x), y)


def cross_entropy(net: Net, batch: Batch) -> Tensor:
    """Mean cross-entropy of integer labels y [n]."""
    x, y = batch
    return F.cross_entropy(net(x), y)


@dataclass(frozen=True, kw_only=True)
class Job:
    """T tasks, and the mean over them of the outer loss that is to be differentiated."""

    net: nn.Module
    loss: Loss
    """Inner and outer; for prototypical networks it is not used."""
    supports: Batch
    queries: Batch
    rate: float
    steps: int
    first_order: bool
    way: int
    """Classes of a task; 0 in regression."""

    @property
    def tasks(self) -> list[tuple[Batch, Batch]]:
        """(support, query) of each task, as views."""
        xs, ys = self.supports
        xq, yq = self.queries
        return [((xs[i], ys[i]), (xq[i], yq[i])) for i in range(len(xs))]

    def fresh(self) -> None:
        """Forget the gradients of the last time."""
        self.net.zero_grad(set_to_none=True)

    def gradients(self) -> list[Tensor]:
        """What ``backward`` has left in the parameters."""
        return [torch.zeros_like(p) if p.grad is None else p.grad for p in self.net.parameters()]

    def doubled(self, count: int) -> Job:
        """The first ``count`` tasks in float64."""

        def part(batch: Batch) -> Batch:
            x, y = (leaf[:count] for leaf in batch)
            return x.double(), y.double() if y.is_floating_point() else y

        net = copy.deepcopy(self.net).double()
        return replace(self, net=net, supports=part(self.supports), queries=part(self.queries))
