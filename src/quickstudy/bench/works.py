"""The works by which libraries are compared, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from torch import nn

from quickstudy.bench import nets
from quickstudy.bench.job import Loss, cross_entropy, squared_error

Measure = Literal["seconds", "bytes", "share"]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One comparison: a net, episodes, and how to adapt to them."""

    says: str
    """What it is, in a line."""
    net: Callable[[], nn.Module]
    loss: Loss
    images: tuple[int, int] | None
    """Channels and side of an image; None for waves."""
    tasks: int
    way: int
    shot: int
    query: int
    """Of each class; for waves points of the task."""
    steps: int
    """0 for prototypical networks."""
    rate: float
    first_order: bool = False
    measure: Measure = "seconds"
    """Time; the growth of peak memory; or the share of this machine's own peak that is reached."""
    goal: float = 1.0
    """How many times better than the best other library this one wants to be; of a share, the share itself."""

    @property
    def learns(self) -> str:
        """The kind of work, as libraries have it."""
        return "maml" if self.steps else "prototypes"


SINE = partial(
    Work, net=nets.mlp, loss=squared_error, images=None, tasks=25, way=0, shot=10, query=10, rate=0.01
)  # fmt: skip
OMNIGLOT = partial(
    Work,
    net=partial(nets.conv4, 1, 64, 28, 5),
    loss=cross_entropy,
    images=(1, 28),
    tasks=16,
    way=5,
    shot=1,
    query=5,
)
WORKS = {
    "sine-1": SINE(says="sine waves, 10 shot, MLP 40-40, 1 step", steps=1, goal=8.0),
    "sine-5": SINE(says="sine waves, 10 shot, MLP 40-40, 5 steps", steps=5, goal=8.0),
    "omniglot-1": OMNIGLOT(says="characters, 5-way 1-shot, Conv4-64, 1 step", steps=1, rate=0.4, goal=2.0),
    "omniglot-5": OMNIGLOT(says="characters, 5-way 1-shot, Conv4-64, 5 steps", steps=5, rate=0.1, goal=2.0),
    "rgb-5": Work(
        says="coloured characters of 32 pixels, 5-way 5-shot, Conv4-32, 5 steps",
        net=partial(nets.conv4, 3, 32, 32, 5),
        loss=cross_entropy,
        images=(3, 32),
        tasks=4,
        way=5,
        shot=5,
        query=15,
        steps=5,
        rate=0.1,
        goal=1.5,
    ),
    "omniglot-5-first-order": OMNIGLOT(
        says="characters, 5-way 1-shot, Conv4-64, 5 steps, first order", steps=5, rate=0.1, first_order=True, goal=2.5
    ),
    "memory-50": replace(
        OMNIGLOT(says="characters, 5-way 1-shot, Conv4-64, 50 steps on one task: memory", steps=50, rate=0.01),
        tasks=1,
        measure="bytes",
        goal=10.0,
    ),
    "protonet": Work(
        says="characters, 20-way 5-shot, Conv4-64, a step of a prototypical network",
        net=partial(nets.conv4, 1, 64, 28, None),
        loss=cross_entropy,
        images=(1, 28),
        tasks=8,
        way=20,
        shot=5,
        query=15,
        steps=0,
        rate=0.0,
        goal=2.0,
    ),
    "peak": replace(
        OMNIGLOT(says="omniglot-1 as a share of this machine's own peak", steps=1, rate=0.4), measure="share", goal=0.5
    ),
}
