"""Tables of one's own on the command line: CSV files, with one column that is to be told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from quickstudy.app import output
from quickstudy.errors import UserError, unknown
from quickstudy.estimator import rows
from quickstudy.tasks.cells import number
from quickstudy.tasks.tabular import csv_table

ENDINGS = (".csv", ".tsv", ".txt")
UNKNOWN = ("", "?")
"""What stands in the column of labels where there is none."""
MOST = 50
"""Classes beyond which a column holds amounts, or names, and no classes."""


def is_table(path: Path) -> bool:
    """Whether ``path`` is a file that a table may be in."""
    return path.suffix.lower() in ENDINGS and not path.is_dir()


def read(path: Path) -> Any:
    """The pandas frame of words in a CSV file with a header; UserError where it is none, or pandas is missing."""
    pandas = rows.pandas()
    header, cells = csv_table.read(path, least=1)
    return pandas.DataFrame(cells, columns=header, dtype=object)


def parted(frame: Any, target: str, path: Path) -> tuple[Any, list[str]]:
    """The other columns, and the labels, of the rows that have one; UserError unless ``target`` holds classes.

    ``NA`` and ``None`` are names of classes as others are.
    """
    if not target:
        raise UserError(f"say which column of {path} is to be told: --target NAME. There are {_names(frame)}.")
    if target not in frame.columns:
        raise unknown(f"column of {path}", target, map(str, frame.columns))
    if len(frame.columns) == 1:
        raise UserError(f"{path} has no column beside {target}. Expected one or more to tell it from.")
    there = [cell not in UNKNOWN for cell in frame[target]]
    if not any(there):
        raise UserError(f"the column {target} of {path} is empty. Expected a label in each row that is to be learnt.")
    if missing := len(there) - sum(there):
        print(f"left out {output.count(missing, 'row')} without {target}", file=sys.stderr)
    labels = [cell for cell in frame[target] if cell not in UNKNOWN]
    if len({*labels}) > MOST:
        raise UserError(
            f"the column {target} of {path} has {len({*labels})} different values; expected up to {MOST} classes. "
            f"For amounts use FewShotRegressor."
        )
    return frame[there].drop(columns=target), labels


def typed(labels: list[str], target: str, path: Path) -> list[Any]:
    """Whole numbers where all are, else words; UserError where all are numbers and some are not whole."""
    values = [number(label) for label in labels]
    found = [value for value in values if value is not None]
    if len(found) < len(labels) or any("-" in label[1:] for label in labels):
        return list(labels)
    if odd := next((label for label, value in zip(labels, found, strict=True) if not value.is_integer()), None):
        raise UserError(
            f"the column {target} of {path} has amounts ({odd}); expected classes. For amounts use FewShotRegressor."
        )
    return [int(value) for value in found]


def columns_of(frame: Any, known: list[str], path: Path) -> Any:
    """The columns ``known`` of ``frame``, in that order; UserError where one is missing."""
    if missing := [name for name in known if name not in frame.columns]:
        raise UserError(f"{path} has no column {missing[0]!r}, from which the model tells. It has {_names(frame)}.")
    return frame[known]


def _names(frame: Any) -> str:
    return ", ".join(map(str, list(frame.columns)[:20]))
