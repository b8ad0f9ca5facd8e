"""The k nearest neighbours of the raw input: no net, no parameters, no training. Cover and Hart (1967), "Nearest
Neighbor Pattern Classification".

    p(y = c | x) = share of class c among the k support examples nearest to x (Euclidean)
    y(x)         = mean of y_i over them                                   (regression)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from quickstudy.learners.base import Adapted, Learner, Logits, Point, Prediction, Traits, only_present, squared_distance
from quickstudy.tasks.base import Examples, Spec, check_counts


@dataclass(frozen=True, kw_only=True)
class NearestConfig:
    """Nearest neighbours."""

    k: int = 1
    """Neighbours that are asked; all of the support where it has fewer."""


class Nearest(Learner):
    """k nearest neighbours; equally many votes go to the first class, equal distances to the first example."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"))
    Config: ClassVar[type[Any]] = NearestConfig

    def __init__(self, spec: Spec, config: NearestConfig) -> None:
        super().__init__(spec, config)
        check_counts(k=config.k)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """The support itself: x [n, p] flat, y [n, way] or [n, d], mask [n]; padded rows are zeros."""
        keep = support.mask.unsqueeze(-1)
        x, y = support.x.flatten(1), support.y
        return {"x": torch.where(keep, x, 0), "y": torch.where(keep, y, 0), "mask": support.mask}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        """Logs of the shares of votes [n, way], or means [n, d]; without any support even shares, or 0."""
        found = vote(squared_distance(x.flatten(1), adapted["x"]), adapted, self.config.k)
        return Point(found) if self.spec.kind == "regression" else shares(found, adapted)


def vote(distance: Tensor, adapted: Adapted, k: int) -> Tensor:
    """[n, way or d] mean of y over the ``k`` nearest of the support, from ``distance`` [n, m] to each of it."""
    y, there = adapted["y"], adapted["mask"]
    distance = torch.where(there, distance, torch.finfo(distance.dtype).max)
    near = distance.argsort(dim=-1, stable=True)[:, :k]
    return y[near].sum(1) / there[near].sum(1, keepdim=True).clamp(min=1)


def shares(found: Tensor, adapted: Adapted) -> Logits:
    """Logs of the shares of votes ``found`` [n, way]; a class without support has none."""
    log = found.clamp(min=torch.finfo(found.dtype).tiny).log()
    return Logits(only_present(log, adapted["y"].sum(0) > 0))
