"""What a task is, and what every task family offers.

Shape suffixes: T tasks in a batch, n examples of one task, way classes, d outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from quickstudy.devices import memory_bytes
from quickstudy.errors import UserError

Kind = Literal["classification", "regression"]
Form = Literal["numbers", "rows", "drawings", "photographs", "terms", "doses", "glucose", "ratings", "gaits", "lifts"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
HIGHER = ("accuracy", "top10", "mrr", "auroc", "ndcg10", "recall10")
"""Primary metrics of which more is better; of all others less is."""
SHARES = (*HIGHER, "coverage90", "zone_a", "zone_ab")
"""Metrics whose worst is 0; of all others it is infinity."""
NINETY = 1.6448536269514722
"""Half the width of the interval that holds 90 % of a normal distribution, in standard deviations."""


class Examples(NamedTuple):
    """n examples of one task; in a batch of tasks every leaf has a leading [T]."""

    x: Tensor
    """[n, ...] inputs."""
    y: Tensor
    """[n, way] one-hot labels, or [n, d] numbers in standard units."""
    mask: Tensor
    """[n] bool, False marks padding."""

    def to(self, device: torch.device | str) -> Examples:
        return pytree.tree_map(lambda leaf: leaf.to(device), self)


class Task(NamedTuple):
    """An episode: learn from the support, be judged on the query. A batch has [T] in front of every leaf."""

    support: Examples
    query: Examples
    classes: Tensor
    """[way] int64 ids of the classes within their split; [0] for regression."""
    unit: Tensor
    """[] int64 id of the patient, user or place; the episode's number where classes are drawn."""
    key: Tensor
    """[] int64; every random number of this task is hashed from it."""

    def to(self, device: torch.device | str) -> Task:
        return pytree.tree_map(lambda leaf: leaf.to(device), self)


Predict = Callable[[Tensor, Tensor], "NamedTuple"]
"""(x [T, n, ...], mask [T, n]) -> a prediction batched over tasks."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a learner has to know of a family in order to be built; saved with every run."""

    name: str
    """Canonical name with every option that is not at its default, for example ``omniglot:classes=alphabets``."""
    kind: Kind
    shape: tuple[int, ...]
    """Shape of one input."""
    outputs: int = 0
    """Numbers to predict in regression; 0 in classification."""
    classes: int | None = None
    """Training classes; None where they are unlimited or the kind is regression."""
    ways: int = 0
    """Classes of every task, where there can be no other number; 0 for any."""
    metric: str = "accuracy"
    """The primary metric: one of ``HIGHER``, or an error."""
    shot_unit: str = "example of each class"
    form: Form = "numbers"
    """What an input is: plain numbers, values and flags of a table's columns, ink of 1 on 0, light from 0 to 1, terms
    of an ontology, doses before a reading, the glucose of the last hours, an item that is rated, a robot's gait, or
    its lift."""
    names: tuple[str, ...] = ()
    """What each number of an input is, where it has a name."""
    parents: tuple[tuple[int, ...], ...] = ()
    """Of terms, each one's parents, by their places among ``names``."""
    fingerprint: str = ""
    """Hash of the data behind the family; empty where the data are computed."""

    @property
    def higher_is_better(self) -> bool:
        return self.metric in HIGHER


@dataclass(frozen=True)
class WholeTasks:
    """Whole tasks in a row, each made only when it is asked for: a few of many cost little."""

    count: int
    make: Callable[[int], Examples]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Examples:
        if not 0 <= number < self.count:
            raise IndexError(number)
        return self.make(number)

    def __iter__(self) -> Iterator[Examples]:
        return map(self.make, range(self.count))

    def to(self, device: torch.device) -> WholeTasks:
        """The same on ``device``."""
        return WholeTasks(self.count, lambda number: self.make(number).to(device))


