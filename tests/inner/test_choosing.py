"""The way of batching that is chosen is the fastest, also where other work on the machine comes and goes."""

import math
import random
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from quickstudy import UserError
from quickstudy.inner import choosing
from quickstudy.inner.batch import How

CPU = torch.device("cpu")
DENSE, CONVOLVED = nn.Linear(1, 1), nn.Conv2d(1, 1, 1)
ALLOWED = 1.1
"""How many times slower than the fastest a choice may be."""


class Machine:
    """A clock that runs as ways of batching are run, each of which takes ``seconds`` when nothing else is at work.

    Other work is there half of the time, ``spell`` seconds on average, and makes all twice as slow; a call varies by
    10 %, and every twentieth is held up for 20 ms.
    """

    varies, held_up = 0.1, 0.05

    def __init__(self, seconds: dict[How, float], spell: float, seed: int) -> None:
        self.seconds, self.spell, self.chance = seconds, spell, random.Random(seed)
        self.now, self.calls = 0.0, list[How]()
        self.busy, self.until = self.chance.random() < 0.5, self.chance.expovariate(1 / spell)

    def run(self, how: How) -> None:
        if how not in self.seconds:
            raise UserError(f"no {how}")
        self.calls.append(how)
        work = self.seconds[how] * math.exp(self.chance.gauss(0, self.varies))
        while (took := work * (1 + self.busy)) > self.until - self.now:
            work -= (self.until - self.now) / (1 + self.busy)
            self.now, self.busy = self.until, not self.busy
            self.until += self.chance.expovariate(1 / self.spell)
        self.now += took + 0.02 * (self.chance.random() < self.held_up)
        self.until = max(self.until, self.now)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Machine]:
    def made(seconds: dict[How, float], spell: float = 1.0, seed: int = 0) -> Machine:
        found = Machine(seconds, spell, seed)
        monkeypatch.setattr(choosing, "time", SimpleNamespace(perf_counter=lambda: found.now))
        return found

    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    return made


@pytest.mark.parametrize("spell", [0.05, 3.0])
@pytest.mark.parametrize("call", [0.002, 0.05, 0.4])
@pytest.mark.parametrize(("second", "most"), [(1.15, 0.15), (1.3, 0.05), (2.0, 0.0)])
def test_hardly_any_choice_is_a_tenth_slower_than_the_fastest(
    call: float, second: float, most: float, spell: float, machine: Callable[..., Machine]
) -> None:
    wrong, tries = 0, 100
    for seed in range(tries):
        here = machine({"threads": second * call, "loop": 1.8 * second * call, "chunks": call}, spell, seed)
        how = choosing.fastest(here.run, CONVOLVED, CPU, calls=1)
        wrong += here.seconds[how] > ALLOWED * call
        assert len(here.calls) <= 4 + choosing.MOST * 3
    assert wrong / tries <= most


@pytest.mark.parametrize(
    ("net", "seconds", "calls", "best"),
    [
        (DENSE, {"vmap": 0.03, "chunks": 0.01, "threads": 0.05, "loop": 0.1}, 1, "chunks"),
        (CONVOLVED, {"vmap": 0.01, "chunks": 0.02, "threads": 0.05, "loop": 0.1}, 1, "vmap"),
        (CONVOLVED, {"vmap": 0.01, "chunks": 0.2, "threads": 0.05, "loop": 0.1}, 1, "threads"),  # vmap is not tried
        (DENSE, {"loop": 0.1}, math.inf, "loop"),
        (DENSE, {"vmap": 0.01, "loop": 0.1, "recorded": 0.001, "compiled": 0.0005}, 100, "vmap"),
        (DENSE, {"vmap": 0.01, "loop": 0.1, "recorded": 0.001, "compiled": 0.0005}, 3000, "recorded"),
        (DENSE, {"vmap": 0.01, "loop": 0.1, "recorded": 0.001, "compiled": 0.0005}, math.inf, "compiled"),
        (DENSE, {"vmap": 0.01, "loop": 0.1, "recorded": 0.02, "compiled": 0.03}, math.inf, "vmap"),
    ],
)
def test_what_is_tried_is_what_may_be_fastest(
    net: nn.Module, seconds: dict[How, float], calls: float, best: How, machine: Callable[..., Machine]
) -> None:
    assert choosing.fastest(machine(seconds).run, net, CPU, calls=calls) == best


def test_ways_with_long_calls_are_measured_twice_and_no_more_once_one_is_behind(
    machine: Callable[..., Machine],
) -> None:
    here = machine({"threads": 3.0, "loop": 6.0, "chunks": 6.0}, spell=1e9)
    assert choosing.fastest(here.run, CONVOLVED, CPU, calls=1) == "threads"
    assert sorted(here.calls) == sorted(["chunks", "threads", "loop"] * 3)  # once to warm up


def test_ways_that_are_alike_in_every_round_are_not_measured_for_long(machine: Callable[..., Machine]) -> None:
    here = machine({"threads": 0.05, "loop": 0.052, "chunks": 0.2}, spell=1e9)
    here.varies = here.held_up = 0.0
    assert choosing.fastest(here.run, CONVOLVED, CPU, calls=1) == "threads"
    assert here.calls.count("threads") == here.calls.count("loop") == 1 + choosing.FEW
