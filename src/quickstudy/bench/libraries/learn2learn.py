"""learn2learn: a clone of ``MAML`` for each task."""

from __future__ import annotations

from typing import Any

from quickstudy.bench.job import Job, Way
from quickstudy.bench.libraries import clones


def ways(job: Job, learn2learn: Any) -> dict[str, Way]:
    """The loop of its README."""
    return clones.ways(job, learn2learn.algorithms.MAML(job.net, lr=job.rate, first_order=job.first_order))
