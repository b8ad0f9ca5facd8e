"""higher: ``innerloop_ctx`` around each task, as in its example for Omniglot."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from quickstudy.bench.job import Job, Way


def ways(job: Job, higher: Any) -> dict[str, Way]:
    """One for second order. First order can detach each gradient, or keep no history and differentiate the end."""
    inner = torch.optim.SGD(job.net.parameters(), lr=job.rate)
    if job.first_order:
        return {"detached": partial(tracked, job, higher, inner), "untracked": partial(untracked, job, higher, inner)}
    return {"innerloop_ctx": partial(tracked, job, higher, inner)}


def tracked(job: Job, higher: Any, inner: torch.optim.Optimizer) -> list[Tensor]:
    """The steps stay in the graph; in first order their gradients are constants."""
    job.fresh()
    tasks = job.tasks
    detach = (lambda grads: [g.detach() for g in grads]) if job.first_order else None
    for support, query in tasks:
        with higher.innerloop_ctx(job.net, inner, copy_initial_weights=False) as (net, stepper):
            for _ in range(job.steps):
                stepper.step(job.loss(net, support), grad_callback=detach)
            (job.loss(net, query) / len(tasks)).backward()
    return job.gradients()


def untracked(job: Job, higher: Any, inner: torch.optim.Optimizer) -> list[Tensor]:
    """First order: the gradient at the adapted parameters is the meta-gradient."""
    total = [torch.zeros_like(p) for p in job.net.parameters()]
    tasks = job.tasks
    for support, query in tasks:
        with higher.innerloop_ctx(job.net, inner, track_higher_grads=False) as (net, stepper):
            for _ in range(job.steps):
                stepper.step(job.loss(net, support))
            grads = torch.autograd.grad(job.loss(net, query) / len(tasks), list(net.parameters()))
        total = [one + other for one, other in zip(total, grads, strict=True)]
    return total
