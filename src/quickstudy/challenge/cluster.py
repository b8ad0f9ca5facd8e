"""Rows of a challenge made over a cluster by Ray, one row a task.

Moritz et al. (2018), "Ray: A Distributed Framework for Emerging AI Applications". Ray begins the task of a worker that
has died once more, on whichever is left. Each machine needs this version of quickstudy, and the data of the families.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from quickstudy.challenge.many import Crew, Job, Made, made_there
from quickstudy.challenge.measure import Say
from quickstudy.errors import UserError

LOCAL = "local"
STORE = 100 * 2**20
"""Bytes of shared memory that a cluster of one's own reserves: rows are small."""
RETRIES = 3
NICENESS = "RAY_worker_niceness"
"""By which workers stand back behind other programs; 15, which Ray chooses, is to starve on a busy machine."""


def over(address: str) -> Crew:
    """The crew at ``address``, or ``local``: workers that are started here. UserError where there is none."""
    ray = engine()

    def crew(jobs: Sequence[Job], say: Say) -> Iterator[Made]:
        with contextlib.redirect_stdout(sys.stderr):  # where it also says what it has to say of workers that die
            join(ray, address)
            try:
                yield from over_workers(ray, jobs, say)
            finally:
                ray.shutdown()

    return crew


def over_workers(ray: Any, jobs: Sequence[Job], say: Say) -> Iterator[Made]:
    """A task a row, as they are done."""
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(made_there)
    waiting = {task.remote(job): job for job in jobs}
    while waiting:
        (done,), _ = ray.wait(list(waiting))
        job = waiting.pop(done)
        say(f"{job.entry}: done, {len(waiting)} to go")
        try:
            yield ray.get(done)
        except ray.exceptions.RayError as error:
            yield Made(job.entry, None, f"Ray gave it up ({str(error).strip().splitlines()[0]})")


def engine() -> Any:
    """Ray; UserError where it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise UserError("--ray needs Ray, which is not here. Install it: pip install 'quickstudy[cluster]'") from error
    return ray


def join(ray: Any, address: str) -> None:
    """Connect to a cluster, or start one; UserError where it does not answer."""
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == LOCAL:
            os.environ.setdefault(NICENESS, "0")
            ray.init(address=LOCAL, include_dashboard=False, object_store_memory=STORE, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise UserError(
            f"no cluster answers at --ray {address} ({said}). Start one with `ray start --head`, or say --ray local."
        ) from error
