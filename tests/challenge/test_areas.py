"""Scales and areas by closed forms."""

import math

import pytest
import torch

from quickstudy.challenge import areas
from quickstudy.challenge.clock import Reference
from quickstudy.errors import UserError


def test_chance_is_0_and_the_best_1_whichever_is_larger() -> None:
    error = areas.scale(torch.full((3,), 4.0), torch.full((3,), 1.0), "waves")
    assert error(torch.tensor([4.0, 1.0, 2.5])).tolist() == [0.0, 1.0, 0.5]
    share = areas.scale(torch.tensor([0.2, 0.5]), torch.ones(2), "drawings")
    assert share(torch.tensor([0.6, 0.5])).tolist() == pytest.approx([0.5, 0.0])
    assert share.of(1, 0.75) == pytest.approx(0.5)
    wild = torch.tensor([1e30, 4.0, math.inf])
    assert error(wild).tolist() == [error.of(at, float(each)) for at, each in enumerate(wild)] == [-1.0, 0.0, -1.0]
    with pytest.raises(UserError, match="chance is as good as the best in these tasks of waves"):
        areas.scale(torch.ones(2), torch.ones(2), "waves")


def test_a_level_moves_0_and_leaves_1_where_it_was() -> None:
    scale = areas.scale(torch.full((3,), 4.0), torch.full((3,), 1.0), "waves")._replace(level=0.2)
    values = torch.tensor([3.4, 1.0, 1e30], dtype=torch.float64)
    assert scale(values).tolist() == pytest.approx([0.0, 1.0, -1.5])
    assert scale.of(0, 4.0) == pytest.approx(-0.25)


def test_a_score_that_grows_with_the_logarithm_of_examples_has_its_mean_as_area() -> None:
    shots = [1, 2, 5, 10, 20]
    values = torch.tensor([[math.log(shot) / math.log(20), 0.7] for shot in shots], dtype=torch.float64)
    assert areas.by_examples(shots, values).tolist() == pytest.approx([0.5, 0.7])
    assert areas.by_examples([1], values[:1]).tolist() == values[0].tolist()


@pytest.mark.parametrize(
    ("steps", "area"),
    [
        ([], 0.2),
        ([(0.0001, 1.0)], 1.0),
        ([(0.0316227766, 1.0)], 0.6),
        ([(0.0316227766, 0.6), (0.177827941, 1.0)], 0.5 * 0.2 + 0.25 * 0.6 + 0.25 * 1.0),
        ([(1.0, 1.0)], 0.2),
    ],
)
def test_by_time_a_task_has_what_the_last_answer_has(steps: list[tuple[float, float]], area: float) -> None:
    assert areas.by_time(steps, 0.2, budget=1.0) == pytest.approx(area)


def test_the_area_by_time_is_that_below_the_curve_that_is_told() -> None:
    steps = [(0.002, 0.4), (0.05, 0.9), (3.0, 1.0)]
    moments = areas.moments(1.0)
    assert (moments[0], moments[-1], len(moments)) == (pytest.approx(0.001), pytest.approx(1.0), 13)
    values = [areas.at(steps, 0.1, moment) for moment in moments]
    assert (values[0], values[1], values[-1]) == (0.1, 0.1, 0.9)
    assert areas.at([], 0.1, 1.0) == 0.1
    fine = [areas.at(steps, 0.1, 0.001 * 1000 ** (number / 9999)) for number in range(10000)]
    assert sum(fine) / len(fine) == pytest.approx(areas.by_time(steps, 0.1, budget=1.0), abs=1e-3)


def test_a_drift_of_more_than_a_tenth_voids_the_timing_and_a_fast_machine_is_no_advantage() -> None:
    assert Reference(0.001, 0.00109).holds
    assert not Reference(0.001, 0.0012).holds
    assert not Reference(0.0012, 0.001).holds
    slow, fast = Reference(0.003, 0.003), Reference(0.0015, 0.0015)
    assert 0.2 * slow.scale == pytest.approx(0.1 * fast.scale)
