"""Small tables that nobody has collected: a prior over what real ones look like.

Hollmann, Mueller, Eggensperger, Hutter (2023), "TabPFN: A Transformer That Solves Small Tabular Classification Problems
in a Second", section 4 and appendix C.1 (structural causal models). A table is drawn anew for every task:

    h0 = z,   h_l = f(h_(l-1) W_l) + s_l e      z, e ~ N(0, 1);  half of W is 0;  f is one of ACTIVATIONS, by the task

Causes z matter unequally, and every node is centred and scaled.

Columns are the values of some nodes of this network, or of two together, the class is what interval the value of
another one falls into. Intervals are of unequal size and either in the classes' order or scattered. In some tables the
class is a cause itself, as an illness is of its signs: the other causes then lie around a point of its own.
Some columns have few levels, with codes in no order; some are bent; most tables have fewer columns than there is room
for; some have gaps, some wrong labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from quickstudy.tasks import draw
from quickstudy.tasks.base import (
    Examples,
    Predict,
    Spec,
    Split,
    Task,
    WholeTasks,
    accuracy,
    balanced,
    check_counts,
    check_split,
)
from quickstudy.tasks.tabular.columns import COLUMNS, Rows, check_columns, rows, standardised

WIDTH = 6
"""Nodes of a layer."""
LAYERS = 2
NODES = WIDTH * (1 + LAYERS)
ACTIVATIONS: tuple[Callable[[Tensor], Tensor], ...] = (torch.tanh, lambda x: x, torch.abs, torch.sin, torch.relu)
SPARE = 4
"""Rows drawn for each that is kept, so that classes can be of unequal size before equally many of each are taken."""
STRONG = 1.0
"""Standard deviation of the logarithm of how much a cause matters: few make most of a table."""
LEVELS = 6
"""Most levels of a column that has few."""
CATEGORICAL, BENT, MIXED = 0.4, 0.3, 0.2
"""Shares of the columns that have few levels, are bent, or are two nodes together."""
GAPPY, SCATTERED, WRONG, CAUSING = 0.4, 0.3, 0.5, 0.4
"""Shares of the tables with gaps, scattered classes, errors, and classes that are causes."""
FAR = 3.0
"""Most that the points of such classes lie apart, in standard deviations of a cause."""
GAPS, ERRORS = 0.3, 0.15
"""Largest shares of gaps in a table, and of rows with a class at random."""
WHOLE_TABLES, WHOLE_WAY, WHOLE_ROWS = 100, 2, 20
"""What ``tasks`` gives: tables, classes of each, rows of each class."""


class Tables(Rows):
    """Classification of rows [2 ``columns``]: values in standard units of the support, and which of them are there."""

    splits: tuple[Split, ...] = ("train", "val", "test")
    on_device = True

    def __init__(self, *, columns: int = COLUMNS) -> None:
        check_columns("tables", columns)
        self.columns = columns
        name = "tables" + (f":columns={columns}" if columns != COLUMNS else "")
        self.spec = Spec(
            name=name, kind="classification", shape=(2 * columns,), shot_unit="row of each class", form="rows"
        )

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] tables of ``way`` classes, with ``shot`` support and ``query`` query rows of each."""
        check_counts(way=way, shot=shot, query=query)
        key = draw.keys(index, "tables", check_split(self, split), seed)
        each = shot + query
        cause = draw.bits(key, SPARE * way * each, "class as a cause") % way
        causing = draw.uniform(key, 1, "causing") < CAUSING
        nodes = network(key, torch.where(causing.unsqueeze(-1), points(key, cause, way), 0.0))
        label, target = labels(key, nodes, way)
        label = with_errors(key, torch.where(causing, cause, label), way)
        taken = torch.stack([stratum(key, label == number, each, f"class {number}") for number in range(way)], 1)
        x = rows(*self._values(key, nodes, target))
        x = x.gather(1, taken.flatten(1).unsqueeze(-1).expand(-1, -1, x.shape[-1])).unflatten(1, (way, each))
        return standardised(balanced(x, shot, draw.bits(key, way, "classes"), index, key))

    def tasks(self, split: Split) -> WholeTasks:
        """A class of a table each."""
        table = self.sample(split, torch.arange(WHOLE_TABLES), way=WHOLE_WAY, shot=WHOLE_ROWS, query=1, seed=0).support
        x = table.x.unflatten(1, (WHOLE_WAY, WHOLE_ROWS)).flatten(0, 1)
        here = torch.ones(WHOLE_ROWS, dtype=torch.bool)
        return WholeTasks(len(x), lambda number: Examples(x[number], torch.ones(WHOLE_ROWS, 1), here))

    def members(self, split: Split) -> frozenset[str] | None:
        """None: tables are unlimited, and each split hashes its own."""
        return None

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """``accuracy``: share of right answers among the query rows [T]."""
        return accuracy(predict, task)

    def _values(self, key: Tensor, nodes: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Columns [T, n, C] made of ``nodes`` [T, n, NODES] but ``target`` [T, 1], and which values are there."""
        count, most = nodes.shape[1], NODES - 1
        free = torch.ones(len(key), NODES, dtype=torch.bool, device=key.device).scatter(1, target, False)
        chosen = draw.order(key, NODES, "columns", most, allowed=free)
        number = torch.arange(self.columns, device=key.device)
        first, second = chosen[:, number % most], chosen.gather(1, draw.bits(key, self.columns, "second") % most)
        mixed = (draw.uniform(key, self.columns, "mixed") < MIXED) | (number >= most)
        share = torch.where(mixed, draw.normal(key, self.columns, "share"), 0.0).unsqueeze(1)
        one, other = (nodes.gather(2, part.unsqueeze(1).expand(-1, count, -1)) for part in (first, second))
        values = few_levels(key, bent(key, (one + share * other) / (1 + share.square()).sqrt()))
        used = draw.uniform(key, 1, "used", 0.3, math.log(self.columns + 0.99)).exp().long().clamp(max=self.columns)
        gappy = draw.uniform(key, 1, "gappy") < GAPPY
        share = torch.where(gappy, draw.uniform(key, 1, "gaps", high=GAPS), 0.0).unsqueeze(-1)
        kept = draw.uniform(key, count * self.columns, "kept").view(-1, count, self.columns) >= share
        return values, kept & (torch.arange(self.columns, device=key.device) < used).unsqueeze(1)


def points(key: Tensor, label: Tensor, way: int) -> Tensor:
    """Where the causes of rows of the class ``label`` [T, n] lie: [T, n, WIDTH]."""
    far = draw.uniform(key, 1, "far", 0.2, FAR).unsqueeze(-1)
    points = far * draw.normal(key, way * WIDTH, "points").view(-1, way, WIDTH)
    return points.gather(1, label.unsqueeze(-1).expand(-1, -1, WIDTH))


def network(key: Tensor, around: Tensor) -> Tensor:
    """[T] keys -> nodes [T, n, NODES] of a network each, centred and scaled; causes are ``around`` [T, n, WIDTH]."""
    count = around.shape[1]
    kind = draw.bits(key, 1, "activation").view(-1, 1, 1, 1) % len(ACTIVATIONS)
    spread = (draw.normal(key, LAYERS, "noise") - 2).exp()
    weighty = (STRONG * draw.normal(key, WIDTH, "strength")).exp().unsqueeze(-1)
    layers = [_scaled(around + draw.normal(key, count * WIDTH, "causes").view(-1, count, WIDTH))]
    for number in range(LAYERS):
        weight = draw.normal(key, WIDTH**2, f"weights {number}") * math.sqrt(2 / WIDTH)
        weight = torch.where(draw.uniform(key, WIDTH**2, f"links {number}") < 0.5, weight, 0.0).view(-1, WIDTH, WIDTH)
        moved = layers[-1] @ (weight if number else weight * weighty)
        made = torch.stack([activation(_scaled(moved)) for activation in ACTIVATIONS], -1)
        made = made.gather(-1, kind.expand(-1, count, WIDTH, -1)).squeeze(-1)
        noise = draw.normal(key, count * WIDTH, f"noise {number}").view_as(made)
        layers.append(_scaled(made + spread[:, number].view(-1, 1, 1) * noise))
    return torch.cat(layers, -1)


def labels(key: Tensor, nodes: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """The class [T, n] of each row of ``nodes``, and the node [T, 1] that decides it, which is none of the causes."""
    target = WIDTH + draw.bits(key, 1, "target") % (NODES - WIDTH)
    value = nodes.gather(2, target.unsqueeze(1).expand(-1, nodes.shape[1], -1)).squeeze(-1)
    share = ranks(value) / value.shape[1]
    ends = draw.uniform(key, 2 * way, "intervals", 0.5, 1.5).cumsum(-1)
    interval = torch.searchsorted((ends / ends[:, -1:])[:, :-1].contiguous(), share)
    ordered = draw.order(key, way, "order").gather(1, interval // 2)
    scattered = draw.order(key, 2 * way, "scatter").gather(1, interval) % way
    return torch.where(draw.uniform(key, 1, "scattered") < SCATTERED, scattered, ordered), target


def with_errors(key: Tensor, label: Tensor, way: int) -> Tensor:
    """``label`` [T, n], in some tables with a class at random in some rows."""
    wrong = torch.where(draw.uniform(key, 1, "wrong") < WRONG, draw.uniform(key, 1, "errors", high=ERRORS), 0.0)
    at_random = draw.bits(key, label.shape[1], "error class") % way
    return torch.where(draw.uniform(key, label.shape[1], "error") < wrong, at_random, label)


def stratum(key: Tensor, own: Tensor, count: int, stream: str) -> Tensor:
    """Positions [T, count] of rows, of those that are ``own`` [T, n] as far as there are enough."""
    return draw.order(key, own.shape[1], stream, count, allowed=own)


def bent(key: Tensor, values: Tensor) -> Tensor:
    """Some of the columns of ``values`` [T, n, C] through an exponential: long tails, as amounts have them."""
    chosen = draw.uniform(key, values.shape[-1], "bent").unsqueeze(1) < BENT
    return torch.where(chosen, (values.clamp(max=4.0)).exp(), values)


def few_levels(key: Tensor, values: Tensor) -> Tensor:
    """Some of the columns of ``values`` [T, n, C] as codes of two levels to ``LEVELS``, in no order."""
    columns = values.shape[-1]
    count = 2 + draw.bits(key, columns, "levels").unsqueeze(1) % (LEVELS - 1)
    share = ranks(values.mT.contiguous()).mT / values.shape[1]
    power = draw.uniform(key, columns, "sizes", 0.5, 2.0).unsqueeze(1)
    level = (share.pow(power) * count).to(torch.int64).clamp(max=LEVELS - 1)
    codes = draw.order(draw.bits(key, columns, "codes"), LEVELS, "code").mT
    chosen = draw.uniform(key, columns, "categorical").unsqueeze(1) < CATEGORICAL
    return torch.where(chosen, codes.gather(1, level).to(values.dtype), values)


def ranks(values: Tensor) -> Tensor:
    """How many of ``values`` [..., n] come before each: 0 to n - 1."""
    order = values.argsort(-1)
    return torch.empty_like(order).scatter_(
        -1, order, torch.arange(values.shape[-1], device=order.device).expand_as(order)
    )


def _scaled(values: Tensor) -> Tensor:
    """[T, n, H] with mean 0 and variance 1 in each column of each table."""
    var, mean = torch.var_mean(values, 1, correction=0, keepdim=True)
    return (values - mean) * torch.rsqrt(var + 1e-6)
