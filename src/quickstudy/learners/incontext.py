"""A transformer that learns in context: adaptation is reading the support. Kirsch, Harrison, Sohl-Dickstein, Metz
(2022), "General-Purpose In-Context Learning by Meta-Learning Transformers"; Fifty, Duan, Junkins, Amid, Leskovec, Re,
Thrun (2024), "Context-Aware Meta-Learning" (CAML).

    s_i = A f(x_i) + B y_i        a token for each support example; B y_i is the label vector of its class
    q   = A f(x) + u              a token for a query, with one learned vector where the label would stand
    every layer: tokens attend to the support's tokens, then a perceptron of their own
    logits = B' q / |b|           of what the last layer makes of q; |b| is the first length of a label vector

Nothing attends to a query, so each is answered on its own and the support is read once: its keys and values are what
adaptation finds. Label vectors start orthogonal; which class of a training task has which of the ``max_way`` vectors is
drawn from its key (the random label projections of GPICL), so that all of them are learnt, whatever the way.
In regression y_i are the numbers, y = C q + c, and a training task shows a random number of its support, from none to
all. f is the backbone, with its features normalised; it is trained with the rest.

A transformer that starts at random finds in-context learning only after a long plateau (GPICL). This one
starts as a matching network: tokens attend to those like them (equal queries and keys), and what they see there is
added as it is (outputs undo values), labels too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy.errors import UserError
from quickstudy.learners.attention import Attention
from quickstudy.learners.base import Adapted, Logits, Point, Prediction, Traits, only_present, present
from quickstudy.learners.cnp import bounded, loss_of_some, perceptron
from quickstudy.learners.glucose import readings
from quickstudy.learners.metric import Episodic, EpisodicConfig
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples, Spec, Task, check_counts, masked_mean

SHARPNESS = 1.5
"""Gain of queries and keys at the start."""


@dataclass(frozen=True, kw_only=True)
class InContextConfig(EpisodicConfig):
    """In-context learner."""

    layers: int = 4
    """Layers of the transformer."""
    tokens: int = 128
    """Numbers in a token."""
    heads: int = 4
    """Heads of every attention; they must divide the numbers in a token."""
    max_way: int = 20
    """Most classes that can be met."""
    readings: int = 1
    """How often the support is read, with columns and classes in other orders each time (readings.py)."""
    gaussian: bool = False
    """Predict a standard deviation beside the mean, and train by likelihood (regression only)."""


class InContext(Episodic):
    """A transformer reads the support and answers; labels are vectors, so that answers depend on their numbers."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"), transductive=True, equivariant=False)
    Config: ClassVar[type[Any]] = InContextConfig

    def __init__(self, spec: Spec, config: InContextConfig) -> None:
        check_counts(
            layers=config.layers, tokens=config.tokens, readings=config.readings, **{"max-way": config.max_way}
        )
        super().__init__(spec, config)
        self.classifies = spec.kind == "classification"
        if config.readings > 1 and not self.classifies:
            raise UserError("--readings are of classes, in other orders, and numbers have none. Leave it out.")
        if config.gaussian and self.classifies:
            raise UserError("--gaussian is for numbers, and classes have probabilities. Leave it out.")
        size = config.tokens
        self.inputs = nn.Sequential(nn.LayerNorm(self.net.features), nn.Linear(self.net.features, size))
        self.labels = nn.Linear(config.max_way if self.classifies else spec.outputs, size, bias=False)
        # a label vector is half as long as what stands beside it in a token
        self.length = 0.5 * (size / 3) ** 0.5 if self.classifies else 1.0
        nn.init.orthogonal_(self.labels.weight, self.length)
        self.unknown = nn.Parameter(torch.zeros(size))
        self.blocks = nn.ModuleList(Block(size, config.heads) for _ in range(config.layers))
        self.last = nn.LayerNorm(size)
        self.answer = None if self.classifies else nn.Linear(size, (1 + config.gaussian) * spec.outputs)

    @property
    def through_features(self) -> bool:
        """Whether it sees nothing of its inputs but their features: their order in other readings is more."""
        return self.config.readings == 1

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """Keys and values of every layer; [readings] in front of each where there are several."""
        if self.config.readings == 1:
            return super().adapt(support)
        self._check_way(support.y.shape[-1])
        return readings.read(super().adapt, support, self.config.readings, self.config.max_way, self.spec.form)

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        """Logits [n, way] or means [n, d] for ``x`` [n, *shape]."""
        if self.config.readings == 1:
            return super().predict(adapted, x, mask)
        one = super().predict
        return Logits(readings.answer(lambda own, x: one(own, x, mask)[0], adapted, x))

    def loss(self, task: Task, progress: float) -> Tensor:
        """Scalar: mean nll, over the query of classes under drawn numbers, or of points given some of the support."""
        if not self.classifies:
            return loss_of_some(self, task)
        support, query = self._both(task)
        numbers = draw.order(task.key, self.config.max_way, "labels")
        renumbered = task.support._replace(y=self._numbered(task.support.y)[:, numbers])
        prediction = self._compare(self._state(support, renumbered), query)
        return masked_mean(prediction.nll(self._numbered(task.query.y)[:, numbers]), task.query.mask)

    @classmethod
    def recipe(cls, spec: Spec) -> dict[str, Any]:
        """Tasks of many ways, or of few points."""
        if spec.kind == "regression":
            return {"shot": 10, "query": 10, "tasks_per_step": 25, "steps": 5000}
        return {"way": min(10, spec.classes or 10), "query": 4, "tasks_per_step": 4, "steps": 4000}

    def _state(self, features: Tensor, support: Examples) -> Adapted:
        """Keys and values [n, tokens] of every layer, the ``mask`` [n] of the support, the classes ``present``."""
        y = self._numbered(support.y) if self.classifies else support.y
        x = self.inputs(features) + self.labels(torch.where(support.mask.unsqueeze(-1), y, 0))
        found = {"mask": support.mask} | ({"present": present(support)} if self.classifies else {})
        for number, block in enumerate(cast(Iterable[Block], self.blocks)):
            keys, values = block.remember(x)
            found |= {f"layer{number}.keys": keys, f"layer{number}.values": values}
            x = block(x, keys, values, support.mask)
        return found

    def _compare(self, adapted: Adapted, features: Tensor) -> Prediction:
        x = self.inputs(features) + self.unknown
        for number, block in enumerate(self.blocks):
            x = block(x, adapted[f"layer{number}.keys"], adapted[f"layer{number}.values"], adapted["mask"])
        x = self.last(x)
        if self.answer is None:
            here = adapted["present"]
            logits = x @ self.labels.weight / self.length
            return Logits(only_present(logits[:, : len(here)], here))
        out = self.answer(x)
        return bounded(out) if self.config.gaussian else Point(out)

    def _numbered(self, y: Tensor) -> Tensor:
        """[n, way] -> [n, max_way]: classes that are not there have the last numbers."""
        self._check_way(y.shape[-1])
        return F.pad(y, (0, self.config.max_way - y.shape[-1]))

    def _check_way(self, way: int) -> None:
        """UserError for more classes than there are label vectors."""
        if way > (most := self.config.max_way):
            raise UserError(
                f"this learner has label vectors for {most} classes and met {way}. Use nearest or protonet, which meet "
                f"any number, or train it with --max-way {way}."
            )


class Block(nn.Module):
    """A transformer's layer that normalises first; whom its tokens attend to is given."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = Attention(size, heads)
        self.hidden = perceptron(size, 4 * size, 2, size)
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        """As a layer of a matching network."""
        own, hidden = self.attention, cast(nn.Linear, self.hidden[-1])
        for part in (own.query, own.key, own.value, own.out, hidden):
            nn.init.zeros_(part.bias)
        nn.init.orthogonal_(own.query.weight, SHARPNESS)
        own.key.weight.copy_(own.query.weight)
        nn.init.orthogonal_(own.value.weight)
        own.out.weight.copy_(own.value.weight.T)
        nn.init.zeros_(hidden.weight)

    def remember(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [n, size] of tokens ``x`` [n, size]."""
        x = self.first(x)
        return self.attention.remember(x, x)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Tokens ``x`` [m, size] after the layer, having attended to the rows ``mask`` [n] of keys and values."""
        x = x + self.attention(self.first(x), keys, values, mask)
        out: Tensor = x + self.hidden(self.second(x))
        return out
