"""A classifier from its parts, for whoever keeps them in a place of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from quickstudy.confidence import Confidence
from quickstudy.estimator.classifier import FewShotClassifier
from quickstudy.estimator.inputs import Array, Reader, nameless
from quickstudy.learners.base import Learner


def assembled(
    learner: Learner,
    reads: Reader,
    examples: Array,
    labels: Sequence[Any],
    names: Sequence[str] = (),
    confidence: Confidence | None = None,
) -> FewShotClassifier:
    """The classifier that ``fit`` would have made of ``examples`` [n, ...], as ``reads`` read them, and ``labels``.

    ``names`` are those of the columns of rows, where they have any; ``confidence`` is what is known of the learner.
    """
    made = FewShotClassifier(weights=None)
    made.learner_, made._reader = learner, reads
    if examples.ndim == 2:
        made.n_features_in_ = examples.shape[1]
    if names:
        made.feature_names_in_ = np.array(names, dtype=object)
    made.classes_, numbers = np.unique(np.array(labels), return_inverse=True)
    made._keep(*nameless(examples, numbers))
    made.confidence_ = confidence  # after it learnt: nobody is there to be warned
    return made
