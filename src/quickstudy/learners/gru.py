"""A recurrent net that reads the support in order. Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio
(2014), "Learning Phrase Representations using RNN Encoder-Decoder" (the unit); Nagabandi et al. (2019), "Learning to
Adapt in Dynamic, Real-World Environments" (ReBAL: a recurrent model that adapts by what it has read).

    e_i = h(x_i, y_i)
    z, v = sigmoid(W e_i + U s + b),   c = tanh(W' e_i + v * (U' s + b')),   s <- (1 - z) c + z s
    mean, std = g(x, s)                                                                          as of a cnp (cnp.py)

It begins with the last example of the support and ends with the first, for where examples are in an order of time, the
newest comes first. The state s before any is learnt: with it g is the prior. The recurrence is written out, because
PyTorch's own writes in place, which vmap does not allow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quickstudy.learners.base import Adapted, Gaussian, Learner, Traits
from quickstudy.learners.cnp import bounded, flat, loss_of_some, perceptron
from quickstudy.tasks.base import Examples, Spec, Task, check_counts


@dataclass(frozen=True, kw_only=True)
class GRUConfig:
    """Recurrent encoder."""

    width: int = 128
    """Hidden units of every layer, and numbers of the state."""
    encoder_depth: int = 2
    """Layers of h."""
    decoder_depth: int = 3
    """Layers of g."""


class GRU(Learner):
    """A gated recurrent unit reads the support, its last example first; a decoder reads its state beside each query."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",))
    Config: ClassVar[type[Any]] = GRUConfig

    def __init__(self, spec: Spec, config: GRUConfig) -> None:
        super().__init__(spec, config)
        depths = {"encoder-depth": config.encoder_depth, "decoder-depth": config.decoder_depth}
        check_counts(width=config.width, **depths)
        inputs, width = math.prod(spec.shape), config.width
        self.encoder = perceptron(inputs + spec.outputs, width, config.encoder_depth, width)
        self.read = nn.Linear(width, 3 * width)
        self.keep = nn.Linear(width, 3 * width)
        self.start = nn.Parameter(torch.zeros(width))
        self.decoder = perceptron(inputs + width, width, config.decoder_depth, 2 * spec.outputs)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``state`` [width]: s after all of the support."""
        told = torch.cat([flat(support.x, support.mask), flat(support.y, support.mask)], -1)
        read = self.read(self.encoder(told).relu())
        state: Tensor = self.start
        for at in reversed(range(len(read))):
            state = torch.where(support.mask[at], self._next(state, read[at]), state)
        return {"state": state}

    def _next(self, state: Tensor, read: Tensor) -> Tensor:
        """[width] after one more example, of which ``read`` [3 width] tells."""
        stay, reset, new = read.chunk(3)
        kept_stay, kept_reset, kept_new = self.keep(state).chunk(3)
        z = torch.sigmoid(stay + kept_stay)
        return (1 - z) * torch.tanh(new + torch.sigmoid(reset + kept_reset) * kept_new) + z * state

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Gaussian:
        """Mean and std [n, d] for ``x`` [n, *shape]."""
        x = flat(x, mask)
        return bounded(self.decoder(torch.cat([x, adapted["state"].expand(len(x), -1)], -1)))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: that of a cnp, over supports of every length."""
        return loss_of_some(self, task)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Cheap steps, many of them."""
        return {"shot": 10, "query": 10, "tasks_per_step": 64, "steps": 20_000}
