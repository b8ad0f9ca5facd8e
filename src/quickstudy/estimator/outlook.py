"""What more examples would bring: the score to be expected now, and with some more of each class.

The learner's own curve over shots, from its validation tasks, gives the shape; where the examples can be predicted from
one another, how they fare says how hard these classes are beside those of validation:

    error(s) = e(s) h,   h = (w e(s0) + errors) / (w e(s0) + n e(s0))

e is the validation error by shots; of n examples that are predicted from the others, s0 of each class, so many
``errors`` are made; h, how many times as hard these classes are, is the posterior mean of a Poisson rate under a Gamma
prior of mean 1 that counts as w examples (Gelman et al. 2013, "Bayesian Data Analysis", section 2.6).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from quickstudy.errors import UserError
from quickstudy.estimator.classifier import FewShotClassifier
from quickstudy.estimator.estimate import HeldOut

BELIEF = 10.0
"""w."""
FLOOR = 0.002
"""Least error that is counted with: a few hundred validation tasks know no smaller one."""


class Outlook(NamedTuple):
    """Expected accuracy with that many more examples of each class."""

    more: int
    accuracy: float


def outlook(classifier: FewShotClassifier, found: HeldOut, more: tuple[int, ...] = (0, 1, 2, 5)) -> list[Outlook]:
    """Of a fitted ``classifier`` whose examples fare as ``found`` says; UserError where its run is not calibrated.

    Nothing is said of more examples than were measured.
    """
    known = classifier.confidence_
    if known is None:
        raise UserError("nothing is known of this learner's curve over shots. Measure it: quickstudy calibrate RUN")
    way, counts = len(found.labels), np.bincount(found.truth)
    shot = float(counts[counts > 0].mean())

    def error(shots: float) -> float:
        return max(1 - known.expected(way, shots), FLOOR)

    asked = found.predicted >= 0
    wrong, before = float((~found.right & asked).sum()), error(max(shot - 1, 1))
    harder = (BELIEF * before + wrong) / ((BELIEF + float(asked.sum())) * before)
    most = 1 - 1 / max(way, 1)
    within = [extra for extra in more if not extra or shot + extra <= known.shots[-1]]
    return [Outlook(extra, 1 - min(harder * error(shot + extra), most)) for extra in within]
