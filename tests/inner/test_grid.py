"""The grid layer x rule x kind of meta-gradient x way of batching x steps, against a plain loop of ``torch.autograd``.

The whole product is run in the slow suite; here every pair of these is met, pairs after 3 steps, for what a rule keeps
shows from the second on. Numbers of rules are such that 1e-10 means something: the root of a squared gradient, and its
derivative, lose as many digits as a gradient is smaller than eps. Nets, and what an implicit gradient has to be solved
to, are as small as they can be, for each point is computed in a fresh way, and a recording is made for each.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import NamedTuple

import pytest
import torch
from layers import LAYERS, STEPWISE, Episode, Inner, Part, build, episodes
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from quickstudy.inner import RULES, Implicit, Rule, Truncated, batch, recorded
from quickstudy.inner.rules import Params
from quickstudy.inner.unroll import KINDS, Gradient

TASKS, PROXIMAL, TOLERANCE = 2, 40.0, 1e-10
GRADIENTS: dict[str, Gradient] = {
    **{kind: kind for kind in KINDS},
    "truncated": Truncated(1),
    "implicit": Implicit(proximal=PROXIMAL, iterations=10),
}
WIDE = ("adam", "adamw", "adamax", "nadam", "radam", "rmsprop", "adagrad", "adadelta")
"""Rules that divide by the size of a gradient."""
OPTIONS = {"sgd": {"momentum": 0.9}, "rmsprop": {"alpha": 0.5, "eps": 0.05}} | {
    name: {"eps": 0.05} for name in ("adam", "adamw", "adamax", "nadam", "radam", "adagrad", "adadelta")
}
MAKES: dict[str, Callable[[Tensor], Rule]] = {
    name: partial(make, **OPTIONS.get(name, {})) for name, make in RULES.items()
}


class Point(NamedTuple):
    """Of the grid."""

    layer: str
    rule: str
    kind: str
    how: batch.How
    steps: int

    def exists(self) -> bool:
        """Whether it is not refused: recordings hold no forward mode, and vmap no writing in place."""
        if self.how == "recorded" and self.kind in ("mixed", "implicit"):
            return False
        return self.layer not in STEPWISE or self.how in ("threads", "loop")


FACTORS = (LAYERS, RULES, GRADIENTS, batch.EAGER, (1, 3))
POINTS = [point for values in itertools.product(*FACTORS) if (point := Point(*values)).exists()]


@pytest.fixture(autouse=True)
def small_chunks(seemingly_two_cores: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Chunks of one task, so that two tasks are two; no time for how many threads would play a recording fastest."""
    monkeypatch.setattr(batch, "CHUNK", 1)
    monkeypatch.setattr(recorded, "_threads", lambda graph, leaves: 2)
    recorded.RECORDINGS.clear()
    yield
    recorded.RECORDINGS.clear()


def learner(layer: str, rule: str, kind: str, steps: int) -> Inner:
    return build(layer, MAKES[rule], steps, GRADIENTS[kind])


def tasks() -> Episode:
    return episodes(TASKS)


SAME = {"mixed": "exact", "recomputed": "exact"}
"""Kinds that are the same gradient, in less memory."""


@cache
def wanted(layer: str, rule: str, kind: str, steps: int) -> Params:
    """The mean meta-gradient by ``torch.autograd.grad`` alone."""
    one = learner(layer, rule, kind, steps)
    of_task = implicit if kind == "implicit" else plain
    with sdpa_kernel(SDPBackend.MATH):
        each = [of_task(one, batch.take(tasks(), number)) for number in range(TASKS)]
    return {name: torch.stack([grads[name] for grads in each]).mean(0) for name in each[0]}


def gradients(value: Tensor, at: Params, graph: bool = False) -> Params:
    found = torch.autograd.grad(value, list(at.values()), create_graph=graph, materialize_grads=True)
    return dict(zip(at, found, strict=True))


