"""TorchOpt: ``MetaSGD`` and the functional optimiser in a loop, and its example that maps the latter with vmap."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from quickstudy.bench.job import Batch, Job, Way


def ways(job: Job, torchopt: Any) -> dict[str, Way]:
    """Its three; ``MetaSGD`` has no first order."""
    made: dict[str, Way] = {"functional": partial(looped, job, torchopt), "vmap": partial(vectorised, job, torchopt)}
    return made if job.first_order else {"MetaSGD": meta_sgd(job, torchopt), **made}


def meta_sgd(job: Job, torchopt: Any) -> Way:
    """examples/few-shot/maml_omniglot.py, but with a ``backward`` for each task: the same, in less memory."""
    inner = torchopt.MetaSGD(job.net, lr=job.rate)

    def once() -> list[Tensor]:
        job.fresh()
        own = torchopt.extract_state_dict(job.net, by="reference", detach_buffers=True)
        state = torchopt.extract_state_dict(inner, by="reference")
        tasks = job.tasks
        for support, query in tasks:
            for _ in range(job.steps):
                inner.step(job.loss(job.net, support))
            (job.loss(job.net, query) / len(tasks)).backward()
            torchopt.recover_state_dict(job.net, own)
            torchopt.recover_state_dict(inner, state)
        return job.gradients()

    return once


def looped(job: Job, torchopt: Any) -> list[Tensor]:
    """The functional interface of its README, one task after the other."""
    job.fresh()
    rule = torchopt.sgd(lr=job.rate)
    names = [name for name, _ in job.net.named_parameters()]

    def loss(params: tuple[Tensor, ...], batch: Batch) -> Tensor:
        own = dict(zip(names, params, strict=True))
        return job.loss(lambda x: functional_call(job.net, own, (x,)), batch)

    tasks = job.tasks
    for support, query in tasks:
        params = tuple(job.net.parameters())
        state = rule.init(params)
        for _ in range(job.steps):
            grads = torch.autograd.grad(loss(params, support), params, create_graph=not job.first_order)
            updates, state = rule.update(grads, state, inplace=False)
            params = torchopt.apply_updates(params, updates, inplace=False)
        (loss(params, query) / len(tasks)).backward()
    return job.gradients()


def vectorised(job: Job, torchopt: Any) -> list[Tensor]:
    """examples/FuncTorch/maml_omniglot_vmap.py."""
    job.fresh()
    rule = torchopt.sgd(lr=job.rate)
    start: dict[str, Tensor] = dict(job.net.named_parameters())

    def loss(params: dict[str, Tensor], batch: Batch) -> Tensor:
        return job.loss(lambda x: functional_call(job.net, params, (x,)), batch)

    def of_task(support: Batch, query: Batch) -> Tensor:
        params, state = start, rule.init(start)
        for _ in range(job.steps):
            grads = grad(loss)(params, support)
            grads = {name: g.detach() for name, g in grads.items()} if job.first_order else grads
            updates, state = rule.update(grads, state, inplace=False)
            params = torchopt.apply_updates(params, updates, inplace=False)
        return loss(params, query)

    vmap(of_task)(job.supports, job.queries).mean().backward()
    return job.gradients()
