"""``quickstudy predict``: the labels of pictures, by a file that ``quickstudy fit`` wrote."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import tyro

from quickstudy.app.flags import parse
from quickstudy.errors import UserError

if TYPE_CHECKING:
    from quickstudy.estimator import FewShotClassifier

DESCRIPTION = """Say what pictures show. MODEL is a file that `quickstudy fit` wrote; PICTURES are files and folders.

One line for each picture, as soon as it is known. What cannot be read is named and skipped."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to look at, and how to say it."""

    model: tyro.conf.Positional[Path]
    """File that `quickstudy fit` wrote."""
    pictures: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures, or folders of them."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object a line, with the probability of every label."""
    csv: tyro.conf.FlagCreatePairsOff[bool] = False
    """A table with the probability of every label."""


class Answer(NamedTuple):
    """Of one picture."""

    path: Path
    label: str
    probabilities: dict[str, float]


def main(args: list[str]) -> int:
    """Run the verb."""
    flags = parse(Flags, args, prog="quickstudy predict", description=DESCRIPTION)
    if not flags.pictures:
        raise UserError("say which pictures to look at: files, or folders of them.")
    if flags.json and flags.csv:
        raise UserError("--json and --csv are two ways to say it. Leave one out.")
    made = load(flags.model)
    show(made, files(flags.pictures), "json" if flags.json else "csv" if flags.csv else "words")
    return 0


def load(path: Path) -> FewShotClassifier:
    """The classifier of pictures in the file ``path``."""
    from quickstudy.estimator import FewShotClassifier
    from quickstudy.estimator.inputs import Pictures

    made = FewShotClassifier.load(path)
    if not isinstance(made._reader, Pictures):
        raise UserError(
            f"{path} holds no learner of pictures. Load it in Python: FewShotClassifier.load({str(path)!r})."
        )
    return made


def files(places: tuple[Path, ...]) -> list[Path]:
    """Every picture in ``places``, in order; UserError if there is none."""
    from quickstudy.tasks.folders import ENDINGS

    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            found.append(place)
            continue
        for folder, below, names in os.walk(place):
            below[:] = sorted(name for name in below if name[0] != ".")
            inside = [Path(folder) / name for name in sorted(names) if name[0] != "."]
            found += [path for path in inside if path.suffix.lower() in ENDINGS]
    if not found:
        raise UserError(f"there are no pictures in {', '.join(map(str, places))}.")
    return found


def answers(made: FewShotClassifier, paths: list[Path]) -> Iterator[Answer]:
    """For every picture that can be read; the others are named on stderr. UserError where none can be."""
    from quickstudy.estimator.stream import judged
    from quickstudy.tasks.places import progress

    known = [str(label) for label in made.classes_]
    seen = 0
    with progress("Looking at the pictures", len(paths)) as advance:
        for path, row in judged(made, paths):
            advance(1)
            if isinstance(row, str):
                print(f"skipped: {row}", file=sys.stderr)
                continue
            seen += 1
            yield Answer(path, known[int(row.argmax())], dict(zip(known, map(float, row), strict=True)))
    if not seen:
        raise UserError(f"none of the {len(paths)} files can be read as a picture.")


def show(made: FewShotClassifier, paths: list[Path], how: Literal["json", "csv", "words"]) -> None:
    """One line for each picture."""
    writer = csv.writer(sys.stdout)
    known = [str(label) for label in made.classes_]
    if how == "csv":
        writer.writerow(("path", "label", *known))
    for path, label, probabilities in answers(made, paths):
        if how == "json":
            print(json.dumps({"path": str(path), "label": label, "probabilities": probabilities}))
        elif how == "csv":
            writer.writerow((str(path), label, *(f"{probabilities[name]:.4f}" for name in known)))
        else:
            print(f"{path}  {label}  {probabilities[label]:.0%}")