def plain(learner: Inner, task: Episode) -> Params:
    """Through the steps."""
    rule, start = learner.make(learner.rate), dict(learner.net.named_parameters())
    params, state = start, rule.init(start)
    for step in range(learner.steps):
        loss = learner.inner(params, (learner.temperature, task.support))
        grads = gradients(loss, params, graph=learner.gradient != "first-order")
        params, state = rule.update(rule.hyper, grads, state, params, step)
        if learner.gradient == Truncated(1) and step + 2 == learner.steps:
            params = {name: start[name] + (value - start[name]).detach() for name, value in params.items()}
            state = pytree.tree_map(Tensor.detach, state)
    return gradients(learner.inner(params, (learner.temperature, task.query)), dict(learner.named_parameters()))


def implicit(learner: Inner, task: Episode) -> Params:
    """v = a - H v / lambda, repeated until it stands still, by derivatives of derivatives."""
    rule, temperature = learner.make(learner.rate.detach()), learner.temperature
    start = {name: value.detach() for name, value in learner.net.named_parameters()}
    params, state = start, rule.init(start)
    for step in range(learner.steps):
        params = {name: value.detach().requires_grad_() for name, value in params.items()}
        apart = sum((params[name] - start[name]).square().sum() for name in start)
        loss = learner.inner(params, (temperature, task.support)) + PROXIMAL / 2 * apart
        params, state = rule.update(rule.hyper, gradients(loss, params), state, params, step)
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    everything = {**params, "": temperature}

    def along(v: Params, part: Part) -> Params:
        """v' H, and v' of the derivative by the temperature."""
        grads = gradients(learner.inner(params, (temperature, part)), params, graph=True)
        return gradients(sum((grads[name] * v[name]).sum() for name in v), everything)

    a = gradients(learner.inner(params, (temperature, task.query)), everything)
    by_temperature = a.pop("")
    v = a
    for _ in range(100):
        old, v = v, {name: a[name] - value / PROXIMAL for name, value in along(v, task.support).items() if name}
        if norm([v[name] - old[name] for name in v]) <= 1e-14 * norm([*v.values()]):
            break
    else:
        raise AssertionError("the series does not converge: take a larger proximal term")
    by_temperature = by_temperature - along(v, task.support)[""] / PROXIMAL
    own = {f"net.{name}": value for name, value in v.items()}
    return own | {"rate": torch.zeros_like(learner.rate), "temperature": by_temperature}


def norm(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts]).norm()


def apart(point: Point) -> float:
    """The largest relative difference: of the net's gradients, of the rate's, of the temperature's."""
    layer, rule, kind, how, steps = point
    right = wanted(layer, rule, SAME.get(kind, kind), steps)
    _, found = batch.meta_gradient(learner(layer, rule, kind, steps), tasks(), 0.0, how, inside=True)
    assert found.keys() == right.keys()
    assert len(recorded.RECORDINGS) == (how == "recorded"), point
    recorded.RECORDINGS.clear()  # after some of the same shapes no more would be made
    groups = [[name for name in right if name.startswith("net.")], ["rate"], ["temperature"]]
    least = 1e-3 * norm([*right.values()])  # of numbers that are sums of others which cancel
    return max(
        float(norm([found[n] - right[n] for n in names]) / norm([right[n] for n in names]).clamp(min=least))
        for names in groups
    )


def pairs(point: Point) -> set[object]:
    """Pairs after 3 steps, and that each is met after 1."""
    values = list(enumerate(point[:4]))
    return set(itertools.combinations(values, 2)) if point.steps == 3 else {*values}


@cache
def covering() -> list[Point]:
    """Points in which every pair is met that there is anywhere in the grid, chosen greedily."""
    points = POINTS[:]
    random.Random(0).shuffle(points)
    left, chosen = set().union(*map(pairs, points)), []
    for gain in range(max(len(pairs(point)) for point in points), 0, -1):
        for point in points:
            if len(new := pairs(point) & left) >= gain:
                left -= new
                chosen.append(point)
    return chosen


def wrong(points: list[Point]) -> dict[Point, float]:
    """Those that are further off than they may be."""
    return {point: far for point in points if not (far := apart(point)) <= TOLERANCE}


@pytest.mark.parametrize("rule", RULES)
def test_every_pair_of_layer_rule_kind_way_and_steps(rule: str) -> None:
    assert not wrong([point for point in covering() if point.rule == rule])


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layer", LAYERS)
def test_every_kind_and_way_and_number_of_steps_with(layer: str, rule: str) -> None:
    assert not wrong([point for point in POINTS if (point.layer, point.rule) == (layer, rule)])
