"""``quickstudy add``: more examples of a label, or of a new one, for a file that ``quickstudy fit`` wrote."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import tyro

from quickstudy.app.fit import report
from quickstudy.app.flags import parse
from quickstudy.app.predict import EXPECTED, files, load, of_numbers
from quickstudy.errors import UserError
from quickstudy.tasks.places import lock

if TYPE_CHECKING:
    from quickstudy.estimator import FewShotClassifier

DESCRIPTION = """Learn from more pictures, rows of tables (CSV), or cases. MODEL is a file that `quickstudy fit`
wrote; it changes whole, or not at all.

The same as having fitted all of them at once; --label may be a new one."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to add to what."""

    model: tyro.conf.Positional[Path]
    """File that `quickstudy fit` wrote."""
    examples: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures or folders of them, CSV files with the columns that were learnt from, or files of cases."""
    label: str = ""
    """What they show, or are."""
    target: str = ""
    """Column of tables that has the labels, in place of --label."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object, as of `quickstudy fit`."""


def main(args: list[str]) -> int:
    """Run the verb; the last line on stdout is the path of the file."""
    flags = parse(Flags, args, prog="quickstudy add", description=DESCRIPTION)
    if flags.label and flags.target:
        raise UserError("--label says what all examples are, --target which column does. Leave one out.")
    with alone(flags.model):
        if of_numbers(flags.model):
            return add_history(flags)
        made = load(flags.model)
        if not flags.examples:
            raise UserError(f"say which {made.example}s to add: {EXPECTED[made.example]}.")
        if made.example == "case":
            add_cases(made, flags.examples, flags.label)
            report(made, made.save(flags.model), flags.json)
            return 0
        if not (flags.label or flags.target):
            raise UserError("say what the examples show: --label dog. Tables may have it in a column: --target NAME.")
        if not made.takes_files:
            add_rows(made, flags.examples, flags.label, flags.target)
        elif flags.target:
            raise UserError(f"--target is for tables, and this model was learnt from {made.example}s. Say --label.")
        else:
            add(made, files(made, flags.examples), flags.label)
        report(made, made.save(flags.model), flags.json)
    return 0


def add(made: FewShotClassifier, paths: list[Path], text: str) -> None:
    """Learn that the files ``paths`` show what ``text`` says; those that cannot be read are named and skipped."""
    label = label_of(made, text)
    read = made.files().readable(paths)
    for why in read:
        if isinstance(why, str):
            print(f"skipped: {why}", file=sys.stderr)
    good = [one for one in read if not isinstance(one, str)]
    if not good:
        raise UserError(f"none of the {len(paths)} files can be read as a {made.example}.")
    made.partial_fit(good, [label] * len(good))


def add_history(flags: Flags) -> int:
    """Learn what tables say that is new of the one person a model is about."""
    from quickstudy.app import histories
    from quickstudy.estimator import FewShotRegressor
    from quickstudy.estimator.inputs import Found
    from quickstudy.estimator.records import fresh

    if flags.label or flags.target:
        raise UserError("--label and --target are for classes, and this model predicts numbers. Leave them out.")
    made = FewShotRegressor.load(flags.model)
    for path in flags.examples:
        found = histories.records(made).read_place(path.expanduser())
        new = fresh(found, made.examples_, made.y_)
        if not new.all():
            print(f"{path}: {(~new).sum()} of {len(new)} points are known already", file=sys.stderr)
        if new.any():
            made.learn(Found(*(part[new] for part in found)))
    return histories.report(made, made.save(flags.model), flags.json)


def add_cases(made: FewShotClassifier, paths: tuple[Path, ...], text: str) -> None:
    """Learn the cases in ``paths`` that are new, of the diagnosis that ``text`` says, or else their own."""
    from quickstudy.estimator.cases import Cases
    from quickstudy.tasks.diseases.phenopackets import cases

    for path in paths:
        every = [case for case in cast(Cases, made._reader).usable(cases(path)) if text or case.label]
        if not every:
            made.partial_fit(str(path))  # which says what is missing
        fresh = [case for case in every if case.id not in made.names_]
        if len(fresh) < len(every):
            print(f"{path}: {len(every) - len(fresh)} of {len(every)} cases are known already", file=sys.stderr)
        if fresh:
            made.partial_fit(fresh, [label_of(made, text or str(case.label)) for case in fresh])


def add_rows(made: FewShotClassifier, paths: tuple[Path, ...], text: str, target: str) -> None:
    """Learn the rows of tables ``paths``, which are what ``text`` says, or their column ``target``."""
    from quickstudy.app import table_files

    known = [str(name) for name in made.feature_names_in_]
    for path in paths:
        frame = table_files.read(path)
        if not target:
            made.partial_fit(table_files.columns_of(frame, known, path), [label_of(made, text)] * len(frame))
            continue
        rows, words = table_files.parted(frame, target, path)
        labels = table_files.typed(words, target, path)
        rows = table_files.columns_of(rows, known, path)
        made.partial_fit(rows, words if made.classes_.dtype.kind == "U" else labels)


def label_of(made: FewShotClassifier, text: str) -> Any:
    """The label that ``text`` means; UserError where labels there are not words, and it is none of them."""
    known = {str(label): label for label in made.classes_}
    if text in known:
        return known[text]
    if made.classes_.dtype.kind != "U" or not text.strip():
        raise UserError(
            f"--label is {text!r}; the labels there are {', '.join(list(known)[:20])}, and a new one is a word."
        )
    return text


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process changes ``path``."""
    if not path.is_file():  # which is said when it is loaded
        yield
        return
    with lock(path.with_name(f".{path.name}.lock")):
        yield
