"""This library: with everything on auto, and batched as auto does later on."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.bench.job import Job, Way
from quickstudy.inner import batch, meta_grad, sgd
from quickstudy.inner.unroll import Kind
from quickstudy.learners.base import Adapted, Learner, Logits, Traits, class_means
from quickstudy.tasks.base import Examples, Spec, Task


def ways(job: Job) -> dict[str, Way]:
    """``meta_grad``; for prototypical networks a learner of eight lines around the net, batched as the trainer does."""
    if job.steps == 0:
        return {"learner": prototypes(job)}
    if len(job.supports[0]) == 1:  # about memory; one task alone leaves nothing to batch
        return {"mixed": partial(maml, job, "mixed", "loop"), "recomputed": partial(maml, job, "recomputed", "loop")}
    once = partial(maml, job, "first-order" if job.first_order else "exact")
    # what auto comes to after 30 calls, and after a minute of calls
    late = ("recorded",) if batch.convolves(job.net) else batch.WRITTEN
    return {"auto": once, **{how: partial(once, how=how) for how in late}}


def maml(job: Job, gradient: Kind, how: batch.How | Literal["auto"] = "auto") -> list[Tensor]:
    """``meta_grad`` as a user calls it."""
    found = meta_grad(
        job.net, job.loss, job.supports, job.queries, rule=sgd(job.rate), steps=job.steps, gradient=gradient, how=how
    )
    return [found.params[name] for name, _ in job.net.named_parameters()]


class Prototypes(Learner):
    """A class is the mean of its support's features; nearer is likelier."""

    traits: ClassVar[Traits] = Traits(kinds=("classification",))

    def __init__(self, spec: Spec, net: nn.Module) -> None:
        super().__init__(spec, None)
        self.net = net

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        return {"means": class_means(self.net(support.x), support)}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
        return Logits(-torch.cdist(self.net(x), adapted["means"]))


def prototypes(job: Job) -> Way:
    """A meta-gradient of ``Prototypes`` around the net, taken as in a training."""
    spec = Spec(name="bench", kind="classification", shape=tuple(job.supports[0].shape[2:]))
    learner = Prototypes(spec, job.net)
    support, query = (examples(*part, way=job.way) for part in (job.supports, job.queries))
    count = torch.arange(len(support.x))
    tasks = Task(support, query, classes=count.unsqueeze(-1).expand(-1, job.way), unit=count, key=count)
    how = batch.usual(learner)

    def once() -> list[Tensor]:
        _, grads = batch.meta_gradient(learner, tasks, 0.0, how, inside=learner.traits.gradient_in_loss)
        return [grads[f"net.{name}"] for name, _ in job.net.named_parameters()]

    return once


def examples(x: Tensor, y: Tensor, way: int) -> Examples:
    """Inputs x [T, n, ...] and integer labels y [T, n] as this library has them."""
    return Examples(x, F.one_hot(y, way).to(x.dtype), torch.ones_like(y, dtype=torch.bool))
