"""The k nearest neighbours in pre-trained features, by cosine. Cover and Hart (1967), "Nearest Neighbor Pattern
Classification".

    p(y = c | x) = share of class c among the k support examples whose f(x_i) has the largest cos(f(x), f(x_i))

f is pre-trained by cross-entropy on all training classes. ``nearest`` is the same on raw inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Logits, Traits
from quickstudy.learners.nearest import shares, vote
from quickstudy.learners.pretrained import Frozen, PretrainedConfig
from quickstudy.tasks.base import Examples, Spec, check_counts


@dataclass(frozen=True, kw_only=True)
class KNNConfig(PretrainedConfig):
    """Nearest neighbours in features."""

    k: int = 1
    """Neighbours that are asked; all of the support where it has fewer. At most the shots: beyond them votes tie."""


class KNN(Frozen):
    """Pre-training on every class; then k nearest neighbours, ties as in ``nearest``."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = KNNConfig

    def __init__(self, spec: Spec, config: KNNConfig) -> None:
        super().__init__(spec, config)
        check_counts(k=config.k)

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        y = torch.where(support.mask.unsqueeze(-1), support.y, 0)
        return {"features": F.normalize(features, dim=-1), "y": y, "mask": support.mask}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        cosine = F.normalize(features, dim=-1) @ adapted["features"].T
        return shares(vote(-cosine, adapted, self.config.k), adapted)
