"""Relation Network. Sung, Yang, Zhang, Xiang, Torr, Hospedales (2018), "Learning to Compare: Relation Network for
Few-Shot Learning".

    r_c(x) = g([mean of f(x_i) over the support of class c, f(x)])                    (eq. 1)
    min over f, g of the mean of (r_c(x) - [y = c])^2 over queries x and classes c    (eq. 2, objective=mse)
    min over f, g of the mean of -log softmax_y(logit r(x))                           (objective=cross-entropy)

f gives maps, which [,] puts one behind the other; g is two blocks of convolution, normalisation, ReLU and pooling, a
hidden layer of 8, and a sigmoid. The paper adds the maps of a class up; their mean is the same at one shot and fits any
other. Logits are those of g before the sigmoid: if one relation and one only holds, p(y = c | x) is their softmax.

The squared error is the paper's. It is not the default: with many classes nearly all relations are 0, and training
stays for long where every answer is 1 / way. It needs few ways (--way 5) and patience.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Logits, Traits, class_means, only_present, present
from quickstudy.learners.metric import Episodic, EpisodicConfig
from quickstudy.nets.layout import in_layout
from quickstudy.nets.norm import Norm
from quickstudy.tasks.base import Examples, Spec, Task, masked_mean

FILTERS = 64
HIDDEN = 8


@dataclass(frozen=True, kw_only=True)
class RelationConfig(EpisodicConfig):
    """Relation network."""

    objective: Literal["cross-entropy", "mse"] = "cross-entropy"
    """Train on the cross-entropy over the classes, or on the squared error of every relation (the paper; few ways)."""


class Relation(Episodic):
    """A learned comparison of feature maps in place of a distance."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), transductive=True)
    Config: ClassVar[type[Any]] = RelationConfig

    def __init__(self, spec: Spec, config: RelationConfig) -> None:
        super().__init__(spec, config, images="conv4m")
        self.relation = RelationModule(self.net.maps)

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        return {"prototypes": class_means(features, support), "present": present(support)}

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        return Logits(only_present(self.relation(adapted["prototypes"], features), adapted["present"]))

    def _loss(self, support: Tensor, query: Tensor, task: Task) -> Tensor:
        if self.config.objective != "mse":
            return super()._loss(support, query, task)
        adapted = self._state(support, task.support)
        error = (self.relation(adapted["prototypes"], query).sigmoid() - task.query.y).square()
        return masked_mean(masked_mean(error, adapted["present"].expand_as(error)), task.query.mask)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Fewer ways than others: every query meets every class in the relation module."""
        return super().recipe(spec) | {"way": min(20, spec.classes or 20), "tasks_per_step": 2}


class RelationModule(nn.Module):
    """g, before the sigmoid.

    Normalised by groups of channels, where the paper has moments of the batch: at test a query's answer would depend
    on the others.
    """

    def __init__(self, maps: tuple[int, int, int]) -> None:
        super().__init__()
        self.maps = maps
        channels, *sides = maps
        # a convolution of maps one behind the other is the sum of one of each: a class's part is computed once
        self.of_class = nn.Conv2d(channels, FILTERS, 3, padding=1)
        self.of_query = nn.Conv2d(channels, FILTERS, 3, padding=1, bias=False)
        self.second = nn.Conv2d(FILTERS, FILTERS, 3, padding=1)
        self.norms = nn.ModuleList(Norm(FILTERS, "group") for _ in range(2))
        self.pools = [2 if min(sides) >= least else 1 for least in (2, 4)]
        left = [side // (self.pools[0] * self.pools[1]) for side in sides]
        self.hidden, self.out = nn.Linear(FILTERS * left[0] * left[1], HIDDEN), nn.Linear(HIDDEN, 1)
        for conv in (self.of_class, self.of_query, self.second):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            conv.weight.data = in_layout(conv.weight.data)

    def forward(self, prototypes: Tensor, features: Tensor) -> Tensor:
        """Prototypes [way, f] and features of queries [n, f] -> relations [n, way]."""
        of_class, of_query = (
            conv(in_layout(rows.reshape(-1, *self.maps)))
            for conv, rows in ((self.of_class, prototypes), (self.of_query, features))
        )
        pairs = of_query.unsqueeze(1) + of_class
        x = self._block(0, pairs.flatten(0, 1))
        x = self._block(1, self.second(x))
        out: Tensor = self.out(F.relu(self.hidden(x.flatten(1))))
        return out.view(len(features), -1)

    def _block(self, number: int, x: Tensor) -> Tensor:
        everything = torch.ones(len(x), dtype=torch.bool, device=x.device)
        norm = self.norms[number]
        assert isinstance(norm, Norm)
        return norm.pool_relu(x, everything, None, {}, pool=self.pools[number])
