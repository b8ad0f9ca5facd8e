"""Rare diseases: which of a few diseases does a patient have, of each of which some patients are known?

A class is a disease, an example a patient: a vector over the terms of the Human Phenotype Ontology (``terms.py``).
The data are 10,580 patients of 800 diseases that were published with all their terms: Danis et al. (2025), "A corpus of
GA4GH phenopackets: Case-level phenotyping for genomic diagnostics and discovery". Diseases that share a gene or a paper
are in the same split (``components.py``); in an episode, query and support are of different papers (``patients.py``).
What a patient's gene, cohort or diagnosis is called never becomes part of x, and the vocabulary is that of the training
patients: any other term counts as the terms above it.

What is annotated of training diseases can be drawn from as well (``drawn_patients.py``): a drawn report is one more
paper of its disease, in training episodes alone. ``teachable.py`` says whose annotations never are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import (
    Examples,
    Predict,
    Spec,
    Split,
    Task,
    WholeTasks,
    check_counts,
    check_room,
    check_split,
    masked_mean,
)
from quickstudy.tasks.diseases import components, ontology, phenopackets, terms
from quickstudy.tasks.diseases.patients import Patients, Places, side_by_side
from quickstudy.tasks.diseases.synthetic_diseases import synthetic, synthetic_annotations
from quickstudy.tasks.diseases.teachable import reports, told
from quickstudy.tasks.diseases.terms import Case
from quickstudy.tasks.places import find

CASES = "phenopackets/cases.jsonl.gz"
ONTOLOGY = "hpo/hp.obo.gz"
ANNOTATIONS = "hpo/phenotype.hpoa.gz"
GENES = "hpo/genes_to_phenotype.txt.gz"
RANKED = 20
"""Ways above which the answer is a ranked list."""


class Phenotypes:
    """Diseases to be told apart by the terms of their patients.

    ``partition``: which diseases are tested, see ``components.py``. ``simulated``: a small invented ontology and
    patients that are drawn from it, without any data. ``annotated``: also train on patients drawn from what is
    annotated of the training diseases, or of all that have nothing to do with those held out. ``cases``, ``hpo``,
    ``hpoa`` and ``genes`` are paths, in QUICKSTUDY_DATA too. Terms that the ontology does not have, and patients
    without any, are left out.
    """

    splits: tuple[Split, ...] = ("train", "val", "test")

    def __init__(
        self,
        *,
        partition: int = 0,
        simulated: bool = False,
        annotated: Literal["none", "training", "all"] = "none",
        cases: str = CASES,
        hpo: str = ONTOLOGY,
        hpoa: str = ANNOTATIONS,
        genes: str = GENES,
    ) -> None:
        if partition < 0:
            raise UserError(f"the partition of phenotypes is {partition}; it must be 0 or more.")
        known, everyone = synthetic() if simulated else (ontology.read(_found(hpo)), phenopackets.cases(_found(cases)))
        all_terms = [terms.numbers(case, known, strict=False) for case in everyone]
        kept = [at for at, one in enumerate(all_terms) if one[0] and everyone[at].label is not None]
        listed, found = [everyone[at] for at in kept], [all_terms[at] for at in kept]
        names = components.splits(ties(listed), partition)
        if not all(names.values()):
            raise UserError(
                f"{cases} has {len({case.label for case in listed})} diseases with patients; expected ten or more that "
                "share no gene and no paper, to train, validate and test on. For fewer, take a run that is trained."
            )
        check_apart(listed, names)
        train = set(names["train"])
        used = terms.vocabulary([one for one, case in zip(found, listed, strict=True) if case.label in train], known)
        x = terms.filled(found, used, known)
        self._published = {split: patients(x, listed, names[split]) for split in self.splits}
        self._patients = dict(self._published)
        if annotated != "none":
            all_told = synthetic_annotations() if simulated else told(hpoa, genes, annotated == "all")
            own = [one for one, case in zip(found, listed, strict=True) if case.label in train]
            made = reports(all_told, names, ties(listed), known, own, others=annotated == "all")
            more = terms.filled([terms.numbers(case, known) for case in made], used, known)
            x, listed = torch.cat([x, more]), [*listed, *made]
            there = dict.fromkeys([*names["train"], *(case.label or "" for case in made)])
            self._patients["train"] = patients(x, listed, list(there))
        name = "phenotypes" + f":partition={partition}" * (partition > 0) + ":simulated=true" * simulated
        name += f":annotated={annotated}" * (annotated != "none")
        places = {"cases": (cases, CASES), "hpo": (hpo, ONTOLOGY), "hpoa": (hpoa, ANNOTATIONS), "genes": (genes, GENES)}
        name += "".join(f":{what}={path}" for what, (path, usual) in places.items() if path != usual)
        self.spec = Spec(
            name=name,
            kind="classification",
            shape=(len(used),),
            classes=len(self._patients["train"].names),
            shot_unit="known patient of each disease",
            form="terms",
            fingerprint="" if simulated else fingerprint(x, names),
            names=terms.names_of(used, known),
            parents=terms.parents_of(used, known),
        )

    def patients(self, split: str) -> Patients:
        """Those of ``split``; UserError if there is no such split."""
        return self._patients[check_split(self, split)]

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] episodes; a disease gives what it has, and no query if all its patients are of one paper."""
        known = self.patients(split)
        check_counts(way=way, shot=shot, query=query)
        if way > len(known.names):
            raise UserError(
                f"--way is {way}, but {self.spec.name}, split {split} has {len(known.names)} diseases. Ask for at "
                "most that many."
            )
        check_room(self.spec, len(index), way=way, shot=shot, query=query)
        key = draw.keys(index, "phenotypes", split, seed)
        classes = known.choose(key, way)

        def examples(places: Places) -> Examples:
            y = torch.eye(way).repeat_interleave(places.at.shape[-1], 0).expand(len(index), -1, -1)
            return Examples(known.x[places.at.flatten(1)].float(), y, places.mask.flatten(1))

        support, asked = known.place(classes, key, shot, query)
        return Task(examples(support), examples(asked), classes=classes, unit=index.to(torch.int64), key=key)

    def tasks(self, split: Split) -> WholeTasks:
        """Each disease whole, without what is drawn: x [n, V], y [n, 1] of ones."""
        known = self._published[check_split(self, split)]

        def whole(number: int) -> Examples:
            rows = known.rows[number]
            x = known.x[rows[rows >= 0]].float()
            return Examples(x, torch.ones(len(x), 1), torch.ones(len(x), dtype=torch.bool))

        return WholeTasks(len(known.names), whole)

    def members(self, split: Split) -> frozenset[str] | None:
        """The diseases of ``split``, for example phenotypes/OMIM:147791."""
        return frozenset(self.patients(split).names)

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """``accuracy``: share of queries [T] whose own disease is first; in a ranking among more than 20 diseases also
        ``top10``, and ``mrr``: mean of 1 / place of the own disease."""
        logits = predict(task.query.x, task.query.mask)[0]
        own = (logits * task.query.y).sum(-1, keepdim=True)
        first = torch.arange(logits.shape[-1], device=logits.device) < task.query.y.argmax(-1, keepdim=True)
        place = 1 + ((logits > own) | ((logits == own) & first)).sum(-1)
        mask, as_float = task.query.mask, logits.dtype
        found = {"accuracy": masked_mean((place == 1).to(as_float), mask)}
        if logits.shape[-1] > RANKED:
            found["top10"] = masked_mean((place <= 10).to(as_float), mask)
            found["mrr"] = masked_mean(1 / place.to(as_float), mask)
        return found


