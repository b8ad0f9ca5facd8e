"""How far off a regressor is on points that it was not told: each part of its points is predicted from the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quickstudy.estimator.inputs import Array
from quickstudy.estimator.regressor import FewShotRegressor

FOLDS = 20
"""Parts, or fewer where there are fewer points; neighbours in time are in one part, for they tell of one another."""


@dataclass(frozen=True)
class LeftOut:
    """Predictions of points from the others, in the learner's units."""

    truth: Array
    """[n, d]."""
    mean: Array
    std: Array | None


def left_out(made: FewShotRegressor) -> LeftOut | None:
    """Of a fitted regressor; None where it has one point only."""
    count = len(made.y_)
    if count < 2:
        return None
    part = np.arange(count) * min(FOLDS, count) // count
    means, stds = [], []
    for number in range(part.max() + 1):
        out = part == number
        adapted = made._adapt(made.examples_[~out], made.y_[~out])
        mean, std = made.predictions(made._answers(made.examples_[out], adapted, made.examples_[~out]))
        means.append(mean.reshape(len(mean), -1))
        if std is not None:
            stds.append(std.reshape(len(mean), -1))
    return LeftOut(made.y_.reshape(count, -1), np.concatenate(means), np.concatenate(stds) if stds else None)
