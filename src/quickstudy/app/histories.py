"""``fit`` and ``predict`` where examples are points of one history: a patient's readings, a user's ratings."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from quickstudy.app import output
from quickstudy.errors import UserError

if TYPE_CHECKING:
    from quickstudy.estimator import FewShotRegressor
    from quickstudy.estimator.records import Records, Told

RESEARCH = "research software: not for decisions about a patient"
PATIENTS = ("doses", "glucose")
SHOWN = 20
"""Lines that people read; programs get all."""


def report(made: FewShotRegressor, path: Path, as_json: bool) -> int:
    """What was learnt from, how far off it is where that is predicted from the rest, and where the model lies."""
    from quickstudy.estimator.left_out import left_out

    reads = records(made)
    found = left_out(made) if reads.comparable else None
    value: dict[str, Any] = {"points": len(made.y_), "left_out": None, "path": str(path)}
    if found is not None:
        told = reads.told(made.examples_, found.mean, found.std)
        truth = reads.told(made.examples_, found.truth, None)
        errors = {
            one.what: float(
                np.sqrt(np.mean([(a[at].value - b[at].value) ** 2 for a, b in zip(told, truth, strict=True)]))
            )
            for at, one in enumerate(told[0])
        }
        units = {one.what: one.unit for one in told[0]}
        value["left_out"] = [{"what": what, "rmse": error, "unit": units[what]} for what, error in errors.items()]
    if as_json:
        output.print_json(value)
        return 0
    print(f"{output.count(len(made.y_), 'point')} learnt", file=sys.stderr)
    for one in value["left_out"] or ():
        print(
            f"predicted from the rest: {one['what']} is off by {one['rmse']:.3g}{' ' * bool(one['unit'])}{one['unit']} "
            "(root mean square)",
            file=sys.stderr,
        )
    print(path)
    return 0


def predict(
    made: FewShotRegressor, places: Sequence[Path], how: Literal["json", "csv", "words"], most: int | None
) -> int:
    """A line for every point that is asked for; ``most`` lines are printed, if it is given."""
    reads = records(made)
    lines: list[tuple[str, list[Told]]] = []
    for place in places or (None,):
        asked = reads.questions(place)
        for remark in reads.remarks(place, made.examples_, made.y_) if place else ():
            print(f"{place}: {remark}", file=sys.stderr)
        answers = made._answers(asked.kept, made.adapted_, made.examples_)
        mean, std = (None if part is None else part.reshape(len(part), -1) for part in made.predictions(answers))
        assert mean is not None
        answered = zip(asked.names.tolist(), reads.told(asked.kept, mean, std), strict=True)
        known = set() if place else {*made.names_.tolist()}  # nobody asks what to choose that he has chosen
        lines += [one for one in answered if one[0] not in known]
    lines = reads.ordered(lines)[:most]
    if how == "json":
        for name, told in lines:
            print(json.dumps({"point": name, "told": [one._asdict() for one in told]}))
    elif how == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(("point", "what", "unit", "value", "low90", "high90"))
        writer.writerows((name, *one) for name, told in lines for one in told)
    else:
        show(lines)
    if made.learner_.spec.form in PATIENTS:
        print(RESEARCH, file=sys.stderr)
    return 0


def show(lines: Sequence[tuple[str, list[Told]]]) -> None:
    """A table for people."""
    units = [{told[at].unit for _, told in lines} for at in range(len(lines[0][1]))]
    one_unit = all(len(some) == 1 for some in units)  # files of two people may count in two
    heads = [f"{one.what}, {one.unit}" if one.unit and one_unit else one.what for one in lines[0][1]]
    rows = [(name, *(said(one) + f" {one.unit}" * (not one_unit) for one in told)) for name, told in lines[:SHOWN]]
    output.print_table(("", *heads), rows)
    if len(lines) > SHOWN:
        print(f"and {len(lines) - SHOWN} more: --csv and --json have all")


def said(one: Told) -> str:
    """A number with its interval."""
    if one.low is None or one.high is None:
        return f"{one.value:.3g}"
    return f"{one.value:.3g} ({one.low:.3g} to {one.high:.3g})"


def records(made: FewShotRegressor) -> Records:
    """How it reads histories; UserError where it does not."""
    from quickstudy.estimator.records import Records

    if not isinstance(made._reader, Records):
        raise UserError(
            f"the examples of {made.learner_.spec.name} are numbers, not files. Use it in Python: FewShotRegressor."
        )
    return made._reader
