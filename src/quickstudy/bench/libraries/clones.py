"""What learn2learn and iteryne have in common: a learner that is cloned for each task, and adapts itself to a loss."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quickstudy.bench.job import Job, Way


def ways(job: Job, maml: Any) -> dict[str, Way]:
    """A clone of ``maml`` for each task."""

    def once() -> list[Tensor]:
        job.fresh()
        tasks = job.tasks
        for support, query in tasks:
            learner = maml.clone()
            for _ in range(job.steps):
                learner.adapt(job.loss(learner, support))
            (job.loss(learner, query) / len(tasks)).backward()
        return job.gradients()

    return {"MAML": once}
