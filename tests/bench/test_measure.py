"""Memory, operations, and what a worker answers."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from quickstudy.bench import compare, episodes, measure, peak
from quickstudy.bench.contest import Standing
from quickstudy.bench.worker import Worker
from quickstudy.bench.works import WORKS

CPU = torch.device("cpu")
NUMBERS = 16 * 2**20


@pytest.fixture
def threads() -> Iterator[None]:
    """A worker sets their number."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets an earlier peak")
def test_growth_is_what_is_held_at_most_at_one_time() -> None:
    torch.ones(4 * NUMBERS)  # an earlier peak
    one = 4 * NUMBERS

    def way() -> list[torch.Tensor]:
        torch.ones(NUMBERS)
        return [torch.ones(NUMBERS) + torch.ones(NUMBERS)]

    assert 2.9 * one < measure.growth(way, CPU) < 3.4 * one


def test_a_short_way_is_repeated() -> None:
    assert measure.repeats_of(list, CPU)[0] > 1000


def test_operations_are_those_of_the_layers(tmp_path: Path) -> None:
    work = replace(WORKS["sine-1"], tasks=2, steps=1, first_order=True, net=lambda: torch.nn.Linear(3, 5))
    x, y = torch.ones(2, 10, 3), torch.ones(2, 10, 5)
    path = tmp_path / "episodes.safetensors"
    episodes.write(work, 0, path)
    job = replace(episodes.read(work, 0, path, CPU), supports=(x, y), queries=(x, y))
    forwards = 2 * 10 * 3 * 5
    assert peak.flops(job) == 2 * (
        2 * forwards + 2 * forwards
    )  # each task: support, query; each a pass and its weights


def test_shares_are_of_the_best_rate() -> None:
    standing = Standing("quickstudy", values=[2.0, 4.0])
    facts = compare.shares(
        [standing], 80, [{"convolution": 50.0, "matrix product": 70.0}, {"convolution": 80.0, "matrix product": 60.0}]
    )
    assert standing.values == [0.5, 0.25]
    assert facts["best_flops_per_second"] == {"convolution": 80.0, "matrix product": 70.0}


def test_a_library_that_cannot_be_imported_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: None
) -> None:
    path = tmp_path / "episodes.safetensors"
    episodes.write(WORKS["sine-1"], 0, path)
    monkeypatch.setitem(sys.modules, "higher", None)
    worker = Worker("higher", "sine-1", str(path), "0", "1", "cpu")
    assert worker.do_open() == {"missing": "import of higher halted; None in sys.modules"}


def test_images_of_a_class_have_its_colour() -> None:
    work = replace(WORKS["rgb-5"], tasks=2, way=2, query=2)
    drawn = episodes.draw(work, 0)
    x, y = drawn["support_x"], drawn["support_y"]
    assert x.shape == (2, 10, 3, 32, 32)
    totals = x.sum((-1, -2))
    shares = totals / totals.sum(-1, keepdim=True)
    for task in range(2):
        first, second = (shares[task][y[task] == label] for label in (0, 1))
        torch.testing.assert_close(first, first[:1].expand_as(first))
        assert (first[0] - second[0]).abs().max() > 0.01
