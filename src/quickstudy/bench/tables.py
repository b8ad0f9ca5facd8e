"""``fit`` and ``predict`` on real tables from a few rows of each class, beside what people use for tables now.

Each episode draws so many rows of every class to learn from and asks about all others. Scores are balanced (the mean
over classes of the share of their rows that is told right), because the rows to learn from are. Intervals are over
draws of rows from the same table, and say nothing about other tables.

In a hospital of ``heart_disease`` one learns from a few of its own patients, or, ``pooled``, from those and all
patients of the other three; ``elsewhere`` is logistic regression on the other three alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import quickstudy
from quickstudy.bench.rows import Row, machine
from quickstudy.calibration import Answers, ece, reliability
from quickstudy.errors import UserError
from quickstudy.estimator import FewShotClassifier
from quickstudy.estimator.rows import pandas
from quickstudy.intervals import interval
from quickstudy.tasks.places import find

HEART = Path("heart_disease/heart_disease_uci.csv")
HOSPITALS = {"cleveland": "Cleveland", "hungary": "Hungary", "va": "VA Long Beach"}
"""Those with enough patients of both kinds; the fourth, in Switzerland, has eight who are well."""
OWN = ("iris", "wine", "breast_cancer", "digits")
"""Tables that come with scikit-learn."""
TABLES = (*OWN, *(f"heart-{name}{pooled}" for name in HOSPITALS for pooled in ("", "-pooled")))
OURS = "quickstudy"
COVERAGE = 0.9
"""Of our answer sets: how many hold the right class, and how many one class alone, is ``at_90`` of a row."""
CERTAIN = 1e-6
"""What the right class is taken to have had at least, so that one certain error is not all of a log loss."""
FURTHER = ("auroc", "log_loss", "ece")
"""Metrics beside balanced accuracy: area under the ROC curve, log loss, expected calibration error."""
LEAST = 10
"""Rows of each class that are asked about, at least."""


@dataclass(frozen=True)
class Table:
    """Rows to draw from, and rows that are always learnt from."""

    rows: Any
    """A pandas frame."""
    labels: np.ndarray[Any, Any]
    more: Any = None
    """None, or another frame with the same columns."""
    more_labels: np.ndarray[Any, Any] = field(default_factory=lambda: np.empty(0, int))
    pooled: bool = False
    """Whether ``more`` is learnt from together with the rows that are drawn."""


def load(name: str) -> Table:
    """The table ``name``; UserError where its data are not there."""
    reading = pandas()
    if name in OWN:
        found = getattr(datasets, f"load_{name}")(as_frame=True)
        return Table(found.data, found.target.to_numpy())
    if not (path := find(str(HEART))).is_file():
        raise UserError(f"there is no {HEART} in the folder that QUICKSTUDY_DATA names. Leave the heart- tables out.")
    frame = reading.read_csv(path)
    sick = (frame.pop("num") > 0).to_numpy().astype(int)
    _, hospital, *pooled = name.split("-")
    here = (frame.pop("dataset") == HOSPITALS[hospital]).to_numpy()
    frame = words(frame.drop(columns="id"))
    return Table(frame[here], sick[here], frame[~here], sick[~here], bool(pooled))


def words(frame: Any) -> Any:
    """``frame`` with strings, or None, in each column that does not hold numbers alone."""
    for name in frame.columns:
        if frame[name].dtype.kind not in "if":
            frame[name] = [None if value != value or value is None else str(value) for value in frame[name]]
            frame[name] = frame[name].astype(object)
    return frame


def usual(model: Any, frame: Any) -> Any:
    """A scikit-learn pipeline as one would write it: gaps filled, numbers scaled, words as flags."""
    numbers = [name for name in frame.columns if frame[name].dtype.kind in "if"]
    others = [name for name in frame.columns if name not in numbers]
    scaled = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    flags = OneHotEncoder(handle_unknown="ignore")  # a gap is a word of its own
    return make_pipeline(ColumnTransformer([("numbers", scaled, numbers), ("words", flags, others)]), model)


def models(weights: str, frame: Any, count: int) -> dict[str, Callable[[], Any]]:
    """Ours and the others, by name, for ``count`` rows to learn from."""
    return {
        OURS: lambda: FewShotClassifier(weights=weights, device="cpu"),
        "logistic regression": lambda: usual(LogisticRegression(max_iter=2000), frame),
        "random forest": lambda: usual(RandomForestClassifier(100, random_state=0), frame),
        "nearest neighbours": lambda: usual(KNeighborsClassifier(min(5, count)), frame),
    }


def measure(weights: str, name: str, *, shot: int, episodes: int, seed: int) -> Row:
    """The row of one table; UserError where a class has too few rows."""
    table = load(name)
    classes, sizes = np.unique(table.labels, return_counts=True)
    if sizes.min() < shot + LEAST:
        raise UserError(f"{name}: a class has {sizes.min()} rows; {shot} to learn from leave fewer than {LEAST}.")
    found: dict[str, list[dict[str, float]]] = {}
    sure: list[tuple[float, float]] = []
    elsewhere = None if table.more is None or table.pooled else away(table)
    for number in range(episodes):
        learnt = drawn(table.labels, shot, np.random.default_rng((seed, number)))
        rows, labels, asked, truth = split(table, learnt)
        right = np.searchsorted(classes, truth)
        for model, make in models(weights, table.rows, len(labels)).items():
            made = make().fit(rows, labels)
            found.setdefault(model, []).append(judged(made.predict_proba(asked), right))
            if model == OURS and made.confidence_:
                sets = made.answer_sets(asked, COVERAGE)
                sure.append((sets[np.arange(len(right)), right].mean(), (sets.sum(1) == 1).mean()))
        if elsewhere is not None:
            found.setdefault("elsewhere", []).append(judged(elsewhere.predict_proba(asked), right))
    scores = {model: {name: [one[name] for one in each] for name in each[0]} for model, each in found.items()}
    return {
        "work": f"{name}-{shot}s",
        "table": name,
        "weights": weights,
        "shot": shot,
        "episodes": episodes,
        "seed": seed,
        "metric": "balanced accuracy",
        "rows": len(table.labels),
        "columns": table.rows.shape[1],
        "classes": len(classes),
        "scores": {
            model: {**_mean(each["mean"]), **{name: _mean(each[name]) for name in FURTHER}}
            for model, each in scores.items()
        },
        "ahead_of": {
            model: _mean(np.subtract(scores[OURS]["mean"], each["mean"]))
            for model, each in scores.items()
            if model != OURS
        },
        "at_90": dict(zip(("coverage", "answered"), np.mean(sure, axis=0).tolist(), strict=True)) if sure else None,
        "version": quickstudy.__version__,
        "machine": machine(torch.get_num_threads(), "cpu"),
    }


def judged(told: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> dict[str, float]:
    """``mean``, the balanced accuracy of probabilities ``told`` [n, classes], and ``FURTHER`` metrics."""
    logs = torch.from_numpy(told.clip(CERTAIN)).double().log()
    scores = told[:, 1] if told.shape[1] == 2 else told / told.sum(1, keepdims=True)
    return {
        "mean": balanced_accuracy_score(right, told.argmax(1)),
        "auroc": roc_auc_score(right, scores, multi_class="ovr"),
        "log_loss": float(-logs[torch.arange(len(right)), torch.from_numpy(right)].mean()),
        "ece": ece(reliability(Answers(logs, torch.from_numpy(right)))),
    }


def away(table: Table) -> Any:
    """Logistic regression on the rows of elsewhere, whatever is drawn here."""
    return usual(LogisticRegression(max_iter=2000), table.more).fit(table.more, table.more_labels)


def drawn(labels: np.ndarray[Any, Any], shot: int, chance: np.random.Generator) -> np.ndarray[Any, Any]:
    """[n] bool: ``shot`` rows of every class."""
    learnt = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        learnt[chance.permutation(np.flatnonzero(labels == label))[:shot]] = True
    return learnt


def split(table: Table, learnt: np.ndarray[Any, Any]) -> tuple[Any, Any, Any, Any]:
    """Rows and labels to learn from, and those that are asked about."""
    rows, labels = table.rows[learnt], table.labels[learnt]
    if table.pooled:
        rows, labels = pandas().concat([rows, table.more]), np.concatenate([labels, table.more_labels])
    return rows, labels, table.rows[~learnt], table.labels[~learnt]


def _mean(values: Any) -> dict[str, float]:
    """Mean and interval over episodes."""
    mean, ci95 = interval(torch.tensor(np.asarray(values), dtype=torch.float64), torch.arange(len(values)))
    return {"mean": mean, "ci95": ci95}
