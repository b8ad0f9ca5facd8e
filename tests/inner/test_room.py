"""Memory is known before it is taken."""

import itertools
import math
import multiprocessing
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils._pytree import tree_map

from quickstudy import UserError, devices, inner, learners
from quickstudy.devices import STATM, Room, on_threads
from quickstudy.inner import batch, calls, outer, peak, room
from quickstudy.inner.unroll import Gradient
from quickstudy.tasks import load
from quickstudy.training import TrainConfig, Training, resolve

TASKS = 6


@pytest.fixture(autouse=True)
def nothing_measured() -> None:
    room.PEAKS.clear()
    calls.forget()


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 3)
    )


def loss(net: inner.modules.Net, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(net(batch[0]), batch[1])


def tasks() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def part(each: int) -> tuple[Tensor, Tensor]:
        return torch.randn(TASKS, 3 * each, 1, 8, 8), torch.arange(3).repeat(each).expand(TASKS, -1)

    return part(1), part(5)


def learner(steps: int, gradient: Gradient) -> tuple[nn.Module, tuple[object, ...]]:
    loop = outer.Inner(net(), loss, inner.sgd(0.1), steps, gradient, None, None, False)
    return outer.Outer(loop, loss, None), (*tasks(), torch.arange(TASKS))


def doing(how: str) -> Callable[[nn.Module, Any], object]:
    if how == "vmap":
        return lambda module, tasks: batch._vectorised(module, None, 0.0, batch._detached(module), tasks)
    return lambda module, tasks: batch._one_task(module, 0.0, batch._detached(module), batch.take(tasks, 0))


def really_taken(run: Callable[[], object]) -> int:
    """Most bytes that PyTorch's own profiler saw allocated at once."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    height = itertools.accumulate(
        event.nbytes() for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"
    )
    return max(height)


@pytest.mark.parametrize(
    ("how", "gradient"), [("loop", "exact"), ("loop", "recomputed"), ("loop", "first-order"), ("vmap", "exact")]
)
def test_the_estimate_is_what_is_allocated(gradient: Gradient, how: str) -> None:
    module, every = learner(3, gradient)
    estimate = peak.peak_bytes(doing(how), module, every)
    assert estimate == pytest.approx(really_taken(lambda: doing(how)(module, every)), rel=0.3)


def test_recomputed_steps_are_known_to_take_less() -> None:
    found = {}
    for gradient in ("recomputed", "exact"):
        module, every = learner(10, gradient)
        found[gradient] = peak.peak_bytes(doing("loop"), module, every)
    assert found["recomputed"] < found["exact"] / 2


def ask(how: str, gradient: Gradient = "exact") -> inner.MetaGradient:
    return inner.meta_grad(net(), loss, *tasks(), rule=inner.sgd(0.1), steps=5, gradient=gradient, how=how)


def leave(monkeypatch: pytest.MonkeyPatch, bytes: float) -> None:
    monkeypatch.setattr(room, "room", lambda device: Room(bytes, "the machine has"))


def test_what_does_not_fit_is_refused_with_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    module, every = learner(5, "exact")
    rest = TASKS * sum(value.nbytes for value in module.parameters())

    def needs(how: str, at_once: int) -> float:
        found = peak.peak_bytes(doing(how), module, tree_map(lambda leaf: leaf[:at_once], every))
        assert found is not None
        return room.BESIDE * found

    all_together, one = needs("vmap", TASKS), needs("loop", 1)
    leave(monkeypatch, 2.5 / TASKS * all_together + rest)
    with pytest.raises(
        UserError, match=r"6 of 6 tasks at once take about .* 2 at once would fit: .* or loop \(1 at once\);"
    ):
        ask("vmap")
    with pytest.raises(UserError, match=r"4 of 6 tasks at once .* 2 at once would fit: hand over 2 a call"):
        ask("chunks")
    exact = ask("auto")
    assert exact.losses.isfinite().all()
    assert next(iter(calls.KNOWN.values())).how in ("threads", "loop")
    leave(monkeypatch, 0.9 * one + rest)
    with pytest.raises(UserError, match="not even one at once would fit in a vectorised call: batch them as threads"):
        ask("vmap")
    with pytest.raises(UserError, match="not even one at once would fit: take fewer"):
        ask("loop")
    saved = ask("loop", "recomputed")
    torch.testing.assert_close(saved.params, exact.params)


def test_what_is_chosen_for_many_calls_leaves_what_a_process_takes_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    module, every = learner(5, "exact")
    one = peak.peak_bytes(doing("loop"), module, every)
    assert one is not None
    rest = TASKS * sum(value.nbytes for value in module.parameters())
    leave(monkeypatch, 1.01 * (2 * room.BESIDE * one + rest))
    with on_threads(2):
        batch.meta_gradient(module, every, 0.0, "threads", inside=True)
        with pytest.raises(UserError, match="at once would fit"):
            batch.check_room(module, every, 0.0, "threads")
        leave(monkeypatch, 1.01 * (2 * room.BESIDE * one + rest) + room.AHEAD)
        batch.check_room(module, every, 0.0, "threads")
    leave(monkeypatch, 1.01 * (room.BESIDE * one + rest))
    batch.check_room(module, every, 0.0, "loop")


def test_smaller_tasks_than_some_that_fit_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    module, every = learner(2, "exact")
    small = tree_map(lambda leaf: leaf[:, :3] if leaf.dim() > 1 else leaf, every)
    leave(monkeypatch, 1e9)
    monkeypatch.setattr(room, "SURE", math.inf)
    for tasks in (small, every, small):
        batch.check_room(module, tasks, 0.0, "loop")
    assert len(next(iter(room.PEAKS.values()))) == 2
    room.PEAKS.clear()
    for tasks in (every, small):
        batch.check_room(module, tasks, 0.0, "loop")
    assert len(next(iter(room.PEAKS.values()))) == 1


LEFT = 150_000_000
"""Bytes beyond what it uses that a process may take: enough for one task of the learner below, not for two together."""


def begun() -> Training:
    family = load("glyphs")
    config = TrainConfig(way=2, most_ways=8, shot=1, max_shot=2, query=1, tasks_per_step=2, steps=1, device="cpu")
    made = learners.build("maml", family.spec, learners.configure("maml", {"width": 32}), 0)
    return Training(made, family, resolve(config, "maml", family.spec), torch.device("cpu"))


def largest_gradient(training: Training, how: batch.How) -> dict[str, Tensor]:
    return batch.meta_gradient(training.learner, training.sampler.largest(0), 1.0, how, inside=True)[1]


def limit_data(most: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
    devices.mind_own_limit()


def resident() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def within_a_limit(path: Path) -> None:
    """In a process of its own: the way of batching, what is said of another, and the gradient.

    Before, what it frees it keeps, until it minds its limit.
    """
    training = begun()
    batch.meta_gradient(training.learner, training.episodes(), 1.0, "loop", inside=True)  # libraries take their part
    limit_data(4 * devices.used_bytes() + 1_000_000_000)
    before = resident()
    blocks = [torch.ones(30_000_000, dtype=torch.uint8) for _ in range(12)]
    del blocks
    assert resident() > before + 100_000_000
    limit_data(devices.used_bytes() + LEFT)
    assert resident() < before + 50_000_000
    limit_data(devices.used_bytes() - devices.freed_bytes() + LEFT)
    training.choose_batching()
    grads = largest_gradient(training, training.how)
    with pytest.raises(UserError) as refused:
        largest_gradient(training, "vmap")
    torch.save((training.how, str(refused.value), grads), path)


@pytest.mark.skipif(not STATM.exists(), reason="such a limit holds on Linux alone")
@pytest.mark.slow
def test_a_training_lives_within_its_process_s_own_limit(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=within_a_limit, args=(tmp_path / "found",))
    process.start()
    process.join()
    assert process.exitcode == 0
    how, refused, grads = torch.load(tmp_path / "found")
    assert how == "loop"  # two at once would leave less than AHEAD
    assert re.search(r"this process's own limit \(RLIMIT_DATA\) leaves it 0\.[12] GB", refused)
    torch.testing.assert_close(grads, largest_gradient(begun(), "loop"))


def test_supports_and_queries_have_the_same_tasks() -> None:
    supports, queries = tasks()
    fewer = (queries[0][:4], queries[1][:4])
    with pytest.raises(UserError, match=r"supports\[0\] \[6, 3, 1, 8, 8\].* queries\[0\] \[4, 15, 1, 8, 8\]"):
        inner.meta_grad(net(), loss, supports, fewer, rule=inner.sgd(0.1), steps=1)
    with pytest.raises(UserError, match="found nothing"):
        inner.meta_grad(net(), loss, (), (), rule=inner.sgd(0.1), steps=1)


def test_what_writes_in_place_is_named() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows, self.out = nn.GRU(8, 4, batch_first=True), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.rows(x[:, 0])[0][:, -1])

    with pytest.raises(UserError, match=r"module.rows \(GRU\) writes in place"):
        inner.meta_grad(Reads(), loss, *tasks(), rule=inner.sgd(0.1), steps=1, how="vmap")
