"""Errors, zones and alarms of glucose by hand."""

import math

import numpy as np
import pytest
import torch

from quickstudy import tasks
from quickstudy.learners.base import Gaussian, Point
from quickstudy.tasks.base import Examples
from quickstudy.tasks.glucose.scores import alarm, clarke, scores
from quickstudy.tasks.glucose.windows import SCALE


def test_scores_are_in_mg_by_hand() -> None:
    task = tasks.load("glucose:simulated=true").sample("test", torch.arange(3), way=0, shot=6, query=50, seed=0)
    y = task.query.y
    off = torch.tensor([3.0, -4.0]) / SCALE
    found = scores(Gaussian(y + off, torch.tensor([10.0, 1.0]).expand_as(y) / SCALE), task.query)
    for name, value in {"rmse": math.sqrt(12.5), "rmse30": 3.0, "rmse60": 4.0, "coverage90": 0.5}.items():
        torch.testing.assert_close(found[name], torch.full((3,), value), rtol=1e-4, atol=1e-4)
    still = scores(Point(torch.zeros_like(y)), task.query)
    assert "coverage90" not in still
    np.testing.assert_allclose(still["rmse60"], np.sqrt(np.square(y[..., 1].numpy() * 35).mean(1)), rtol=1e-5)
    masked = task.query._replace(mask=torch.arange(50).expand(3, -1) < 30)
    half = scores(Point(torch.zeros_like(y[:, :30])), Examples(*(leaf[:, :30] for leaf in task.query)))
    torch.testing.assert_close(scores(Point(torch.zeros_like(y)), masked), half)


@pytest.mark.parametrize(
    ("reference", "predicted", "zone"),
    [
        (100, 119, "A"),
        (100, 121, "B"),
        (60, 40, "A"),
        (100, 215, "C"),
        (160, 40, "C"),
        (250, 150, "D"),
        (50, 100, "D"),
        (65, 90, "D"),
        (60, 190, "E"),
        (200, 60, "E"),
        (300, 200, "B"),
        (300, 250, "A"),
    ],
)
def test_zones_are_those_of_clarke(reference: float, predicted: float, zone: str) -> None:
    assert "ABCDE"[int(clarke(torch.tensor(float(reference)), torch.tensor(float(predicted))))] == zone


def test_alarms_are_counted_once_and_priced() -> None:
    """Two lows in a day; one is warned of in time, one warning is false."""
    glucose = torch.full((1, 288), 120.0)
    glucose[0, 100:106] = 60
    glucose[0, 200:206] = 60
    warning = torch.full((1, 288), 150.0)
    warning[0, 94:100] = 75
    warning[0, 30:34] = 85
    there = torch.ones(1, 288, dtype=torch.bool)
    cheap = alarm(warning, glucose, there, price=0.5)
    assert (cheap.sensitivity, cheap.false_a_day, cheap.lows) == (0.5, 0.0, 2)
    late = warning.clone()
    late[0, 196] = 95
    assert alarm(late, glucose, there, price=1.0).sensitivity == 1.0
    assert alarm(late, glucose, there, price=0.5).sensitivity == 0.5
    late[0, 196], late[0, 197] = 150, 95
    assert alarm(late, glucose, there, price=1.0).sensitivity == 0.5  # a quarter of an hour is too late
    assert alarm(late, glucose, there, price=1.0, least=3).sensitivity == 1.0
    assert alarm(torch.full((1, 288), 200.0), glucose, there).sensitivity == 0.0
