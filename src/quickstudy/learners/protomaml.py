"""Proto-MAML. Triantafillou, Zhu, Dumoulin, et al. (2020), "Meta-Dataset: A Dataset of Datasets for Learning to Learn
from Few Examples", section 3.

    c_k = mean of f(x_i) over the support of class k
    W_k = 2 c_k,  b_k = -|c_k|^2          so that  W_k f(x) + b_k = -|f(x) - c_k|^2 + |f(x)|^2
    (theta, W, b) <- (theta, W, b) - alpha grad L(theta, W, b; support), repeated

Before the first step it is the prototypical network of its backbone; the meta-gradient goes through the prototypes.
"""

from __future__ import annotations

from typing import Any, ClassVar

from quickstudy.learners.base import Adapted, Traits, class_means
from quickstudy.learners.descent import Descent, MetaConfig
from quickstudy.tasks.base import Examples, Spec


class ProtoMAML(Descent):
    """MAML that starts each task's output layer at the class prototypes."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",), gradient=True, transductive=True)
    Config: ClassVar[type[Any]] = MetaConfig
    default_rate = (0.02, 0.0)

    def __init__(self, spec: Spec, config: MetaConfig) -> None:
        super().__init__(spec, config, config.gradient, head=None)

    def _start(self, support: Examples) -> Adapted:
        features, _ = self.net(support.x, support.mask, None)
        means = class_means(features, support)
        return self._named() | {"head.weight": 2 * means, "head.bias": -means.square().sum(-1)}
