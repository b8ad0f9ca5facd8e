"""Attentive Neural Processes. Kim, Mnih, Schwarz, Garnelo, Eslami, Rosenbaum, Vinyals, Teh (2019), "Attentive Neural
Processes".

    r_i = h(x_i, y_i),   r(x) = attention of a(x) to a(x_i) with values r_i        (section 3, deterministic path)
    mean, s = g(x, r(x)),   y ~ N(mean, std^2),   std = 0.1 + 0.9 softplus(s)

Attention has several heads, a is a net of two layers (both as in the paper's code). There is no latent path, so that
it is trained like a conditional neural process, and answers do not change from one time to the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from quickstudy.learners.attention import Attention
from quickstudy.learners.base import Adapted
from quickstudy.learners.cnp import CNP, CNPConfig, flat, perceptron
from quickstudy.tasks.base import Examples, Spec


@dataclass(frozen=True, kw_only=True)
class ANPConfig(CNPConfig):
    """Attentive neural process."""

    heads: int = 8
    """Heads of the attention; they must divide the width."""


class ANP(CNP):
    """Each query looks at the support points that matter to it, where a conditional neural process has their mean."""

    Config: ClassVar[type[Any]] = ANPConfig

    def __init__(self, spec: Spec, config: ANPConfig) -> None:
        super().__init__(spec, config)
        self.look = perceptron(math.prod(spec.shape), config.width, 2, config.width)
        self.attention = Attention(config.width, config.heads)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``keys`` and ``values`` [n, width] of the support's points, and their ``mask`` [n]."""
        keys, values = self.attention.remember(self.look(flat(support.x, support.mask)), self._encodings(support))
        return {"keys": keys, "values": values, "mask": support.mask}

    def _summary(self, adapted: Adapted, x: Tensor) -> Tensor:
        found: Tensor = self.attention(self.look(x), adapted["keys"], adapted["values"], adapted["mask"])
        return found
