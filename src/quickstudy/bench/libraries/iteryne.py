"""iteryne: the loop of its README."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from quickstudy.bench.job import Job, Way


def ways(job: Job, iteryne: Any) -> dict[str, Way]:
    """A clone of ``MAML`` for each task."""
    maml = iteryne.MAML(job.net, inner_lr=job.rate, inner_steps=job.steps, first_order=job.first_order)

    def once() -> list[Tensor]:
        job.fresh()
        tasks = job.tasks
        for support, query in tasks:
            learner = maml.clone()
            for _ in range(maml.inner_steps):
                learner.adapt(job.loss(learner, support))
            (job.loss(learner, query) / len(tasks)).backward()
        return job.gradients()

    return {"MAML": once}
