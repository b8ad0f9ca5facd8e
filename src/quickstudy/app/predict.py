"""``quickstudy predict``: the labels of pictures or rows, by a file that ``quickstudy fit`` wrote."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import tyro

from quickstudy.app import table_files
from quickstudy.app.flags import parse
from quickstudy.errors import UserError

if TYPE_CHECKING:
    from quickstudy.estimator import FewShotClassifier
    from quickstudy.estimator.inputs import Array

DESCRIPTION = """Answer by a file that `quickstudy fit` wrote. What comes after it is of the kind that was learnt from:
- pictures, and folders of them: quickstudy predict drawings.qs new.png
- rows, tables (CSV) with the columns that were learnt from: quickstudy predict patients.qs new.csv
- patients' terms, for a ranked list of diseases with reasons: quickstudy predict cases.qs patient.json
- doses, for the levels that are ? in the patient's table: quickstudy predict anna.qs anna.csv
- glucose, for the hour after the record's last reading: quickstudy predict ada.qs ada.csv
- ratings, for what the user may like, or the titles of a table: quickstudy predict mine.qs --top 10

One line for each picture, as soon as it is known, or row, which is named by its file and number. Pictures that cannot
be read are named and skipped. Numbers come with their unit and, where it is known, a 90 % interval."""

EXPECTED = {
    "picture": "files, or folders of them",
    "row": "tables (CSV) with the columns that were learnt from",
    "case": "phenopackets (JSON), tables of terms (CSV), or folders of them",
}
"""What examples of each kind lie in."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to look at, and how to say it."""

    model: tyro.conf.Positional[Path]
    """File that `quickstudy fit` wrote."""
    examples: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures or folders of them, CSV files, or phenopackets; nothing for all that a user may like."""
    abstain: float | None = None
    """Say nothing (?) unless exactly one label is in the set that holds the right one in that share of cases: 0.9."""
    top: int = 0
    """Of what a user may like, so many that he would like best; 0 is all."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object a line, with the probability of every label."""
    csv: tyro.conf.FlagCreatePairsOff[bool] = False
    """A table with the probability of every label."""


class Answer(NamedTuple):
    """Of one picture or row."""

    name: str
    """Its path, or file:number, where the first row is 1."""
    label: str | None
    """None where it cannot be told."""
    probabilities: dict[str, float]


def main(args: list[str]) -> int:
    """Run the verb."""
    flags = parse(Flags, args, prog="quickstudy predict", description=DESCRIPTION)
    if flags.json and flags.csv:
        raise UserError("--json and --csv are two ways to say it. Leave one out.")
    how: Literal["json", "csv", "words"] = "json" if flags.json else "csv" if flags.csv else "words"
    if flags.top < 0:
        raise UserError(f"--top is {flags.top}; expected a number of lines, or 0 for all.")
    if of_numbers(flags.model):
        return history(flags, how)
    made = load(flags.model)
    if not flags.examples:
        raise UserError(f"say which {made.example}s to look at: {EXPECTED[made.example]}.")
    most = None if flags.abstain is None else made.threshold(flags.abstain)
    if made.example == "case":
        from quickstudy.app import predict_cases

        return predict_cases.main(made, flags.examples, most, how)
    if made.takes_files:
        found = answers(made, files(made, flags.examples), most)
    else:
        found = of_rows(made, flags.examples, most)
    show(made, found, how)
    return 0


def of_numbers(path: Path) -> bool:
    """Whether the model in the file ``path`` predicts numbers."""
    from quickstudy.estimator import saved

    return path.is_file() and saved.spec(path).kind == "regression"


def history(flags: Flags, how: Literal["json", "csv", "words"]) -> int:
    """Answer what a history leaves open."""
    from quickstudy.app import histories
    from quickstudy.estimator import FewShotRegressor

    if flags.abstain is not None:
        raise UserError("--abstain is for labels, and this model predicts numbers, with intervals. Leave it out.")
    return histories.predict(FewShotRegressor.load(flags.model), flags.examples, how, flags.top or None)


def load(path: Path) -> FewShotClassifier:
    """The classifier in the file ``path``; UserError where its rows have no names."""
    from quickstudy.estimator import FewShotClassifier

    made = FewShotClassifier.load(path)
    if made.example == "row" and not hasattr(made, "feature_names_in_"):
        raise UserError(
            f"{path} was learnt from rows without names. Use it in Python: FewShotClassifier.load({str(path)!r})."
        )
    return made


def files(made: FewShotClassifier, places: tuple[Path, ...]) -> list[Path]:
    """Every file in ``places`` that ``made`` can look at, in order; UserError if there is none."""
    endings = made.files().endings
    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            found.append(place)
            continue
        for folder, below, names in os.walk(place):
            below[:] = sorted(name for name in below if name[0] != ".")
            inside = [Path(folder) / name for name in sorted(names) if name[0] != "."]
            found += [path for path in inside if path.suffix.lower() in endings]
    if not found:
        raise UserError(f"there are no {made.example}s in {', '.join(map(str, places))}.")
    return found


def answers(made: FewShotClassifier, paths: Sequence[Path], most: float | None) -> Iterator[Answer]:
    """For every file that can be read; the others are named on stderr. UserError where none can be."""
    from quickstudy.estimator.stream import judged
    from quickstudy.tasks.places import progress

    known = [str(label) for label in made.classes_]
    seen = 0
    with progress(f"Looking at the {made.example}s", len(paths)) as advance:
        for path, row in judged(made, paths):
            advance(1)
            if isinstance(row, str):
                print(f"skipped: {row}", file=sys.stderr)
                continue
            seen += 1
            yield answer(known, str(path), row, most)
    if not seen:
        raise UserError(f"none of the {len(paths)} files can be read as a {made.example}.")


def answer(known: list[str], name: str, row: Array, most: float | None) -> Answer:
    """What the probabilities ``row`` of the labels ``known`` say; ``most`` is the threshold of answer sets, if any."""
    sure = most is None or int((1 - row <= most).sum()) == 1
    told = dict(zip(known, map(float, row), strict=True))
    return Answer(name, known[int(row.argmax())] if sure else None, told)


def of_rows(made: FewShotClassifier, paths: Sequence[Path], most: float | None) -> Iterator[Answer]:
    """For every row of the tables ``paths``."""
    known = [str(label) for label in made.classes_]
    for path in paths:
        frame = table_files.columns_of(table_files.read(path), [str(name) for name in made.feature_names_in_], path)
        for number, row in enumerate(made.predict_proba(frame), 1):
            yield answer(known, f"{path}:{number}", row, most)


def show(made: FewShotClassifier, found: Iterator[Answer], how: Literal["json", "csv", "words"]) -> None:
    """One line for each answer."""
    writer = csv.writer(sys.stdout)
    known = [str(label) for label in made.classes_]
    place = "path" if made.takes_files else "row"
    if how == "csv":
        writer.writerow((place, "label", *known))
    for name, label, probabilities in found:
        if how == "json":
            print(json.dumps({place: name, "label": label, "probabilities": probabilities}))
        elif how == "csv":
            writer.writerow((name, label, *(f"{probabilities[one]:.4f}" for one in known)))
        else:
            print(f"{name}  {label or '?'}  {max(probabilities.values()):.0%}")
