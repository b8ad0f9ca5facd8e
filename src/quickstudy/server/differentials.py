"""Why a patient's diseases are ranked as they are: which terms spoke for and against, and which examples are alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from quickstudy.estimator import differential
from quickstudy.estimator.assembled import assembled
from quickstudy.estimator.cases import Cases
from quickstudy.estimator.inputs import Array
from quickstudy.server.knowledge import Support
from quickstudy.server.refusals import TooLargeError
from quickstudy.server.served import Served
from quickstudy.server.service import Answer

MOST = 200
"""Observed and excluded terms of a patient, more general ones aside: the answer without each of them is computed."""


def explained(served: Served, support: Support, reads: Cases, row: Array, answer: Answer) -> dict[str, Any]:
    """The ranked list for the patient ``row`` [V], with reasons; an example stands for the case that it is.

    TooLargeError for a patient of too many terms.
    """
    assert support.kept is not None
    if (terms := differential.count(reads, row)) > MOST:
        raise TooLargeError(f"the patient has {terms} terms, and up to {MOST} are explained. predict answers all.")
    made = assembled(served.learner, reads, support.kept, support.labels, confidence=served.confidence)
    made.names_ = np.array([str(number) for number in support.numbers])
    labels = dict(zip(map(str, made.classes_), answer.classes, strict=True))
    rows = differential.told(differential.differential(made, row, answer.most))
    diseases = [one | {"disease": labels[one["disease"]]} for one in rows]
    return {"diseases": diseases, "note": differential.RESEARCH}
