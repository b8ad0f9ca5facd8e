"""``quickstudy predict`` for patients: a ranked list of diseases for each, with reasons."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from quickstudy.app import output

if TYPE_CHECKING:
    from quickstudy.estimator import FewShotClassifier
    from quickstudy.estimator.differential import Disease

SHOWN = 10
"""Diseases of a list that people read; programs get all."""


def main(
    made: FewShotClassifier, paths: Sequence[Path], most: float | None, how: Literal["json", "csv", "words"]
) -> int:
    """Answer for every case in ``paths``; ``most`` is the threshold of answer sets, if coverage was asked for."""
    every = answers(made, paths, most)
    writer = csv.writer(sys.stdout)
    if how == "csv":
        writer.writerow(("case", "place", "disease", "probability"))
    for name, found in every:
        if how == "json":
            print(json.dumps(as_json(name, found, most)))
        elif how == "csv":
            writer.writerows((name, at, one.label, f"{one.probability:.4f}") for at, one in enumerate(found, 1))
        else:
            show(name, found, most)
    from quickstudy.estimator.differential import RESEARCH

    print(RESEARCH, file=sys.stderr)
    return 0


def answers(made: FewShotClassifier, paths: Sequence[Path], most: float | None) -> Iterator[tuple[str, list[Disease]]]:
    """Name and list of every case; those without a term that the run knows are named and skipped.

    UserError, before any answer, for a file that cannot be read, and where no case is left.
    """
    from quickstudy.estimator.cases import Cases
    from quickstudy.estimator.differential import differential
    from quickstudy.tasks.diseases.phenopackets import cases

    reads = made._reader
    assert isinstance(reads, Cases)
    every = reads.usable([case for path in paths for case in cases(path)])
    rows = reads.encoded(every)
    return ((case.id, differential(made, row, most)) for case, row in zip(every, rows, strict=True))


def as_json(name: str, found: Sequence[Disease], most: float | None) -> dict[str, object]:
    """One object for a case."""
    from quickstudy.estimator.differential import RESEARCH, told

    value: dict[str, object] = {"case": name}
    if most is not None:
        value["answer_set"] = [one.label for one in found if one.within]
        value["none_of_these"] = not any(one.within for one in found)
    return value | {"diseases": told(found), "note": RESEARCH}


def show(name: str, found: Sequence[Disease], most: float | None) -> None:
    """The list for people."""
    print(name)
    if most is not None and not any(one.within for one in found):
        print("  none of these: no disease is as likely as the right one is in the share of cases that was asked for")
    marks = ["" if one.within is None else "*" if one.within else " " for one in found]
    rows = [
        (f"{at}.", f"{one.label}{mark}", f"{one.probability:.1%}", _terms(one.speaks_for), _terms(one.speaks_against))
        for at, (one, mark) in enumerate(zip(found[:SHOWN], marks, strict=False), 1)
    ]
    output.print_table(("", "disease", "probability", "for", "against"), rows)
    for one in found:
        if one.alike:
            alike = ", ".join(f"{case or 'a case without a name'} ({share:.0%} of terms)" for case, share in one.alike)
            print(f"  {one.label}: most like {alike}")
    if most is not None:
        print("  * in the answer set")
    print()


def _terms(told: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{_name(term)} {weight:+.1f}" for term, weight in told[:3])


def _name(term: str) -> str:
    """``not Seizure`` for ``not HP:0001250 Seizure``."""
    return re.sub(r"^(not )?\S+:\S+ ", r"\1", term)
