"""What is known of a disease beside its patients: terms and how frequent they are, as HPO annotates them.

    phenotype.hpoa            disease, term and frequency a line, with the paper that says so
    genes_to_phenotype.txt    among others gene and disease: which diseases are of one gene

Frequencies are n/m patients, a percentage, or a term of the ontology such as HP:0040282, Frequent (30 to 79 %). Both
files may end in .gz. Köhler et al. (2021), "The Human Phenotype Ontology in 2021"; the formats:
https://obophenotype.github.io/human-phenotype-ontology/annotations/introduction.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from quickstudy.errors import UserError

WORDS = {
    "": 0.5,
    "HP:0040280": 1.0,
    "HP:0040281": 0.9,
    "HP:0040282": 0.55,
    "HP:0040283": 0.17,
    "HP:0040284": 0.025,
    "HP:0040285": 0.0,
}
"""Middle of what each term for a frequency stands for (obligate, very frequent, frequent, occasional, very rare,
excluded); where nothing is said, a half."""
COLUMNS = ("database_id", "disease_name", "qualifier", "hpo_id", "reference", "frequency", "aspect")
GENES = ("gene_symbol", "disease_id")
FETCH = "Fetch it from https://hpo.jax.org/data/annotations"


@dataclass(frozen=True)
class Annotated:
    """One disease."""

    disease: str
    name: str
    terms: dict[str, float]
    """Frequency of each term, by its id."""
    papers: frozenset[str]
    """Where that is from, as ``PMID_1234``."""


def read(path: Path, wanted: Callable[[str], bool] = lambda disease: True) -> list[Annotated]:
    """The diseases in the file ``path`` that are ``wanted``, each with the abnormalities that it may have.

    What a disease is said not to have is left out. Raises UserError, with the line, for what cannot be read.
    """
    names: dict[str, str] = {}
    papers: dict[str, set[str]] = {}
    told: dict[str, dict[str, list[float]]] = {}
    for where, (disease, name, qualifier, term, reference, frequency, aspect) in _rows(path, COLUMNS):
        if not wanted(disease):
            continue
        names.setdefault(disease, name)
        papers.setdefault(disease, set()).update(f"PMID_{one}" for one in re.findall(r"PMID:(\d+)", reference))
        if aspect == "P" and qualifier != "NOT":
            share, weight = _frequency(frequency, where)
            sums = told.setdefault(disease, {}).setdefault(term, [0.0, 0.0])
            sums[0] += share * weight
            sums[1] += weight
    return [
        Annotated(
            disease,
            names[disease],
            {term: share / weight for term, (share, weight) in terms.items() if share},
            frozenset(papers[disease]),
        )
        for disease, terms in told.items()
    ]


def genes(path: Path) -> dict[str, set[str]]:
    """Symbols of the genes of each disease in the file ``path``."""
    found: dict[str, set[str]] = {}
    for _, (gene, disease) in _rows(path, GENES):
        found.setdefault(disease, set()).add(gene)
    return found


def _frequency(word: str, where: str) -> tuple[float, float]:
    """How frequent a term is, and how many patients that is from (one where it does not say)."""
    if word in WORDS:
        return WORDS[word], 1.0
    if (counted := re.fullmatch(r"(\d+)/(\d+)", word)) and int(counted[1]) <= int(counted[2]) > 0:
        had, asked = int(counted[1]), int(counted[2])
        return ((had + 0.5) / (asked + 1) if had else 0.0), float(asked)  # one of one is not always
    if (percent := re.fullmatch(r"(\d+(?:\.\d+)?) ?%", word)) and float(percent[1]) <= 100:
        return float(percent[1]) / 100, 1.0
    raise UserError(
        f"{where}: the frequency is {word!r}; expected patients as in 3/7, a percentage as in 45%, or a term such as "
        "HP:0040282."
    )


def _rows(path: Path, columns: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Place and cells of each line, in the order of ``columns``."""
    if not path.is_file():
        raise UserError(f"there is no file {path}. {FETCH}, and say where it is.")
    line, at, width = 0, list[int](), 0
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            for line, text in enumerate(file, 1):
                cells = text.rstrip("\r\n").split("\t")
                if at:
                    if len(cells) != width:
                        raise UserError(
                            f"{path}, line {line}: there are {len(cells)} cells, and the header has {width}. Is it cut "
                            f"off? {FETCH}."
                        )
                    yield f"{path}, line {line}", [cells[one] for one in at]
                elif not text.startswith("#") and text.strip():
                    if lost := [name for name in columns if name not in cells]:
                        raise UserError(f"{path}, line {line}: the header has no column {lost[0]}. {FETCH}.")
                    at, width = [cells.index(name) for name in columns], len(cells)
    except (EOFError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read after line {line} ({error}). {FETCH}.") from error
    if not at:
        raise UserError(f"{path} has no header. {FETCH}.")