@runtime_checkable
class TaskFamily(Protocol):
    """Where tasks come from."""

    spec: Spec
    splits: tuple[Split, ...]

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """Episodes ``index`` [T] of ``split``: a pure function of its arguments, whatever the order or the batch.

        ``way`` is ignored in regression; ``shot`` and ``query`` count examples of each class, or of the task.
        Raises UserError if the split cannot give them.
        """
        ...

    def tasks(self, split: Split) -> WholeTasks:
        """Every class, unit or task of the split whole (a bounded sample where they are unlimited)."""
        ...

    def members(self, split: Split) -> frozenset[str] | None:
        """Namespaced ids of the classes or units of a split; None where they are unlimited and disjoint by design."""
        ...

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """Each metric as [T]; the first is the primary one."""
        ...


@runtime_checkable
class OnDevice(Protocol):
    """A family that computes its tasks on whatever device ``index`` is."""

    on_device: bool


@runtime_checkable
class KnowsTheBest(Protocol):
    """A family that knows the best possible answer."""

    def oracle(self, task: Task) -> Tensor:
        """Its primary metric [T]: what no learner can beat on average."""
        ...


def balanced(x: Tensor, shot: int, classes: Tensor, index: Tensor, key: Tensor) -> Task:
    """Episodes ``index`` [T] with equally many examples ``x`` [T, way, shot + query, ...] of each of ``classes``."""
    tasks, way = classes.shape

    def examples(x: Tensor) -> Examples:
        y = torch.eye(way, device=x.device).repeat_interleave(x.shape[2], 0).expand(tasks, -1, -1)
        return Examples(x.flatten(1, 2), y, torch.ones(y.shape[:2], dtype=torch.bool, device=x.device))

    unit = index.to(torch.int64)
    return Task(examples(x[:, :, :shot]), examples(x[:, :, shot:]), classes=classes, unit=unit, key=key)


def check_split(family: TaskFamily, split: str) -> Split:
    """``split`` if ``family`` has it; UserError otherwise."""
    for known in family.splits:
        if known == split:
            return known
    raise UserError(f"{family.spec.name} has no split {split!r}. It has: {', '.join(family.splits)}.")


def check_counts(least: int = 1, **counts: int) -> None:
    """UserError unless every count is at least ``least``."""
    for name, count in counts.items():
        if count < least:
            raise UserError(f"--{name} is {count}; it must be at least {least}.")


def check_room(spec: Spec, tasks: int, *, way: int, shot: int, query: int) -> None:
    """UserError where the inputs of so many tasks at once would not fit into this machine's memory."""
    ways = way if spec.kind == "classification" else 1
    needed = 4 * tasks * ways * (shot + query) * math.prod(spec.shape)
    if needed > (there := memory_bytes()):
        raise UserError(
            f"--way {way}, --shot {shot} and --query {query} make {needed / 1e9:,.0f} GB of inputs a batch, and this "
            f"machine has {there / 1e9:,.0f} GB. Ask for fewer."
        )


def held90(error: Tensor, std: Tensor, mask: Tensor) -> Tensor:
    """[T] share of ``error`` [T, n] within the intervals for 90 % of a normal answer with ``std``; see ``NINETY``."""
    return masked_mean((error.abs() <= NINETY * std).to(error.dtype), mask)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` [..., n] where ``mask`` [..., n]; 0 where nothing is left."""
    kept = torch.where(mask, values, torch.zeros_like(values))
    return kept.sum(-1) / mask.sum(-1).clamp(min=1)


def accuracy(predict: Predict, task: Task) -> dict[str, Tensor]:
    """Share of a task's queries whose largest logit is the true class."""
    logits = predict(task.query.x, task.query.mask)[0]
    right = logits.argmax(-1) == task.query.y.argmax(-1)
    return {"accuracy": masked_mean(right.to(logits.dtype), task.query.mask)}


def squared_error(predict: Predict, task: Task) -> dict[str, Tensor]:
    """Mean squared error over a task's queries."""
    mean = predict(task.query.x, task.query.mask)[0]
    return {"mse": masked_mean((mean - task.query.y).square().mean(-1), task.query.mask)}
