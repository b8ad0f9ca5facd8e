"""What learners share that pre-train on every training task at once and only then look at tasks one by one.

    min over theta, W of the mean of L(W f_theta(x), y) over the examples of all training tasks, pooled

In classification W is a head over all training classes (Chen et al. 2019, "A Closer Look at Few-shot Classification"),
thrown away at test; in regression it gives the numbers themselves. ``Pretrained`` is the training; ``Frozen`` adds an
adaptation that leaves the backbone as it is: it says in ``_state`` what it keeps of the support's features, and in
``_compare`` how features of queries are judged by it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy import nets
from quickstudy.errors import UserError
from quickstudy.learners.base import Learner, Point, class_labels
from quickstudy.learners.metric import Compares
from quickstudy.tasks.base import Spec, Task, WholeTasks, masked_mean


@dataclass(frozen=True, kw_only=True)
class PretrainedConfig(nets.NetConfig):
    """A learner that pre-trains."""

    transductive: bool = False
    """Normalise queries with their own moments (norm=task only)."""


class Pretrained(Learner):
    """Base of the learners that pre-train."""

    def __init__(self, spec: Spec, config: PretrainedConfig) -> None:
        config = nets.settled(config, spec.shape, norm="batch")
        super().__init__(spec, config)
        self.net = nets.build(config, spec.shape)
        self.transductive = nets.transductive(self.net, config.transductive)
        self.classifies = spec.kind == "classification"
        self.head = self._training_head(self.net.features, training_classes(spec) if self.classifies else spec.outputs)

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean error of backbone and head over support and query alike."""
        support, query = task.support, task.query
        mask = torch.cat([support.mask, query.mask])
        features, _ = self.net(torch.cat([support.x, query.x]), mask, None)
        out: Tensor = self.head(features)
        if self.classifies:
            return masked_mean(F.cross_entropy(out, class_labels(task), reduction="none"), mask)
        return masked_mean(Point(out).nll(torch.cat([support.y, query.y])), mask)

    def prepare(self, tasks: WholeTasks) -> None:
        """Fix the moments of norm=batch."""
        self.net.prepare(len(tasks), lambda number: tasks[number].x)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Batches of 300 images, or of 375 points from 25 tasks."""
        if spec.kind == "regression":
            return {"shot": 5, "query": 10, "tasks_per_step": 25, "steps": 20_000}
        return {"way": min(60, spec.classes or 60), "query": 4, "tasks_per_step": 1, "steps": 4000}

    def _training_head(self, features: int, outputs: int) -> nn.Module:
        """[n, features] -> [n, outputs]: what stands on the backbone while it is trained."""
        return nn.Linear(features, outputs)


class Frozen(Pretrained, Compares):
    """Base of those that leave the pre-trained backbone as it is."""


def pretraining(learner: Learner) -> nets.NetConfig | None:
    """What is trained where that is a classifier of all training classes: learners that agree here train the same.

    None for all others, whose net serves nobody but them.
    """
    if not isinstance(learner, Pretrained) or not learner.classifies:
        return None
    made = type(learner)
    if made.loss is not Pretrained.loss or made._training_head is not Pretrained._training_head:
        return None
    return nets.NetConfig(**{one.name: getattr(learner.config, one.name) for one in fields(nets.NetConfig)})


def training_classes(spec: Spec) -> int:
    """Number of training classes; UserError where they are unlimited."""
    if spec.classes is None:
        raise UserError(
            f"pre-training needs a fixed number of training classes, but those of {spec.name} are unlimited. Fix them, "
            f"for example glyphs:classes=1000, or use protonet."
        )
    return spec.classes
