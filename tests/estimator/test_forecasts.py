"""What is told of glucose."""

import numpy as np
import pytest

from quickstudy.estimator.forecasts import Forecasts
from quickstudy.tasks import load
from quickstudy.tasks.glucose.windows import LEVEL, SPREAD


@pytest.mark.parametrize(("now", "change", "end", "shown"), [(45.0, -1.0, "low", 20.0), (570.0, 1.0, "high", 600.0)])
def test_glucose_is_told_as_far_as_a_sensor_shows_it(now: float, change: float, end: str, shown: float) -> None:
    reads = Forecasts(load("glucose:simulated=true").spec)
    kept = np.zeros((2, reads.width), dtype=np.float32)
    kept[0, 0] = (now - LEVEL) / SPREAD
    mean = np.array([[change, 9 * change], [0.5, 0.5]])
    (soon, later), (plain, _) = reads.told(kept, mean, np.full((2, 2), 0.5))
    assert soon.value == pytest.approx(now + 20 * change)
    assert getattr(soon, end) == getattr(later, end) == later.value == shown
    assert plain.value == pytest.approx(LEVEL + 10)
    assert plain.low is not None
    assert plain.low < plain.value
