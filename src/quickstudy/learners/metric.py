"""What learners that compare embeddings share: one backbone for support and query, and how it is trained.

A learner of this kind says in ``_state`` what it keeps of the support's features, and in ``_compare`` how features of
queries are judged by it. Cosine learners have a scale s = exp(``log_scale``), learnt with the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy import nets
from quickstudy.errors import UserError
from quickstudy.learners.base import Adapted, Learner, Logits
from quickstudy.learners.proxies import Proxies
from quickstudy.tasks.base import Examples, Spec, Task, WholeTasks, masked_mean


@dataclass(frozen=True, kw_only=True)
class MetricConfig(nets.NetConfig):
    """A learner that compares embeddings."""

    proxies: bool = False
    """Train with one learned proxy for each training class beside the episodes (see ``proxies.py``); needs cosine."""
    transductive: bool = False
    """Normalise queries with their own moments (norm=task only)."""


class Metric(Learner):
    """Base of the learners that compare embeddings; ``scale`` is the start of the cosine's scale, None without one."""

    log_scale: Tensor

    def __init__(self, spec: Spec, config: MetricConfig, scale: float | None) -> None:
        super().__init__(spec, config)
        if config.proxies and scale is None:
            raise UserError("--proxies compares by cosine. Add --distance cosine.")
        self.net = nets.build(config, spec.shape, norm="batch")
        self.transductive = nets.transductive(self.net, config.transductive)
        if scale is not None:
            self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.proxies = Proxies.build(spec, self.net.features) if config.proxies else None

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        """What is kept of the support's ``features`` [n, f]."""
        raise NotImplementedError

    def _compare(self, adapted: Adapted, features: Tensor) -> Logits:
        """Logits [n, way] of queries with ``features`` [n, f]."""
        raise NotImplementedError

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``_state`` of the support's features, and the support's moments where the net keeps them (norm=task)."""
        features, moments = self._embed(support.x, support.mask, None)
        return self._state(features, support) | moments

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        """Logits [n, way] for ``x`` [n, *shape]."""
        return self._compare(adapted, self._embed(x, mask, None if self.transductive else adapted)[0])

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: cross-entropy of the query, or what ``proxies`` make of support and query."""
        support, query = self._both(task)
        if self.proxies is not None:
            unit = F.normalize(torch.cat([support, query]), dim=-1)
            loss: Tensor = self.proxies(unit, task, self.log_scale.exp())
            return loss
        prediction = self._compare(self._state(support, task.support), query)
        return masked_mean(prediction.nll(task.query.y), task.query.mask)

    def _embed(self, x: Tensor, mask: Tensor, moments: Adapted | None) -> tuple[Tensor, Adapted]:
        features, found = self.net(x, mask, moments)
        return features, found

    def _both(self, task: Task) -> tuple[Tensor, Tensor]:
        """Features of support and query as they are in training."""
        support, query = task.support, task.query
        if self.net.keeps_moments:
            features, moments = self._embed(support.x, support.mask, None)
            return features, self._embed(query.x, query.mask, None if self.transductive else moments)[0]
        # in one pass: one large convolution, and one set of batch moments
        x, mask = torch.cat([support.x, query.x]), torch.cat([support.mask, query.mask])
        features, _ = self._embed(x, mask, None)
        return features[: len(support.x)], features[len(support.x) :]

    def prepare(self, tasks: WholeTasks) -> None:
        """Fix the moments of norm=batch."""
        self.net.prepare(len(tasks), lambda number: tasks[number].x)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Many ways and one shot, for every learner of this kind."""
        return {"way": min(60, spec.classes or 60), "query": 4, "tasks_per_step": 1, "steps": 4000}
