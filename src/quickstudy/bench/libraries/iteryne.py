"""iteryne: the loop of its README."""

from __future__ import annotations

from typing import Any

from quickstudy.bench.job import Job, Way
from quickstudy.bench.libraries import clones


def ways(job: Job, iteryne: Any) -> dict[str, Way]:
    """The loop of its README."""
    return clones.ways(
        job, iteryne.MAML(job.net, inner_lr=job.rate, inner_steps=job.steps, first_order=job.first_order)
    )
