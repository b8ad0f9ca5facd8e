"""One patient in JSON: a GA4GH phenopacket of version 2 or 1, or the plain form of one line.

Whatever JSON there is becomes a ``Case`` or a UserError that says which part of it is not as expected.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from typing import Any

from quickstudy.errors import UserError
from quickstudy.tasks.diseases.terms import PAPER, Case
from quickstudy.tasks.yes_no import excluded

Part = tuple[dict[str, Any], str]
"""An object, and where it stands."""


def case(value: Any, where: str) -> Case:
    """The patient that ``value`` describes; measurements, biosamples and the like are not looked at."""
    features = value.get("phenotypicFeatures") if isinstance(value, dict) else None
    if not isinstance(features, list):
        raise UserError(f"{where} has no list phenotypicFeatures. Expected a GA4GH phenopacket (schema version 2).")
    terms: tuple[list[str], list[str]] = ([], [])
    for at, feature in enumerate(features):
        kind = feature.get("type") if isinstance(feature, dict) else None
        word = (kind.get("id") or kind.get("label")) if isinstance(kind, dict) else None
        if not isinstance(word, str):
            raise UserError(f"{where}: phenotypicFeatures[{at}] has no type with an id. Name its HPO term.")
        terms[_excluded(feature, f"{where}: phenotypicFeatures[{at}]")].append(word)
    whole = value, where
    name = _word(whole, "id") or _word(_part(whole, "subject"), "id") or where
    references = [_word(one, "id") for one in _parts(_part(whole, "metaData"), "externalReferences")]
    return Case(
        id=name,
        label=_diagnosis(whole),
        observed=tuple(terms[0]),
        excluded=tuple(terms[1]),
        source=where,
        papers=_papers(" ".join([*references, name])),
        genes=tuple(dict.fromkeys(_genes(whole))),
    )


def plain(value: dict[str, Any], where: str) -> Case:
    """The patient of ``{"id", "disease", "observed": [...], "excluded": [...], "gene": [...]}``."""
    name = _word((value, where), "id") or where
    return Case(
        id=name,
        label=_word((value, where), "disease") or None,
        observed=_words(value, "observed", where),
        excluded=_words(value, "excluded", where),
        source=where,
        papers=_papers(name),
        genes=_words(value, "gene", where),
    )


def _words(value: dict[str, Any], field: str, where: str) -> tuple[str, ...]:
    found = value.get(field) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        wanted = "names of genes" if field == "gene" else "HPO terms"
        raise UserError(f"{where}: {field} is {reprlib.repr(found)}; expected a list of {wanted}.")
    return tuple(found)


def _papers(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paper.replace(":", "_") for paper in PAPER.findall(text)))


def _excluded(feature: dict[str, Any], where: str) -> bool:
    """Of version 2, or as version 1 calls it."""
    return excluded(feature.get("excluded"), where) or excluded(feature.get("negated"), where)


def _diagnosis(whole: Part) -> str | None:
    """Id, or else name, of the first disease that is not ruled out, of the interpretations first."""
    made = [_part(_part(one, "diagnosis"), "disease") for one in _parts(whole, "interpretations")]
    said = [_part(one, "term") for one in _parts(whole, "diseases") if not _excluded(*one)]
    return next(filter(None, (_word(one, "id") or _word(one, "label") for one in (*made, *said))), None)


def _genes(whole: Part) -> Iterator[str]:
    """Symbols of all genes in the interpretations."""
    for one in _parts(whole, "interpretations"):
        for found in _parts(_part(one, "diagnosis"), "genomicInterpretations"):
            variant = _part(_part(found, "variantInterpretation"), "variationDescriptor")
            named = (_part(found, "gene"), _part(variant, "geneContext"))
            yield from filter(None, (_word(gene, "symbol") for gene in named))


def _part(whole: Part, field: str) -> Part:
    """The object under ``field``; an empty one where there is none."""
    value, where = whole
    return _object(value.get(field), f"{where}: {field}")


def _parts(whole: Part, field: str) -> list[Part]:
    """The objects in the list under ``field``."""
    value, where = whole
    here, found = f"{where}: {field}", value.get(field)
    if found is not None and not isinstance(found, list):
        raise UserError(f"{here} is {reprlib.repr(found)}; expected a list, as the phenopacket schema has it.")
    return [_object(one, f"{here}[{at}]", gaps=False) for at, one in enumerate(found or [])]


def _object(value: Any, where: str, gaps: bool = True) -> Part:
    if value is None and gaps:
        return {}, where
    if not isinstance(value, dict):
        raise UserError(f"{where} is {reprlib.repr(value)}; expected an object, as the phenopacket schema has it.")
    return value, where


def _word(whole: Part, field: str) -> str:
    """The word, or whole number, under ``field``; an empty one where there is none."""
    value, where = whole
    found = value.get(field)
    if found is None:
        return ""
    if not isinstance(found, str | int) or isinstance(found, bool):
        raise UserError(f"{where}: {field} is {reprlib.repr(found)}; expected a word.")
    return str(found)
