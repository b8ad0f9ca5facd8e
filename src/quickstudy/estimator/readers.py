"""Which reader a learner has its examples from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from quickstudy.errors import UserError
from quickstudy.estimator.cases import Cases
from quickstudy.estimator.doses import Doses
from quickstudy.estimator.forecasts import Forecasts
from quickstudy.estimator.inputs import Numbers, Reader
from quickstudy.estimator.pictures import Pictures
from quickstudy.estimator.rows import Rows
from quickstudy.estimator.tastes import Tastes
from quickstudy.learners.base import Learner
from quickstudy.learners.tastes.rated import tells_ratings
from quickstudy.tasks.base import Form, Spec

OWN: dict[Form, Callable[[Spec], Reader]] = {
    "terms": Cases,
    "doses": Doses,
    "glucose": Forecasts,
}
"""Of the forms that are read from files of their own kind."""


def reader(made: Learner) -> Reader:
    """The one for the learner ``made``."""
    spec = made.spec
    if spec.form == "ratings":
        return Tastes(spec, tells_ratings(made))
    if spec.form in OWN:
        return OWN[spec.form](spec)
    if spec.form == "rows":
        return Rows(spec.shape[0] // 2)
    if len(spec.shape) == 1:
        return Numbers(spec.shape[0])
    if len(spec.shape) == 3 and spec.shape[1] == spec.shape[2]:
        return Pictures(spec.shape[0], spec.shape[1], ink=spec.form == "drawings")
    raise UserError(f"the learner takes inputs of shape {spec.shape} ({spec.name}), into which nothing is turned here.")


def plain(X: Any, gaps: bool = False) -> Reader:
    """The one for a learner that needs no training: pandas frames are tables, all else numbers.

    With ``gaps`` so are arrays of numbers that have some.
    """
    if hasattr(X, "select_dtypes"):
        return Rows(X.shape[1])
    gappy = gaps and isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f" and bool(np.isnan(X).any())
    return Rows(X.shape[1]) if gappy else Numbers(0)
