"""DN4. Li, Wang, Xu, Huo, Gao, Luo (2019), "Revisiting Local Descriptor based Image-to-Class Measure for Few-shot
Learning".

    s_c(x) = sum_i sum_j cos(x_i, n_j(x_i)),  j = 1 ... k
    p(y = c | x) = softmax_c(s_c(x))

x_i are the descriptors of a query, one for each place of its feature map, and n_j(x_i) the k nearest to it among all
descriptors of the support of class c. No image is ever summed up in one vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Logits, Traits, only_present
from quickstudy.learners.metric import Episodic, EpisodicConfig
from quickstudy.tasks.base import Examples, Spec, check_counts


@dataclass(frozen=True, kw_only=True)
class DN4Config(EpisodicConfig):
    """Deep nearest neighbour neural network."""

    k: int = 3
    """Neighbours of each descriptor; all of the class where it has fewer, scaled up as if it had them."""


class DN4(Episodic):
    """A query's descriptors look for their like among those of each class."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = DN4Config

    def __init__(self, spec: Spec, config: DN4Config) -> None:
        check_counts(k=config.k)
        super().__init__(spec, config, images="conv4m")

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        return {"descriptors": self._descriptors(features), "labels": support.y * support.mask.unsqueeze(-1)}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        labels, support, query = adapted["labels"], adapted["descriptors"], self._descriptors(features)
        each = query.shape[1]
        similarity = (query.flatten(0, 1) @ support.flatten(0, 1).T).unflatten(-1, support.shape[:2])
        # the nearest of a class are among the nearest of its images
        near = similarity.topk(min(self.config.k, each), dim=-1).values
        scores = self.config.k * nearest_of_class(near, labels, self.config.k)
        return Logits(only_present(scores.unflatten(0, (-1, each)).sum(1), labels.sum(0) > 0))

    def _descriptors(self, features: Tensor) -> Tensor:
        """[n, C * h * w] -> [n, h * w, C], of unit length."""
        return F.normalize(features.unflatten(-1, self.net.maps).flatten(2).transpose(1, 2), dim=-1)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Fewer ways than others: every place of a query meets every place of the support."""
        return super().recipe(spec) | {"way": min(20, spec.classes or 20), "tasks_per_step": 2}


def nearest_of_class(similarity: Tensor, labels: Tensor, k: int) -> Tensor:
    """[d, way] mean of the ``k`` largest in each class, or of all where it has fewer; 0 where it has none.

    ``similarity`` [d, n, m], in -1 ... 1, is to m descriptors of each of n images, ``labels`` [n, way] one-hot and zero
    where an image is padding.
    """
    _, images, each = similarity.shape
    way = labels.shape[-1]
    owner = torch.where(labels.sum(-1) > 0, labels.argmax(-1), way).unsqueeze(-1).expand(images, each).flatten()
    values = similarity.flatten(1)
    # one sort puts the classes one after another, the best of each first; whole numbers need the room of float64
    in_order = values.gather(1, (4 * owner.double() - values.detach()).argsort(-1))
    count = each * labels.sum(0).long()
    place = (count.cumsum(0) - count).unsqueeze(-1) + torch.arange(k, device=values.device)
    there = torch.arange(k, device=values.device) < count.unsqueeze(-1)
    index = torch.where(there, place, 0).flatten()
    picked = in_order.index_select(1, index).unflatten(-1, (way, k))
    return (picked * there).sum(-1) / there.sum(-1).clamp(min=1)
