"""Whether a support is like those that a learner was validated on.

typicality = share of validation supports whose mean squared Mahalanobis distance from the middle of training features
             is at least as large (Lee, Lee, Lee, Shin 2018, "A Simple Unified Framework for Detecting
             Out-of-Distribution Samples", eq. 2, with one class)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy import scoring
from quickstudy.learners.base import Learner
from quickstudy.nets.backbone import Backbone
from quickstudy.tasks.base import Split, TaskFamily

SHRINKAGE = 0.05
"""Of the covariance of features towards a multiple of the identity."""
WAY = 5
"""Examples of a support that is compared with, one of each class."""
FAR_OUT = 0.01
"""Typicality below which a support is unlike any."""


class Typical(NamedTuple):
    """The features of validation supports."""

    centre: Tensor
    """[f] their mean."""
    whiten: Tensor
    """[f, f]: features times it have the identity for their covariance."""
    distances: Tensor
    """[m] of supports, sorted."""

    def typicality(self, features: Tensor) -> float:
        """Of a support with ``features`` [n, f]: 1 is the most usual one, near 0 nothing was like it."""
        mine = self.distance(features.to(self.centre))
        farther = len(self.distances) - int(torch.searchsorted(self.distances, mine))
        return (farther + 1) / (len(self.distances) + 1)

    def distance(self, features: Tensor) -> Tensor:
        """Scalar."""
        return ((features - self.centre) @ self.whiten).square().sum(-1).mean()


@torch.no_grad()
def features_of(learner: Learner, x: Tensor) -> Tensor | None:
    """[n, f] of ``x`` [n, *shape]; None where the learner has no backbone."""
    net = getattr(learner, "net", None)
    if not isinstance(net, Backbone):
        return None
    return torch.cat([*map(net.embed, x.split(scoring.EXAMPLES))])


def typical(
    learner: Learner, family: TaskFamily, split: Split, supports: int, seed: int, device: torch.device | str
) -> Typical | None:
    """Centre and covariance of half of so many ``supports``, distances of the others; None without a backbone.

    None too for rows of tables, whose columns mean something else in every task.

    The first half is from the training tasks, where there are any: those of ``split`` may be few, and a new task no
    more like them than they are like one another.
    """
    if family.spec.form == "rows":
        return None
    first: Split = "train" if "train" in family.splits else split
    some = _features(learner, family, first, supports // 2, seed, device)
    others = _features(learner, family, split, supports - supports // 2, seed + 1, device)
    if some is None or others is None:
        return None
    flat = some.flatten(0, 1)
    covariance = torch.cov(flat.T)
    covariance = torch.lerp(covariance, covariance.diagonal().mean() * torch.eye(len(covariance)), SHRINKAGE)
    made = Typical(flat.mean(0), torch.linalg.cholesky(torch.linalg.inv(covariance)), torch.empty(0))
    return made._replace(distances=torch.stack([made.distance(one) for one in others]).sort().values)


def _features(
    learner: Learner, family: TaskFamily, split: Split, supports: int, seed: int, device: torch.device | str
) -> Tensor | None:
    """[supports, WAY, f] of supports with one example of each class; None without a backbone."""
    which = scoring.Episodes(split=split, way=WAY, shot=1, query=1, episodes=supports, seed=seed)
    found = []
    for task in scoring.batches(family, which, 20):
        features = features_of(learner, task.support.x.flatten(0, 1).to(device))
        if features is None:
            return None
        found.append(features.cpu().unflatten(0, (len(task.key), -1)))
    return torch.cat(found)
