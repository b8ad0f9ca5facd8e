"""An invented ontology, and patients of invented diseases: the same in form as real ones, and there without data.

Terms are a tree of four levels, in which some of the lowest have a second parent. A disease has a few typical terms,
each with a frequency of its own; a patient has a part of these, some replaced by a term right above. Other terms come
together, whatever the disease: they are what a paper happens to report, and of no use. Each paper looks for some of all
these terms, and lists as excluded what it looked for and did not find.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from quickstudy.tasks import draw
from quickstudy.tasks.diseases.annotation_files import Annotated
from quickstudy.tasks.diseases.ontology import ROOT, Ontology
from quickstudy.tasks.diseases.terms import Case

DISEASES = 200
UNPUBLISHED = 40
"""Diseases without patients, of which only annotations are known."""
PAPERS = 3
TYPICAL = 6
"""Terms of a disease."""
HABITS = (4, 4)
"""Sets of terms that come together, and terms of each."""
BRANCHES = (4, 5, 5)


@functools.cache
def synthetic() -> tuple[Ontology, tuple[Case, ...]]:
    """The ontology, and two patients in each of three papers on each of 200 diseases."""
    known = tree()
    own = key("terms")
    leaves = lowest(known)
    habits = leaves[draw.order(own, len(leaves), "habits", math.prod(HABITS))]
    return known, tuple(case for disease in range(DISEASES) for case in cases(disease, known, leaves, habits))


def synthetic_annotations() -> tuple[list[Annotated], dict[str, set[str]]]:
    """What is known of these diseases and of others without patients, and the genes of each."""
    known = tree()
    leaves = lowest(known)
    told = []
    for disease in range(DISEASES + UNPUBLISHED):
        terms, chance = typical(disease, leaves)
        words = {known.ids[at]: share for at, share in zip(terms.tolist(), chance.tolist(), strict=True)}
        told.append(Annotated(label(disease), f"invented disease {disease}", words, frozenset()))
    return told, {one.disease: {gene(disease)} for disease, one in enumerate(told)}


def label(disease: int) -> str:
    return f"OMIM:9{disease:05}"


def gene(disease: int) -> str:
    """That of the first twenty is another's too; of the last ones without patients, that of one with patients."""
    if disease >= DISEASES + UNPUBLISHED // 2:
        return gene(disease - DISEASES)
    return f"GENE{disease // 2 if disease < 20 else disease}"


def lowest(known: Ontology) -> Tensor:
    """Terms without any below them."""
    return torch.tensor([at for at in range(len(known.ids)) if not any(at in above for above in known.parents)])


def typical(disease: int, leaves: Tensor) -> tuple[Tensor, Tensor]:
    """Terms of a disease, and the frequency of each."""
    own = key("disease", disease)
    terms = leaves[draw.order(own, len(leaves), "typical", TYPICAL)]
    return terms, draw.uniform(own, TYPICAL, "chance", 0.2, 0.7)


def key(*words: object) -> Tensor:
    return torch.tensor(draw.salt("synthetic diseases", *words))


def tree() -> Ontology:
    """One root, then ``BRANCHES`` terms below each; every fourth of the lowest has a second parent."""
    parents: list[tuple[int, ...]] = [(), (0,)]
    level = [1]
    for depth, branches in enumerate(BRANCHES):
        below = []
        for number, above in enumerate(level):
            for branch in range(branches):
                second = depth == len(BRANCHES) - 1 and branch == 0 and number % 2 == 0
                below.append(len(parents))
                parents.append((above, level[(number + 7) % len(level)]) if second else (above,))
        level = below
    ids = ("HP:0000001", ROOT, *(f"HP:9{at:06}" for at in range(2, len(parents))))
    labels = ("All", "Phenotypic abnormality", *(f"Invented finding {at}" for at in range(2, len(parents))))
    synonyms = {label.lower(): at for at, label in enumerate(labels)}
    return Ontology(ids, labels, tuple(parents), others={}, synonyms=synonyms, gone={}, version="invented")


def cases(disease: int, known: Ontology, leaves: Tensor, habits: Tensor) -> list[Case]:
    """The patients of one disease."""
    terms, chance = typical(disease, leaves)
    asked = torch.cat([terms, habits])
    made = []
    for number in range(2 * PAPERS):
        paper, self = key(disease, number // 2), key("patient", disease, number)
        looked = draw.uniform(paper, len(asked), "looked") < 0.5
        reports = (draw.uniform(paper, HABITS[0], "habits") < 0.3).repeat_interleave(HABITS[1])
        has = torch.cat([draw.uniform(self, TYPICAL, "has") < chance, reports])
        has[0] |= not bool(has.any())
        coarse = draw.uniform(self, len(asked), "coarse") < 0.2
        words = [known.ids[known.parents[at][0] if up else at] for at, up in zip(asked.tolist(), coarse, strict=True)]
        made.append(
            Case(
                id=f"PMID_9{disease:04}{number // 2}_{number}",
                label=label(disease),
                observed=tuple(word for word, here in zip(words, has, strict=True) if here),
                excluded=tuple(known.ids[at] for at in asked[looked & ~has].tolist()),
                papers=(f"PMID_9{disease:04}{number // 2}",),
                genes=(gene(disease),),
            )
        )
    return made
