"""Patients drawn from what is annotated of a disease, to train on: a case report is what is left of these.

A patient has each term of the disease by its frequency, and the report mentions some of what he has. It puts some of
that in a more general term, lists a part of what he does not have as excluded, and has a finding or two that belong to
no disease, drawn from what training patients have. Patients of one disease come in reports, as published ones do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from quickstudy.tasks import draw
from quickstudy.tasks.diseases.annotation_files import Annotated
from quickstudy.tasks.diseases.ontology import Ontology
from quickstudy.tasks.diseases.terms import Case

MENTIONED = 0.7
"""Share of what a patient has that the report mentions."""
ABSENT = 0.3
"""Share of what he does not have that it says so of."""
GENERAL = 0.2
"""Share that is put in the term right above, and of that again in one above it."""
NOISE = 3
"""Findings that belong to no disease: each of so many is there in a third of the patients."""
MOST = 80
"""Terms of a disease that are drawn from, the most frequent ones."""


def drawn(told: Sequence[Annotated], reports: int, each: int, known: Ontology, noise: Sequence[int]) -> list[Case]:
    """``reports`` of ``each`` so many patients of each disease; ``noise``: terms as often as training patients have
    them.

    A disease of which no term describes a patient has none.
    """
    found = [(one, _terms(one, known)) for one in told]
    found = [(one, terms) for one, terms in found if terms]
    if not found:
        return []
    count = reports * each
    term, frequency = _side_by_side([terms for _, terms in found])
    key = torch.tensor([draw.salt("drawn patients", one.disease) for one, _ in found])
    own = draw.bits(key, count, "patients")  # [D, P], a key of each patient
    most = term.shape[-1]
    has = draw.uniform(own, most, "has") < frequency.unsqueeze(1)
    mentioned = has & (draw.uniform(own, most, "mentioned") < MENTIONED)
    mentioned[..., 0] |= ~mentioned.any(-1)  # the most frequent one, where there would be nothing to report
    absent = ~has & (frequency > 0).unsqueeze(1) & (draw.uniform(own, most, "absent") < ABSENT)
    absent &= ~mentioned
    said = _more_general(term.unsqueeze(1).expand_as(has), own, known)
    stray = torch.tensor(noise)[draw.bits(own, NOISE, "noise") % len(noise)]
    strays = draw.uniform(own, NOISE, "stray") < 1 / 3
    ids = known.ids
    made = []
    for (one, terms), *parts in zip(found, said, mentioned, absent, stray, strays, strict=True):
        names = [ids[at] for at, _ in terms]
        for number, (words, yes, no, others, there) in enumerate(zip(*(part.tolist() for part in parts), strict=True)):
            observed = [ids[at] for at, here in zip(words, yes, strict=True) if here]
            observed += [ids[at] for at, here in zip(others, there, strict=True) if here]
            made.append(
                Case(
                    id=f"drawn {one.disease} {number}",
                    label=one.disease,
                    observed=tuple(dict.fromkeys(observed)),
                    excluded=tuple(name for name, out in zip(names, no, strict=False) if out),
                    papers=(f"drawn {one.disease} {number // each}",),
                )
            )
    return made


def _terms(one: Annotated, known: Ontology) -> list[tuple[int, float]]:
    """Terms that describe a patient, the most frequent first, and their frequencies."""
    found = [(at, share) for word, share in one.terms.items() if (at := known.find(word)) in known.described]
    return sorted(((at, share) for at, share in found if at is not None), key=lambda pair: -pair[1])[:MOST]


def _side_by_side(lists: Sequence[Sequence[tuple[int, float]]]) -> tuple[Tensor, Tensor]:
    """Terms and frequencies [D, most]; where a disease has fewer, the frequency is 0."""
    most = max(map(len, lists))
    term = torch.tensor([[*(at for at, _ in one), *[0] * (most - len(one))] for one in lists])
    return term, torch.tensor([[*(share for _, share in one), *[0.0] * (most - len(one))] for one in lists])


def _more_general(term: Tensor, own: Tensor, known: Ontology) -> Tensor:
    """``term`` [D, P, most], some of them replaced by one right above, and some of these again; the top ones stay."""
    most = max(map(len, known.parents))
    above = [[one for one in parents if one in known.described] or [at] for at, parents in enumerate(known.parents)]
    padded = torch.tensor([row + row[:1] * (most - len(row)) for row in above])
    moved = torch.ones_like(term, dtype=torch.bool)
    for step in ("one", "two"):
        which = draw.bits(own, term.shape[-1], f"above {step}") % most
        moved = moved & (draw.uniform(own, term.shape[-1], f"general {step}") < GENERAL)
        term = torch.where(moved, padded[term, which], term)
    return term
