"""Which annotated diseases may be trained on: none that says anything of a disease that is held out.

What is annotated of a disease is left out if that disease is validated or tested on, or shares a gene or a paper with
one that is, or bears its name. Diseases without published patients come on top only where their genes are known, and
only from the catalogues that the patients' diagnoses are from, for others call the same diseases by other ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from quickstudy.errors import UserError
from quickstudy.tasks.base import Split
from quickstudy.tasks.diseases import annotation_files
from quickstudy.tasks.diseases.annotation_files import Annotated
from quickstudy.tasks.diseases.drawn_patients import drawn
from quickstudy.tasks.diseases.ontology import Ontology
from quickstudy.tasks.diseases.terms import Case, Numbers
from quickstudy.tasks.places import find

Ties = Mapping[str, set[str]]
"""Of each disease what it shares with others, ``gene FBN1`` or ``paper PMID_1``."""
Told = tuple[list[Annotated], dict[str, set[str]]]
"""What is annotated of diseases, and the genes of each."""
OURS, OTHERS = (1, 6), (2, 3)
"""Reports of a disease that has published patients, or has none, and drawn patients of each: of the latter there are
thousands, and one of their reports is asked about."""


def told(hpoa: str, genes: str, others: bool) -> Told:
    """What the files say; without genes, no others than those of patients can be told from those held out."""
    there = find(genes)
    if others and not there.is_file():
        raise UserError(
            f"there is no {genes}, here or in QUICKSTUDY_DATA, and without it nothing tells which diseases are of the "
            "gene of one that is held out. Fetch genes_to_phenotype.txt from https://hpo.jax.org/data/annotations, say "
            "where it is (genes=...), or take annotated=training."
        )
    return annotation_files.read(find(hpoa)), annotation_files.genes(there) if there.is_file() else {}


def reports(
    all_told: Told,
    names: Mapping[Split, Sequence[str]],
    tied: Ties,
    known: Ontology,
    own: Sequence[Numbers],
    others: bool,
) -> list[Case]:
    """Drawn patients of training diseases, and of ``others`` without published patients if asked for.

    ``own`` are the terms of training patients.
    """
    annotated, genes = all_told
    taught = teachable(annotated, names, tied, genes, others)
    check_untold(taught, annotated, names, tied, genes)
    noise = [at for observed, _ in own for at in observed]
    parts = [[one for one in taught if (one.disease in tied) == ours] for ours in (True, False)]
    made = [drawn(part, *sizes, known, noise) for part, sizes in zip(parts, (OURS, OTHERS), strict=True)]
    return [case for part in made for case in part]


def own_ties(one: Annotated, tied: Ties, genes: Ties) -> set[str]:
    """What ties an annotated disease to others, by its patients (``tied``), by ``genes`` and by its annotations."""
    by_gene = {f"gene {gene}" for gene in genes.get(one.disease, ())}
    papers = {f"paper {paper}" for paper in one.papers}
    return {f"disease {one.disease}", f"name {one.name.lower()}"} | papers | by_gene | tied.get(one.disease, set())


def held_out(every: Iterable[Annotated], names: Mapping[Split, Sequence[str]], tied: Ties, genes: Ties) -> set[str]:
    """Every tie of the diseases that are not trained on."""
    held = [*names["val"], *names["test"]]
    found = {f"disease {disease}" for disease in held}.union(*(tied.get(disease, ()) for disease in held))
    found |= {f"gene {gene}" for disease in held for gene in genes.get(disease, ())}
    there = set(held)
    return found.union(*(own_ties(one, tied, genes) for one in every if one.disease in there))


def teachable(
    every: Sequence[Annotated], names: Mapping[Split, Sequence[str]], tied: Ties, genes: Ties, others: bool
) -> list[Annotated]:
    """Of ``every`` annotated disease those of training, and ``others`` if asked for, without a tie to one held out."""
    held, train = held_out(every, names, tied, genes), set(names["train"])
    catalogues = {disease.partition(":")[0] for disease in tied}

    def asked(one: Annotated) -> bool:
        known = one.disease.partition(":")[0] in catalogues and bool(genes.get(one.disease))
        return one.disease in train or (others and known)

    return [one for one in every if asked(one) and not own_ties(one, tied, genes) & held]


def check_untold(
    taught: Iterable[Annotated],
    every: Iterable[Annotated],
    names: Mapping[Split, Sequence[str]],
    tied: Ties,
    genes: Ties,
) -> None:
    """AssertionError if what is annotated of a disease that is ``taught`` says something of one that is held out."""
    held = held_out(every, names, tied, genes)
    for one in taught:
        if leaks := sorted(own_ties(one, tied, genes) & held):
            raise AssertionError(f"{one.disease} is annotated for training, and {leaks[0]} is held out")
