"""What learners share that embed support and query with one backbone, and how that is trained.

A learner of this kind says in ``_state`` what it keeps of the support's features, and in ``_compare`` how features of
queries are judged by it. Those that compare by cosine have a scale s = exp(``log_scale``), learnt with the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy import nets
from quickstudy.errors import UserError
from quickstudy.learners.base import Adapted, Learner, Prediction
from quickstudy.learners.proxies import Proxies
from quickstudy.nets.backbone import Backbone
from quickstudy.tasks.base import Examples, Spec, Task, WholeTasks, masked_mean


@dataclass(frozen=True, kw_only=True)
class EpisodicConfig(nets.NetConfig):
    """A learner whose backbone is trained through what it makes of the support's features."""

    transductive: bool = False
    """Normalise queries with their own moments (norm=task only)."""


@dataclass(frozen=True, kw_only=True)
class MetricConfig(EpisodicConfig):
    """A learner that compares embeddings."""

    proxies: bool = False
    """Train with one learned proxy for each training class beside the episodes (see ``proxies.py``); needs cosine."""


class Compares(Learner):
    """Adaptation and prediction of every learner that keeps something of the support's features."""

    net: Backbone

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        """What is kept of the support's ``features`` [n, f]."""
        raise NotImplementedError

    def _compare(self, adapted: Adapted, features: Tensor) -> Prediction:
        """Logits [n, way] or means [n, d] of queries with ``features`` [n, f]."""
        raise NotImplementedError

    @property
    def through_features(self) -> bool:
        """Whether it sees nothing of its inputs but their features."""
        made = type(self)
        return made.adapt is Compares.adapt and made.predict is Compares.predict and made._embed is Compares._embed

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """``_state`` of the support's features, and the support's moments where the net keeps them (norm=task)."""
        features, moments = self._embed(support.x, support.mask, None)
        return self._state(features, support) | moments

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        """Logits [n, way] or means [n, d] for ``x`` [n, *shape]."""
        return self._compare(adapted, self._embed(x, mask, None if self.transductive else adapted)[0])

    def _embed(self, x: Tensor, mask: Tensor, moments: Adapted | None) -> tuple[Tensor, Adapted]:
        features, found = self.net(x, mask, moments)
        return features, found


class Episodic(Compares):
    """Base of the learners whose backbone embeds support and query together and is trained through both.

    ``images`` is the backbone that they use for images if none is named.
    """

    def __init__(self, spec: Spec, config: EpisodicConfig, images: str = "conv4") -> None:
        config = nets.settled(config, spec.shape, norm="batch", images=images)
        super().__init__(spec, config)
        self.net = nets.build(config, spec.shape)
        self.transductive = nets.transductive(self.net, config.transductive)

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean error of the query, or what else ``_loss`` makes of the features."""
        support, query = self._both(task)
        return self._loss(support, query, task)

    def _loss(self, support: Tensor, query: Tensor, task: Task) -> Tensor:
        """Scalar, from features [n, f] of the ``support`` and ``query`` of ``task``."""
        prediction = self._compare(self._state(support, task.support), query)
        return masked_mean(prediction.nll(task.query.y), task.query.mask)

    def prepare(self, tasks: WholeTasks) -> None:
        """Fix the moments of norm=batch."""
        self.net.prepare(len(tasks), lambda number: tasks[number].x)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Many ways and one shot in one task a step; in regression many tasks."""
        if spec.kind == "regression":
            return {"shot": 5, "query": 10, "tasks_per_step": 25, "steps": 20_000}
        return {"way": min(60, spec.classes or 60), "query": 4, "tasks_per_step": 1, "steps": 4000}

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


class Metric(Episodic):
    """Base of the learners that compare embeddings; ``scale`` is the start of the cosine's scale, None without one."""

    log_scale: Tensor

    def __init__(self, spec: Spec, config: MetricConfig, scale: float | None) -> None:
        if config.proxies and scale is None:
            raise UserError("--proxies compares by cosine. Add --distance cosine.")
        super().__init__(spec, config)
        if scale is not None:
            self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.proxies = Proxies.build(spec, self.net.features) if config.proxies else None

    def lean(self) -> Learner:
        """Without the proxies."""
        if self.proxies is None:
            return self
        made: Learner = cast(Any, type(self))(self.spec, replace(self.config, proxies=False))
        made.load_state_dict({name: value for name, value in self.state_dict().items() if "proxies" not in name})
        return made.train(self.training)

    def _loss(self, support: Tensor, query: Tensor, task: Task) -> Tensor:
        """Scalar: cross-entropy of the query, or what ``proxies`` make of support and query."""
        if self.proxies is None:
            return super()._loss(support, query, task)
        unit = F.normalize(torch.cat([support, query]), dim=-1)
        loss: Tensor = self.proxies(unit, task, self.log_scale.exp())
        return loss


def with_one(features: Tensor) -> Tensor:
    """[n, f] -> [n, f + 1]: a constant 1 beside the features, whose weight is the bias of a linear head."""
    return torch.cat([features, torch.ones_like(features[:, :1])], -1)
