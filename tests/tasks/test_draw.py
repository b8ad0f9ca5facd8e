"""Random numbers from counters: known values, independence, order."""

import subprocess
import sys

import pytest
import torch

from quickstudy.tasks import draw


def test_mix_is_splitmix64() -> None:
    """Against the reference written with Python's unbounded integers."""

    def reference(value: int) -> int:
        wide = 2**64 - 1
        value = (value + 0x9E3779B97F4A7C15) & wide
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & wide
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & wide
        value ^= value >> 31
        return value - 2**64 if value >= 2**63 else value

    values = [0, 1, 2, 12345, 2**62, -1, -(2**63)]
    assert draw.mix(torch.tensor(values)).tolist() == [reference(value & (2**64 - 1)) for value in values]


def test_uniform_and_normal_have_their_moments() -> None:
    key = draw.keys(torch.arange(2000), "test")
    uniform, normal = draw.uniform(key, 50, "a", 2.0, 4.0), draw.normal(key, 50, "b")
    assert uniform.min() >= 2
    assert uniform.max() < 4
    assert uniform.mean().item() == pytest.approx(3, abs=0.01)
    assert uniform.std().item() == pytest.approx(2 / 12**0.5, abs=0.01)
    assert normal.mean().item() == pytest.approx(0, abs=0.02)
    assert normal.std().item() == pytest.approx(1, abs=0.02)
    assert normal.isfinite().all()


def test_streams_and_keys_are_uncorrelated() -> None:
    key = draw.keys(torch.arange(5000), "test")
    rows = torch.stack(
        [draw.uniform(key, 2, "a")[:, 0], draw.uniform(key, 2, "a")[:, 1], draw.uniform(key, 1, "b")[:, 0]]
    )
    off_diagonal = torch.corrcoef(rows) - torch.eye(3)
    assert off_diagonal.abs().max() < 0.05


def test_order_is_a_permutation_whose_beginning_is_the_same() -> None:
    key = draw.keys(torch.arange(64), "test")
    whole = draw.order(key, 30, "o")
    assert (whole.sort(-1).values == torch.arange(30)).all()
    assert torch.equal(draw.order(key, 30, "o", 7), whole[:, :7])


def test_order_puts_what_is_not_allowed_last() -> None:
    key = draw.keys(torch.arange(16), "test")
    allowed = torch.arange(30) % 3 == 0
    first = draw.order(key, 30, "o", 10, allowed=allowed.expand(16, -1))
    assert allowed[first].all()


def test_every_class_is_drawn_equally_often() -> None:
    drawn = draw.order(draw.keys(torch.arange(20_000), "test"), 20, "classes", 5).flatten()
    counts = torch.bincount(drawn, minlength=20).double()
    chi_squared = ((counts - 5000).square() / 5000).sum()
    assert chi_squared < 43.8  # the 99.9 % quantile with 19 degrees of freedom


def test_another_process_draws_the_same() -> None:
    code = (
        "import torch; from quickstudy.tasks import draw; "
        "print(draw.bits(draw.keys(torch.arange(3), 'x', 1), 2, 's').tolist())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == str(draw.bits(draw.keys(torch.arange(3), "x", 1), 2, "s").tolist())
