"""A ranked list for one patient: how likely each disease is, which terms spoke for and against, who is most alike.

    weight of a term = log odds of the disease for the patient - log odds for the patient without the term

An observed term is taken away together with the more general ones that no other observed term implies; an excluded one,
"not TERM", with the more specific ones that no other excluded term rules out. Patients are alike by the share of terms
in common (Jaccard 1912), general ones included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from quickstudy.estimator.cases import Cases
from quickstudy.estimator.classifier import FewShotClassifier
from quickstudy.estimator.inputs import Array

EXPLAINED = 3
"""Diseases on top of the list of which terms and patients are told."""
TOLD = 5
"""Terms on either side."""
ALIKE = 3
"""Patients who are most alike."""
NOT = "not "
"""Before the name of an excluded term."""
SLIGHT = 0.01
"""Smaller weights are not told: a percent of the odds."""

RESEARCH = (
    "research software: it knows the diseases it was given and no other, was checked on published cases only, and "
    "makes no diagnosis"
)
"""What has to be said beside every list."""


class Disease(NamedTuple):
    """One line of the list."""

    label: str
    probability: float
    within: bool | None
    """Whether it is in the answer set; None where the run is not calibrated."""
    speaks_for: list[tuple[str, float]]
    speaks_against: list[tuple[str, float]]
    alike: list[tuple[str, float]]
    """Known patients of the disease, and the share of terms in common."""


def differential(made: FewShotClassifier, row: Array, most: float | None) -> list[Disease]:
    """Every disease, the likeliest first, for the patient ``row`` [V]; ``most`` is the threshold of answer sets."""
    reads = cast(Cases, made._reader)
    chances = made.predict_proba(row[None])[0]
    order = np.argsort(-chances, kind="stable")
    terms, weights = _weights(made, reads, row, chances)
    common = shared(row, made.examples_)
    found = []
    for place, at in enumerate(order):
        told = place < EXPLAINED
        known = np.flatnonzero((made.y_ == at) & (common > 0))
        nearest = known[np.argsort(-common[known], kind="stable")][: ALIKE if told else 0]
        by_weight = sorted(zip(weights[:, at] if told else [], terms, strict=False), reverse=True)
        named = [(term, float(weight)) for weight, term in by_weight]
        found.append(
            Disease(
                label=str(made.classes_[at]),
                probability=float(chances[at]),
                within=None if most is None else bool(1 - chances[at] <= most),
                speaks_for=[one for one in named if one[1] > SLIGHT][:TOLD],
                speaks_against=[one for one in reversed(named) if one[1] < -SLIGHT][:TOLD],
                alike=[(str(made.names_[one]), float(common[one])) for one in nearest],
            )
        )
    return found


def count(reads: Cases, row: Array) -> int:
    """How many terms of the patient ``row`` [V] are weighed."""
    return len(reads.specific(row)) + len(reads.ruled_out(row))


def told(found: Sequence[Disease]) -> list[dict[str, Any]]:
    """The list as JSON."""
    return [
        {
            "disease": one.label,
            "probability": one.probability,
            "for": [{"term": term, "weight": weight} for term, weight in one.speaks_for],
            "against": [{"term": term, "weight": weight} for term, weight in one.speaks_against],
            "alike": [{"case": case, "terms_in_common": share} for case, share in one.alike],
        }
        for one in found
    ]


def _weights(made: FewShotClassifier, reads: Cases, row: Array, chances: Array) -> tuple[list[str], Array]:
    """Terms, and their weights [terms, classes]; a single observed one has none, for nothing would be left."""
    had, not_had = reads.specific(row), reads.ruled_out(row)
    had = had if len(had) > 1 else []
    changed = np.concatenate([reads.without(row, had), reads.not_ruled_out(row, not_had)])
    terms = [reads.names[at] for at in had] + [NOT + reads.names[at] for at in not_had]
    if not terms:
        return terms, np.zeros((0, len(chances)))
    weights: Array = odds(chances) - odds(made.predict_proba(changed))
    return terms, weights


def odds(chances: Array) -> Array:
    """Log odds of each class."""
    tiny = np.finfo(np.float64).tiny
    others = chances.sum(-1, keepdims=True) - chances
    told: Array = np.log(chances + tiny) - np.log(np.maximum(others, 0) + tiny)
    return told


def shared(row: Array, others: Array) -> Array:
    """[n] share of the terms observed in ``row`` [V] or in each of ``others`` [n, V] that are observed in both."""
    mine, theirs = row == 1, others == 1
    share: Array = (mine & theirs).sum(1) / np.maximum((mine | theirs).sum(1), 1)
    return share
