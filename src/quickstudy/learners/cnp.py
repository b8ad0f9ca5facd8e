"""Conditional Neural Processes. Garnelo, Rosenbaum, Maddison, Ramalho, Saxton, Shanahan, Teh, Rezende, Eslami (2018),
"Conditional Neural Processes".

    r_i = h(x_i, y_i),   r = mean of r_i over the support                      (eq. 1, 2)
    mean, s = g(x, r),   y ~ N(mean, std^2),   std = 0.1 + 0.9 softplus(s)     (eq. 3; the bound is of the paper's code)
    min over h, g of E_N mean of -log N(y; mean, std^2) over all points of a task, given N of its support      (eq. 4)

N is uniform over 0, ..., n, for a support of n points. Of no points r is 0, and g(x, 0) is the prior that the tasks
with N = 0 teach.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.learners.base import Adapted, Gaussian, Learner, Traits
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Spec, Task, check_counts, masked_mean

LEAST_STD = 0.1


@dataclass(frozen=True, kw_only=True)
class CNPConfig:
    """Conditional neural process."""

    width: int = 128
    """Hidden units of every layer, and numbers that a support is summed up in."""
    encoder_depth: int = 4
    """Layers of h."""
    decoder_depth: int = 3
    """Layers of g."""


class CNP(Learner):
    """The support becomes one vector, the mean of its points' encodings; a decoder reads it beside each query."""

    traits: ClassVar[Traits] = Traits(kinds=("regression",))
    Config: ClassVar[type[Any]] = CNPConfig

    def __init__(self, spec: Spec, config: CNPConfig) -> None:
        super().__init__(spec, config)
        depths = {"encoder-depth": config.encoder_depth, "decoder-depth": config.decoder_depth}
        check_counts(width=config.width, **depths)
        inputs, width = math.prod(spec.shape), config.width
        self.encoder = perceptron(inputs + spec.outputs, width, config.encoder_depth, width)
        self.decoder = perceptron(inputs + width, width, config.decoder_depth, 2 * spec.outputs)

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``summary`` [width]: r."""
        return {"summary": masked_mean(self._encodings(support).T, support.mask)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Gaussian:
        """Mean and std [n, d] for ``x`` [n, *shape]."""
        x = flat(x, mask)
        return bounded(self.decoder(torch.cat([x, self._summary(adapted, x)], -1)))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: equation 4 with one N for the task, drawn from its key."""
        return loss_of_some(self, task)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Cheap steps, many of them."""
        return {"shot": 10, "query": 10, "tasks_per_step": 64, "steps": 20_000}

    def _encodings(self, support: Examples) -> Tensor:
        """[n, width]: r_i."""
        found: Tensor = self.encoder(torch.cat([flat(support.x, support.mask), flat(support.y, support.mask)], -1))
        return found

    def _summary(self, adapted: Adapted, x: Tensor) -> Tensor:
        """[n, width]: r, once for each row of ``x`` [n, inputs]."""
        return adapted["summary"].expand(len(x), -1)


def bounded(out: Tensor) -> Gaussian:
    """Means and, through equation 3, standard deviations of ``out`` [n, 2 d]."""
    mean, raw = out.chunk(2, -1)
    return Gaussian(mean, LEAST_STD + (1 - LEAST_STD) * F.softplus(raw))


def perceptron(inputs: int, width: int, depth: int, outputs: int) -> nn.Sequential:
    """``depth`` linear maps with ReLU between them."""
    sizes = [inputs, *[width] * (depth - 1), outputs]
    parts = [part for i in range(depth) for part in (nn.ReLU(), nn.Linear(sizes[i], sizes[i + 1]))]
    return nn.Sequential(*parts[1:])


def flat(x: Tensor, mask: Tensor) -> Tensor:
    """[n, ...] -> [n, numbers], with zeros for whatever stands in padding."""
    return torch.where(mask.unsqueeze(-1), x.flatten(1), 0)


def loss_of_some(learner: Learner, task: Task) -> Tensor:
    """Mean nll over support and query, given a random number of the support's examples, from none to all."""
    support, query = task.support, task.query
    most = support.mask.sum()
    some = (draw.uniform(task.key, 1, "shots") * (most + 1)).floor()
    given = support._replace(mask=support.mask & (support.mask.cumsum(0) <= some))
    mask = torch.cat([support.mask, query.mask])
    prediction = learner.predict(learner.adapt(given), torch.cat([support.x, query.x]), mask)
    return masked_mean(prediction.nll(torch.cat([support.y, query.y])), mask)
