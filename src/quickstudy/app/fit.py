"""``quickstudy fit``: a classifier of one's own pictures or rows, in one file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from quickstudy.app import output, table_files
from quickstudy.app.flags import parse
from quickstudy.errors import UserError

if TYPE_CHECKING:
    from quickstudy.estimator import FewShotClassifier, FewShotRegressor

DESCRIPTION = """Learn from a handful of examples of one's own. What PATH is depends on what is to be learnt:
- pictures, a folder with a folder of them for each label: quickstudy fit drawings
- rows, a table (CSV) with a column of labels: quickstudy fit patients.csv --target diagnosis
- patients' terms, phenopackets or a table of them with a diagnosis: quickstudy fit cases --weights runs/rare
- doses and levels of a drug, a table of one patient: quickstudy fit anna.csv --weights runs/newborns
- glucose, the export of one person's sensor: quickstudy fit ada.csv --weights runs/glucose
- ratings, a table of titles and one user's ratings: quickstudy fit mine.csv --weights runs/ratings

The last four take a run of such tasks (`quickstudy train`, docs/people.md). Says how each example is predicted from
the others, and writes everything that `quickstudy predict` and `quickstudy add` need into one file."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to learn from, and where it goes."""

    examples: tyro.conf.Positional[Path]
    """Folder that has a folder of pictures for each label, folder of phenopackets, or CSV file with a header."""
    target: str = ""
    """Column of a table that is to be told from the others."""
    weights: str = "default"
    """Run of a learner of such examples, as `quickstudy train` makes it, or characters or photos, which come with the
    package; by default one of these: by the look of the pictures characters or photos, for rows tables, as long as it
    has room for them."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File to write; by default that of the examples' name with .qs."""
    inner_steps: int | None = None
    """Gradient steps of an adaptation; by default the learner's own."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object: labels, examples, estimate, path."""


def main(args: list[str]) -> int:
    """Run the verb; the last line on stdout is the path of the file."""
    flags = parse(Flags, args, prog="quickstudy fit", description=DESCRIPTION)
    from quickstudy.estimator import FewShotClassifier
    from quickstudy.estimator.source import spec_of

    spec = spec_of(flags.weights)
    table = table_files.is_table(flags.examples) and (spec is None or spec.form in ("rows", "numbers"))
    alone = flags.examples.is_file()
    out = flags.out or Path(f"{flags.examples.stem if alone else flags.examples.resolve().name}.qs")
    if out.is_dir():
        raise UserError(f"{out} is a folder; expected the file to write, for example {out / 'mine.qs'}.")
    check_free(out)
    if spec is not None and spec.kind == "regression":
        return history(flags, out)
    made = FewShotClassifier(weights=flags.weights, inner_steps=flags.inner_steps, device=flags.device)
    if table:
        rows, labels = table_files.parted(table_files.read(flags.examples), flags.target, flags.examples)
        made.fit(rows, table_files.typed(labels, flags.target, flags.examples))
    elif flags.target:
        raise UserError(f"--target is for tables, and {flags.examples} is none. Leave it out, or name a CSV file.")
    else:
        made.fit(str(flags.examples))
    print(f"learnt by {learnt_by(made)}", file=sys.stderr)
    report(made, made.save(out), flags.json)
    return 0


def check_free(out: Path) -> None:
    """UserError where ``out`` is there and is no model, but somebody's examples for instance."""
    from quickstudy.estimator import saved

    if out.is_file():
        try:
            saved.spec(out)
        except UserError as error:
            raise UserError(f"{out} is there already and is no model. Choose another --out, or remove it.") from error


def history(flags: Flags, out: Path) -> int:
    """Learn from one history."""
    from quickstudy.app import histories
    from quickstudy.estimator import FewShotRegressor

    if flags.target:
        raise UserError(f"--target is for classes, and {flags.weights} predicts numbers. Leave it out.")
    made = FewShotRegressor(weights=flags.weights, inner_steps=flags.inner_steps, device=flags.device)
    made.fit(str(flags.examples))
    histories.records(made)
    print(f"learnt by {learnt_by(made)}", file=sys.stderr)
    return histories.report(made, made.save(out), flags.json)


def learnt_by(made: FewShotClassifier | FewShotRegressor) -> str:
    """The learner, and the tasks that it was trained on."""
    from quickstudy.learners import name_of

    name, spec = name_of(type(made.learner_)), made.learner_.spec
    if spec.name == "own rows":
        return f"{name}, which needs no training"
    return f"{made.weights_} ({name}, which was trained on {spec.name})"


def _few(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def report(made: FewShotClassifier, path: Path, as_json: bool) -> None:
    """What the classifier knows now, how sure that is, and where it lies."""
    from quickstudy.estimator.estimate import held_out
    from quickstudy.estimator.outlook import outlook

    found = held_out(made)
    low, high = found.bounds
    counts = [found.of(number) for number in range(len(found.labels))]
    weakest = found.weakest()
    coming = outlook(made, found) if made.confidence_ and len(found.labels) > 1 else []
    if as_json:
        value: dict[str, Any] = {
            "labels": {
                label: {"examples": count, "right": right}
                for label, (count, right) in zip(found.labels, counts, strict=True)
            },
            "held_out": {"accuracy": found.accuracy, "low95": low, "high95": high},
            "expected": [{"more": one.more, "accuracy": one.accuracy} for one in coming],
            "weakest": None if weakest is None else found.labels[weakest],
            "path": str(path),
        }
        output.print_json(value)
        return
    what = f"{made.example}s"
    rows = []
    for number, (label, (count, right)) in enumerate(zip(found.labels, counts, strict=True)):
        other = found.taken_for(number)
        rows.append((label, str(count), f"{right} of {count}", "" if other is None else found.labels[other]))
    output.print_table(("label", what, "right", "taken for"), rows)
    if len(found.labels) < 2:
        print("\nwith one label there is nothing to tell apart yet", file=sys.stderr)
    else:
        print(
            f"\neach predicted from the others: {int(found.right.sum())} of {len(found.right)} right, which says that "
            f"of new ones {low:.0%} to {high:.0%} would be (95 %)",
            file=sys.stderr,
        )
        if found.alone:
            print(f"one example only, which counts as wrong: {_few(found.alone)}", file=sys.stderr)
        if coming:
            now, *later = (f"{one.accuracy:.1%}" for one in coming)
            then = [f"{score} with {one.more} more" for score, one in zip(later, coming[1:], strict=True)]
            more = f"; {', '.join(then)} of each label" if then else ""
            print(f"to be expected of new ones: {now}{more}", file=sys.stderr)
        if weakest is not None:
            print(f"more {what} of {found.labels[weakest]} would help most", file=sys.stderr)
    print(path)
