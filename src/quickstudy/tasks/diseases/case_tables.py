"""Tables of patients and their terms: a patient a row, or a term a row.

    patient, disease (optional), observed, excluded (optional)     terms with ; or | between them; ids also with commas
    patient, disease (optional), term, excluded (optional)         ``excluded`` is true or false, in a word of yes_no.py

Between columns there are commas, semicolons or tabs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from quickstudy.errors import UserError
from quickstudy.tasks.diseases.ontology import ID
from quickstudy.tasks.diseases.terms import PAPER, Case
from quickstudy.tasks.lines import lines, separator
from quickstudy.tasks.yes_no import excluded

COLUMNS = {
    "patient": ("patient", "patient_id", "id", "case", "case_id", "subject"),
    "disease": ("disease", "diagnosis", "label", "disease_id"),
    "observed": ("observed", "terms", "hpo", "hpo_ids", "hpo_terms", "phenotypes"),
    "excluded": ("excluded", "excluded_terms", "absent"),
    "term": ("term", "hpo_id", "hpo_term", "phenotype"),
}
"""What the columns of a CSV may be called, in any case."""


def rows(text: str, path: Path) -> Iterator[Case]:
    """The patients in the ``text`` of the file ``path``, as its rows stand; UserError names the line."""
    table = lines(text, path, separator(text))
    header = [name.lower() for name in next(table, (1, []))[1]]
    at = {what: next((header.index(name) for name in names if name in header), -1) for what, names in COLUMNS.items()}
    if at["observed"] < 0 and at["term"] < 0:
        raise UserError(
            f"{path}, line 1: there is no column of terms among {', '.join(header) or 'nothing'}. Expected one of "
            f"{', '.join((*COLUMNS['observed'], *COLUMNS['term']))}."
        )
    found = []
    for number, line in table:
        where = f"{path}, line {number}"
        if len(line) != len(header):
            raise UserError(
                f"{where}: there are {len(line)} cells, and the header has {len(header)}. Put ; or | between terms, or "
                "quote the cell."
            )
        found.append(({what: line[column] if column >= 0 else "" for what, column in at.items()}, where))
    if at["observed"] >= 0:
        for row, where in found:
            own, absent = (tuple(_words(row[what])) for what in ("observed", "excluded"))
            yield _row(row["patient"] or where, row["disease"], own, absent, where)
    else:
        yield from _long(found)


def _long(rows: Sequence[tuple[dict[str, str], str]]) -> Iterator[Case]:
    """A term a row: rows of one patient belong together, wherever they stand."""
    together: dict[str, list[tuple[dict[str, str], str]]] = {}
    for row, where in rows:
        if not row["patient"]:
            raise UserError(f"{where}: there is no patient for the term {row['term']!r}. Name one in each row.")
        if not row["term"]:
            raise UserError(f"{where}: there is no term for the patient {row['patient']}. Name one in each row.")
        together.setdefault(row["patient"], []).append((row, where))
    for name, own in together.items():
        labels = Counter(row["disease"] for row, _ in own if row["disease"])
        if len(labels) > 1:
            where = next(where for row, where in own if row["disease"] not in ("", own[0][0]["disease"]))
            raise UserError(f"{where}: the patient {name} has two diseases ({', '.join(labels)}). Keep one of them.")
        absent = [excluded(row["excluded"], where) for row, where in own]
        words = [tuple(row["term"] for (row, _), out in zip(own, absent, strict=True) if out == one) for one in (0, 1)]
        yield _row(name, next(iter(labels), ""), words[0], words[1], own[0][1])


def _row(name: str, disease: str, observed: tuple[str, ...], absent: tuple[str, ...], where: str) -> Case:
    papers = tuple(dict.fromkeys(paper.replace(":", "_") for paper in PAPER.findall(name)))
    return Case(name, disease or None, observed, absent, where, papers=papers)


def _words(cell: str) -> Iterator[str]:
    """Terms between ; or |; ids may also have commas or spaces between them."""
    for part in re.split(r"[;|]", cell):
        words = re.split(r"[,\s]+", part.strip())
        yield from words if all(map(ID.fullmatch, words)) else filter(None, [part.strip()])
