"""Small nets, each of one kind of layer and few weights, a learner that takes inner steps on them, and its tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from quickstudy.inner import Rule, sgd, unroll
from quickstudy.inner.unroll import Gradient

TASKS, EACH, SIDE, WAY = 3, 4, 6, 3


class Recurrent(nn.Module):
    """The last state of a recurrent net over the rows of a picture, as logits."""

    def __init__(self, kind: type[nn.LSTM | nn.GRU | nn.RNN]) -> None:
        super().__init__()
        self.cell = kind(SIDE, WAY, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x[:, 0])[0][:, -1]


class Attention(nn.Module):
    """Self-attention over the rows of a picture, the mean of which are logits: more than there are classes."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(SIDE, 2, bias=False, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        rows = x[:, 0]
        return self.attend(rows, rows, rows, need_weights=False)[0].mean(1)


class Tied(nn.Module):
    """One weight used twice, and one that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = (nn.Linear(SIDE**2, size, bias=False) for size in (SIDE**2, SIDE**2, WAY))
        self.two.weight = self.one.weight
        self.unused = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.two(self.one(x.flatten(1)).tanh()).tanh())


def convolutional(norm: nn.Module, bias: bool = False) -> nn.Module:
    """Its channels are the logits: one more than there are classes."""
    conv = nn.Conv2d(1, WAY + 1, 3, padding=1, bias=bias)
    return nn.Sequential(conv, norm, nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 5), nn.Tanh(), nn.Linear(5, WAY)),
    "tied": Tied,
    "batchnorm": lambda: convolutional(nn.BatchNorm2d(WAY + 1, track_running_stats=False), bias=True),
    "layernorm": lambda: convolutional(nn.LayerNorm([WAY + 1, SIDE, SIDE])),
    "groupnorm": lambda: convolutional(nn.GroupNorm(2, WAY + 1)),
    "instancenorm": lambda: convolutional(nn.InstanceNorm2d(WAY + 1, affine=True)),
    "rnn": lambda: Recurrent(nn.RNN),
    "gru": lambda: Recurrent(nn.GRU),
    "lstm": lambda: Recurrent(nn.LSTM),
    "attention": Attention,
}
STEPWISE = ("rnn", "gru", "lstm")
"""PyTorch's recurrent nets write in place, which vmap cannot do with weights of each task's own."""


class Part(NamedTuple):
    """Examples of a task; batched, [TASKS] in front."""

    x: Tensor
    label: Tensor


class Episode(NamedTuple):
    support: Part
    query: Part


def episodes(tasks: int = TASKS) -> Episode:
    """Pictures with [tasks] in front."""
    generator = torch.Generator().manual_seed(0)

    def part() -> Part:
        label = torch.arange(WAY).repeat(2)[:EACH].expand(tasks, -1)
        x = torch.randn(tasks, EACH, 1, SIDE, SIDE, generator=generator, dtype=torch.float64)
        return Part(x + label[..., None, None, None], label)

    return Episode(part(), part())


class Inner(nn.Module):
    """A learner whose rate and whose inner temperature are learnt too; the temperature comes to the loss in given."""

    def __init__(self, layer: str, rule: Callable[[Tensor], Rule], steps: int, gradient: Gradient) -> None:
        super().__init__()
        self.net, self.make, self.steps, self.gradient = LAYERS[layer](), rule, steps, gradient
        self.rate, self.temperature = nn.Parameter(torch.tensor(0.1)), nn.Parameter(torch.tensor(1.3))

    def inner(self, weights: dict[str, Tensor], given: tuple[Tensor, Part]) -> Tensor:
        temperature, part = given
        return F.cross_entropy(functional_call(self.net, weights, (part.x,)) / temperature, part.label)

    def forward(self, task: Episode, progress: float) -> Tensor:
        given = (self.temperature, task.support)
        weights = dict(self.net.named_parameters())
        weights = unroll(self.inner, weights, self.make(self.rate), self.steps, self.gradient, given)
        return self.inner(weights, (self.temperature, task.query))


def build(layer: str, rule: Callable[[Tensor], Rule] = sgd, steps: int = 3, gradient: Gradient = "exact") -> Inner:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Inner(layer, rule, steps, gradient).double()
