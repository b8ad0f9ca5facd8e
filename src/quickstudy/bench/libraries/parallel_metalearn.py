"""parallel-metalearn: its ``MAML``, which maps tasks with vmap, or takes them one after the other."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.bench.job import Job, Way

CHUNK = 8
"""The number of tasks at a time of its README's example; by default it takes 80."""


def ways(job: Job, metalearn: Any) -> dict[str, Way]:
    """Both backends; where there is batch normalisation, also with its own instead of PyTorch's, as in its models."""
    made = backends(job, job.net, "")
    if any(isinstance(part, nn.BatchNorm2d) for part in job.net.modules()):
        made |= backends(job, with_its_normalisation(job.net), "own norm, ")
    return made


def backends(job: Job, net: nn.Module, prefix: str) -> dict[str, Way]:
    """All tasks at once, some at a time, and one after the other."""
    options: dict[str, dict[str, Any]] = {
        "vmap": {},
        f"vmap of {CHUNK}": {"chunk_size": CHUNK},
        "sequential": {"backend": "sequential"},
    }
    return {prefix + name: maml(job, net, **option) for name, option in options.items()}


def with_its_normalisation(net: nn.Module) -> nn.Sequential:
    """A copy of a Sequential with its ``BatchNorm``, which is pure arithmetic, and the same weights.

    This is what its ``ModelTranslator`` is for, which in 0.5.6 fails at every BatchNorm (unexpected ``learn_gamma``).
    """
    own = importlib.import_module("metalearn.nn_models.basic_layers.BatchNormalization").BatchNorm
    parts: list[nn.Module] = []
    for part in copy.deepcopy(net).children():
        if isinstance(part, nn.BatchNorm2d):
            other = own(part.num_features, eps=part.eps, track_running_stats=False)
            other.load_state_dict(part.state_dict())
            parts.append(other)
        else:
            parts.append(part)
    return nn.Sequential(*parts)


class Body(nn.Module):
    """Layers of a net as its models are called: with flags beside the input."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor, **flags: Any) -> Any:
        return self.layers(x)


class Still(torch.optim.SGD):
    """An outer optimiser that leaves the parameters where they are: only gradients are asked for."""

    def step(self, closure: Any = None) -> Any:
        """Nothing."""


def maml(job: Job, net: nn.Module, **options: Any) -> Way:
    """The steps of its README's example on ``net``; ``options`` are further ones of its ``MAML``."""
    algorithms, wrappers, optimizers, losses = (
        importlib.import_module(f"metalearn.{name}")
        for name in ("algorithms", "model_wrappers", "inner_optimizers", "loss.base")
    )

    class Loss(losses.BaseLoss):  # type: ignore[misc, name-defined]
        """The job's, and no metric."""

        def forward(
            self, out_dict: dict[str, Tensor], targets: Tensor, model_states: Any = None, **flags: Any
        ) -> tuple[Tensor, Tensor]:
            loss = job.loss(lambda logits: logits, (out_dict["logits"], targets))
            return loss, torch.zeros_like(loss.detach())

    *body, head = net.children()
    model = wrappers.MAML_Model(backbone=Body(nn.Sequential(*body)), head=Body(head))
    inner = optimizers.InnerSGD(
        model.get_fast_weights(), first_order=job.first_order, inner_lr=job.rate, learn_lr=False
    )
    device = job.supports[0].device
    algorithm = algorithms.MAML(
        model=model,
        optimizer=Still(model.parameters()),
        inner_optimizer=inner,
        support_loss_fn=Loss(),
        inner_steps=job.steps,
        device=device,
        **options,
    )

    def tasks() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        while True:
            yield (*job.supports, *job.queries)

    forever = tasks()

    def once() -> list[Tensor]:
        algorithm.step(forever, training=True)
        return [p.grad for p in model.parameters() if p.grad is not None]

    return once
