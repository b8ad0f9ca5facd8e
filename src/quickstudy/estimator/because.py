"""Why a prediction is what it is: how much each example that was learnt from raised or lowered it, by leaving it out.

    effect of example k on the answer to x = answer with all examples - answer with all but k

All are found together: the supports without one example each are one batch, which ``inner/batch.py`` maps over. This is
the deletion of Cook (1977), "Detection of Influential Observation in Linear Regression", told of each prediction.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.estimator.inputs import Array
from quickstudy.estimator.regressor import FewShotRegressor
from quickstudy.inner import batch
from quickstudy.learners.base import Adapted, Learner
from quickstudy.tasks.base import Examples

ROWS = 65_536
"""Answers that are computed at once."""


class Effects(NamedTuple):
    """Answers, and what each example did to them."""

    mean: Tensor
    """[m, d]."""
    effect: Tensor
    """[n, m, d]; zeros for an example that is masked out."""


@torch.no_grad()
def effects(learner: Learner, support: Examples, x: Tensor, steps: int | None = None) -> Effects:
    """What ``learner`` answers to ``x`` [m, ...] after ``support`` of n examples, and what each of them did to it.

    In the learner's units. The time is that of n + 1 adaptations in one batch.
    """
    count = len(support.mask)
    left = torch.eye(count, dtype=torch.bool, device=support.mask.device)
    mask = torch.cat([support.mask.unsqueeze(0), support.mask & ~left])
    given_x, given_y = (leaf.expand(count + 1, *leaf.shape) for leaf in (support.x, support.y))
    how = batch.usual(learner)
    adapted = batch.map_tasks(
        lambda own, given: own.adapt(given, steps), learner, (Examples(given_x, given_y, mask),), how
    )
    parts = [
        batch.map_tasks(_asked, learner, (adapted, part.expand(count + 1, *part.shape)), how)
        for part in x.split(max(1, ROWS // (count + 1)))
    ]
    answers = torch.cat(parts, 1)
    return Effects(answers[0], torch.where(support.mask.view(-1, 1, 1), answers[0] - answers[1:], 0.0))


def _asked(learner: Any, adapted: Adapted, x: Tensor) -> Tensor:
    mean: Tensor = learner.predict(adapted, x, torch.ones(len(x), dtype=torch.bool, device=x.device)).mean
    return mean


def because(made: FewShotRegressor, X: Any) -> tuple[Array, Array]:
    """Predictions of a fitted regressor for ``X`` [m] or [m, d], and each example's part in them, [n, m] or [n, m, d].

    What is in row k would be missing from the predictions, had the regressor not met example k. UserError where it has
    met one alone, for then nothing is left.
    """
    check_is_fitted(made, "adapted_")
    kept = made._reader.read(X, made, False)
    if len(made.y_) < 2:
        raise UserError("it has learnt from one example, and without that from none. Give it two or more.")
    there = torch.ones(len(made.y_), dtype=torch.bool)
    support = Examples(made._support(made.examples_), made._targets(made.y_), there).to(made._device())
    x = made._reader.inputs(kept, made.examples_).to(made._device())
    found = effects(made.learner_, support, x, made.inner_steps)
    mean, effect = (part.cpu().double().numpy() for part in found)
    return (mean[:, 0], effect[..., 0]) if mean.shape[1] == 1 else (mean, effect)
