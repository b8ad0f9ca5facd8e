"""A patient as numbers: 1 for each term that was observed, -1 for each that was looked for and not found, 0 for others.

What is observed holds for every term above it, what is excluded for every term below it; a term that is observed by
this reckoning is not excluded, whatever the list says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks.diseases.ontology import Ontology

PAPER = re.compile(r"PMID[_:]\d+")
"""A publication, as ids and references of patients name it."""


@dataclass(frozen=True)
class Case:
    """One patient as a file has them; terms are ids or names."""

    id: str
    label: str | None
    """The disease; None where it is not known."""
    observed: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    source: str = ""
    """Where it stands: file, and line where there are lines."""
    papers: tuple[str, ...] = ()
    """Where the patient was published."""
    genes: tuple[str, ...] = ()


Numbers = tuple[tuple[int, ...], tuple[int, ...]]
"""Of the observed and of the excluded terms of one case."""


def numbers(case: Case, ontology: Ontology, *, strict: bool = True) -> Numbers:
    """The terms of ``case`` that describe a patient.

    An unknown term is a UserError, and so is a case without an observed term; neither is where not ``strict``.
    """

    def found(words: Sequence[str]) -> tuple[int, ...]:
        known = {word: ontology.find(word) for word in words}
        for word in known:
            if strict and known[word] is None:
                raise ontology.missing(word, case.source or case.id)
        return tuple(at for at in known.values() if at is not None and at in ontology.described)

    observed = found(case.observed)
    if strict and not observed:
        raise UserError(
            f"{case.source or case.id}: the case {case.id} has no observed term that describes a patient. Give one "
            "term at least, for example HP:0001250 or Seizure."
        )
    return observed, found(case.excluded)


def contradicted(case: Case, ontology: Ontology) -> dict[str, str]:
    """The excluded terms of ``case`` that it has all the same, each with the observed one that implies or is it."""
    found = [(word, at) for word in case.observed if (at := ontology.find(word)) is not None]
    had = {one: word for word, at in found for one in ontology.above[at]}
    had |= {at: word for word, at in found}
    every = {word: ontology.find(word) for word in case.excluded}
    return {word: had[at] for word, at in every.items() if at is not None and at in had}


def vocabulary(found: Sequence[Numbers], ontology: Ontology) -> tuple[int, ...]:
    """Numbers, in order, of all terms that are observed or excluded in ``found``, and of all above them."""
    used = {at for case in found for terms in case for at in terms}
    return tuple(sorted(frozenset().union(*(ontology.above[at] for at in used)) & ontology.described))


def filled(found: Sequence[Numbers], used: Sequence[int], ontology: Ontology) -> Tensor:
    """int8 [n, V] of cases in terms of the vocabulary ``used``; other terms count as those above them."""
    place = {at: column for column, at in enumerate(used)}
    above = {
        at: np.array([place[one] for one in ontology.above[at] if one in place], dtype=np.int64)
        for at in {at for case in found for terms in case for at in terms}
    }
    below: dict[int, list[int]] = {}
    for at in used:
        for one in ontology.above[at]:
            below.setdefault(one, []).append(place[at])
    x = np.zeros((len(found), len(used)), dtype=np.int8)
    under = {at: np.array(below.get(at, []), dtype=np.int64) for at in above}
    for row, (observed, excluded) in zip(x, found, strict=True):
        if excluded:
            row[np.concatenate([under[at] for at in excluded])] = -1
        if observed:
            row[np.concatenate([above[at] for at in observed])] = 1
    return torch.from_numpy(x)


def names_of(used: Sequence[int], ontology: Ontology) -> tuple[str, ...]:
    """``HP:0001250 Seizure`` of each term, by which a run knows its terms without the ontology."""
    return tuple(f"{ontology.ids[at]} {ontology.labels[at]}" for at in used)


def parents_of(used: Sequence[int], ontology: Ontology) -> tuple[tuple[int, ...], ...]:
    """Of each term of ``used`` the columns of its parents."""
    place = {at: column for column, at in enumerate(used)}
    return tuple(tuple(place[one] for one in ontology.parents[at] if one in place) for at in used)


def ontology_of(names: Sequence[str], parents: Sequence[Sequence[int]]) -> Ontology:
    """The part of the ontology that a run keeps in its spec: terms that it knows, by their ids and names."""
    ids, _, labels = zip(*(name.partition(" ") for name in names), strict=True)
    made = Ontology(
        ids=tuple(ids),
        labels=tuple(labels),
        parents=tuple(map(tuple, parents)),
        others={},
        synonyms={label.lower(): at for at, label in enumerate(labels)},
        gone={},
        version="the terms of the run",
    )
    vars(made)["described"] = frozenset(range(len(names)))
    return made


def encode(cases: Sequence[Case], names: Sequence[str], ontology: Ontology, *, strict: bool = True) -> Tensor:
    """float32 [n, V] of ``cases`` in the terms ``names`` of a spec.

    ``ontology`` is a whole one, or ``ontology_of`` a run's own spec. Raises UserError for unknown terms and for a case
    without any; where not ``strict`` they are left out.
    """
    used = []
    for name in names:
        at = ontology.find(name.partition(" ")[0])
        if at is None:
            raise UserError(f"the ontology does not have the term {name}. Use the one of the training, or a newer one.")
        used.append(at)
    return filled([numbers(case, ontology, strict=strict) for case in cases], used, ontology).float()