def _found(path: str) -> Path:
    if not (there := find(path)).exists():
        raise UserError(
            f"there is no {path}, here or in QUICKSTUDY_DATA. Fetch hp.obo from https://hpo.jax.org and phenopackets "
            "from https://github.com/monarch-initiative/phenopacket-store, say where they are (cases=..., hpo=...), or "
            "take phenotypes:simulated=true."
        )
    return there


def ties(listed: Sequence[Case]) -> dict[str, set[str]]:
    """What ties each disease to others: its patients' genes and papers."""
    found: dict[str, set[str]] = {}
    for case in listed:
        own = {f"gene {gene}" for gene in case.genes} | {f"paper {paper}" for paper in case.papers}
        found.setdefault(case.label or "", set()).update(own)
    return found


def check_apart(listed: Sequence[Case], names: Mapping[Split, Sequence[str]]) -> None:
    """AssertionError if two splits have a disease, a gene or a paper in common."""
    tied = ties(listed)
    seen: dict[str, str] = {}
    for split, diseases in names.items():
        own = {f"disease {disease}": None for disease in diseases}
        for one in own | dict.fromkeys(tie for disease in diseases for tie in sorted(tied[disease])):
            if one in seen:
                raise AssertionError(f"{one} is both in {seen[one]} and in {split}")
            seen[one] = split


def patients(x: Tensor, listed: Sequence[Case], diseases: Sequence[str]) -> Patients:
    """Those of ``diseases``; x [n, V] are all that are ``listed``."""
    own: dict[str, list[int]] = {disease: [] for disease in diseases}
    for at, case in enumerate(listed):
        if case.label in own:
            own[case.label].append(at)
    papers = [paper_numbers([listed[at] for at in rows]) for rows in own.values()]
    order = torch.tensor([at for rows in own.values() for at in rows])
    place = {at: row for row, at in enumerate(order.tolist())}
    return Patients(
        x=x[order],
        rows=side_by_side([[place[at] for at in rows] for rows in own.values()], -1),
        paper=side_by_side(papers, 0),
        names=tuple(f"phenotypes/{disease}" for disease in own),
    )


def paper_numbers(listed: Sequence[Case]) -> list[int]:
    """Of each patient of a disease the number of the paper; papers that one patient is in count as one.

    A patient of no paper could be in any, so that all without one count as one.
    """
    parts = components.components({str(at): case.papers or ("none",) for at, case in enumerate(listed)})
    number = {int(name): paper for paper, part in enumerate(parts) for name in part}
    return [number[at] for at in range(len(listed))]


def fingerprint(x: Tensor, names: Mapping[Split, Sequence[str]]) -> str:
    """Hash of the patients and of which diseases each split has."""
    digest = hashlib.sha256("\n".join(f"{split} {name}" for split in names for name in names[split]).encode())
    digest.update(x.numpy().data)
    return digest.hexdigest()[:16]
