"""The plain loop: copy the parameters, step them with ``torch.autograd.grad``, differentiate the steps.

It is what every other way is checked against, and what learn2learn's MAML does.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from quickstudy.bench.job import Batch, Job, Way


def ways(job: Job) -> dict[str, Way]:
    """The loop over tasks."""
    return {"prototypes": lambda: prototypes(job)} if job.steps == 0 else {"loop": lambda: maml(job)}


def maml(job: Job) -> list[Tensor]:
    """One task after the other; the gradients add up in the net's parameters."""
    job.fresh()
    tasks = job.tasks
    for support, query in tasks:
        (adapted_loss(job, support, query) / len(tasks)).backward()
    return job.gradients()


def adapted_loss(job: Job, support: Batch, query: Batch) -> Tensor:
    """The loss on ``query`` after the inner steps on ``support``; scalar."""
    params = {name: value.clone() for name, value in job.net.named_parameters()}

    def loss(batch: Batch) -> Tensor:
        return job.loss(lambda x: functional_call(job.net, params, (x,)), batch)

    for _ in range(job.steps):
        grads = torch.autograd.grad(loss(support), list(params.values()), create_graph=not job.first_order)
        params = {name: value - job.rate * g for (name, value), g in zip(params.items(), grads, strict=True)}
    return loss(query)


def prototypes(job: Job) -> list[Tensor]:
    """Prototypical networks (Snell et al. 2017), one task after the other, support and query each in a pass."""
    job.fresh()
    tasks = job.tasks
    for (x, y), (x_query, y_query) in tasks:
        one_hot = torch.nn.functional.one_hot(y, job.way).to(x.dtype)
        means = one_hot.T @ job.net(x) / one_hot.sum(0).unsqueeze(-1)
        logits = -torch.cdist(job.net(x_query), means)
        (torch.nn.functional.cross_entropy(logits, y_query) / len(tasks)).backward()
    return job.gradients()
