"""learn2learn: a clone of ``MAML`` for each task."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quickstudy.bench.job import Job, Way


def ways(job: Job, learn2learn: Any) -> dict[str, Way]:
    """The loop of its README."""
    maml = learn2learn.algorithms.MAML(job.net, lr=job.rate, first_order=job.first_order)

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
