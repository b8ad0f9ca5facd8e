"""Patients as the inputs of a learner: phenopackets, tables of terms, or lists of terms."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.estimator.inputs import Array, Found, Places
from quickstudy.tasks.base import Form, Spec
from quickstudy.tasks.diseases import ontology
from quickstudy.tasks.diseases.ontology import Ontology
from quickstudy.tasks.diseases.phenopackets import cases, notice_twins
from quickstudy.tasks.diseases.phenotypes import ONTOLOGY
from quickstudy.tasks.diseases.terms import Case, contradicted, encode, numbers, ontology_of
from quickstudy.tasks.places import find, notice


class Cases(Places):
    """Patients in the terms that a run knows.

    It needs no ontology beside it, for its spec has the terms' relations. Where there is one, synonyms and old ids are
    understood too, and a term that the run has never met counts as the more general ones above it.
    """

    form: ClassVar[Form] = "terms"
    example: ClassVar[str] = "case"

    def __init__(self, spec: Spec) -> None:
        self.names = spec.names
        self.own = _own(spec.names, spec.parents)

    @cached_property
    def ontology(self) -> Ontology:
        """A whole one where it is at hand, with every term that the run knows; else what the run knows."""
        if not (there := find(ONTOLOGY)).is_file():
            return self.own
        whole = _whole(there, there.stat().st_mtime_ns)
        return whole if all(name.partition(" ")[0] in whole.number for name in self.names) else self.own

    def read(self, X: Any, owner: BaseEstimator, first: bool) -> Array:
        """[n, V] int8 of the cases of a file or folder, or of a list: ``Case``, or the terms that were observed."""
        return self.named(X, owner, first)[0]

    def named(self, X: Any, owner: BaseEstimator, first: bool) -> tuple[Array, Array]:
        """The same and ids, of a file or folder and of each ``Case``."""
        if isinstance(X, np.ndarray) and X.dtype.kind in "if":
            return self._checked(X), np.full(len(X), "")
        found = cases(Path(X).expanduser()) if isinstance(X, str | os.PathLike) else [*X]
        names = np.array([one.id if isinstance(one, Case) else "" for one in found])
        return self.encoded([_case(one, number) for number, one in enumerate(found, 1)]), names

    def read_place(self, place: Path) -> Found:
        """Every case in ``place`` with its disease and id; those without either diagnosis or terms are left out."""
        every = cases(place)
        kept = [case for case in every if case.label]
        if not kept:
            raise UserError(
                f"no case in {place} says which disease it is. Phenopackets have it in interpretations or diseases, "
                f"tables in a column disease; or put each disease's cases into a folder with its name."
            )
        if lost := [case.id for case in every if not case.label]:
            notice(f"left out {len(lost)} of {len(every)} cases, which have no diagnosis ({', '.join(lost[:5])})")
        notice_twins(kept)
        kept = self.usable(kept)
        encoded = self.encoded(kept)
        return Found(encoded, np.array([case.label for case in kept]), np.array([case.id for case in kept]))

    def usable(self, found: Sequence[Case]) -> list[Case]:
        """Those with an observed term that the run knows; the others are named. UserError where none is left."""
        why = [self.lacks(case) for case in found]
        if all(why):
            more = f" So it is with all {len(why)} cases." if len(why) > 1 else ""
            raise UserError(why[0] + more)
        for said in filter(None, why):
            notice(f"skipped: {said}")
        return [case for case, said in zip(found, why, strict=True) if not said]

    def lacks(self, case: Case) -> str:
        """Why nothing can be said of ``case``, or an empty word."""
        if numbers(case, self.ontology, strict=False)[0]:
            return ""
        return (
            f"{case.source or case.id}: the case {case.id} has no observed term that the run knows. Give one at "
            f"least, such as {self.names[-1]}, or the more general ones above yours."
        )

    def encoded(self, found: Sequence[Case]) -> Array:
        """[n, V] int8.

        Terms that the run does not know are named and left out, and so are excluded ones that a case has all the same;
        UserError for a case that has no observed one.
        """
        every = {word: case for case in found for word in (*case.observed, *case.excluded)}
        if strange := [word for word in every if self.ontology.find(word) is None]:
            notice(
                f"{len(strange)} of {len(every)} terms are unknown and left out, for example {strange[0]} "
                f"({every[strange[0]].source or every[strange[0]].id})"
                + f"; all terms are known where {ONTOLOGY} is in QUICKSTUDY_DATA"
                * (self.ontology is self.own)
            )
        for case in found:
            if why := self.lacks(case):
                raise UserError(why)
        sound = [self._settled(case) for case in found]
        values: Array = encode(sound, self.names, self.ontology, strict=False).to(torch.int8).numpy()
        return values

    def _settled(self, case: Case) -> Case:
        """``case`` without the excluded terms that it has all the same, which are named."""
        if not (both := contradicted(case, self.ontology)):
            return case
        said = [
            f"{out} is excluded, and " + ("observed too" if out == own else f"{own} observed, which is or implies it")
            for out, own in both.items()
        ]
        notice(f"{case.source or case.id}: in the case {case.id} {'; '.join(said)}. What was observed counts.")
        return replace(case, excluded=tuple(word for word in case.excluded if word not in both))

    def inputs(self, kept: Array, support: Array) -> Tensor:
        return torch.tensor(kept, dtype=torch.float32)

    def specific(self, row: Array) -> list[int]:
        """Columns of the observed terms of ``row`` [V] that have no more specific one observed."""
        general = {parent for at in np.flatnonzero(row == 1) for parent in self.own.parents[at]}
        return [int(at) for at in np.flatnonzero(row == 1) if at not in general]

    def without(self, row: Array, terms: Sequence[int]) -> Array:
        """[len(terms), V] ``row`` as it were without each of ``terms``, and without what only that one implies."""
        own = self.specific(row)
        made = np.repeat(row[None], len(terms), 0)
        for changed, term in zip(made, terms, strict=True):
            changed[changed == 1] = 0
            for other in own:
                if other != term:
                    changed[list(self.own.above[other])] = 1
        return made

    def ruled_out(self, row: Array) -> list[int]:
        """Columns of the excluded terms of ``row`` [V] that have no more general one excluded."""
        absent = {int(at) for at in np.flatnonzero(row == -1)}
        return sorted(at for at in absent if len(self.own.above[at] & absent) == 1)

    def not_ruled_out(self, row: Array, terms: Sequence[int]) -> Array:
        """[len(terms), V] ``row`` as it were if each of ``terms`` were open, and what only that one rules out."""
        tops = {*self.ruled_out(row)}
        made = np.repeat(row[None], len(terms), 0)
        for at in np.flatnonzero(row == -1):
            by = self.own.above[at] & tops
            for changed, term in zip(made, terms, strict=True):
                if by == {term}:
                    changed[at] = 0
        return made

    def _checked(self, X: Array) -> Array:
        if X.ndim != 2 or X.shape[1] != len(self.names) or not np.isin(X, (-1, 0, 1)).all():
            raise UserError(
                f"X has shape {X.shape}; expected lists of terms, or [n, {len(self.names)}] of 1 (observed), -1 "
                f"(excluded) and 0."
            )
        return X.astype(np.int8)


@lru_cache(maxsize=8)
def _own(names: tuple[str, ...], parents: tuple[tuple[int, ...], ...]) -> Ontology:
    """Of a run's spec; a server asks for it with every request."""
    return ontology_of(names, parents)


@lru_cache(maxsize=1)
def _whole(path: Path, changed: int) -> Ontology:
    """The one in the file ``path``, which was last ``changed`` then: reading takes a second."""
    return ontology.read(path)


def _case(one: Any, number: int) -> Case:
    if isinstance(one, Case):
        return one
    if isinstance(one, Mapping) and "observed" in one:
        return Case(f"case {number}", None, tuple(one["observed"]), tuple(one.get("excluded", ())))
    if isinstance(one, Sequence) and not isinstance(one, str):
        return Case(f"case {number}", None, tuple(map(str, one)))
    raise UserError(f"case {number} is {one!r}; expected a list of HPO terms, or the path of a phenopacket for all.")
