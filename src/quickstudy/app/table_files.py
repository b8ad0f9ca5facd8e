"""Tables of one's own on the command line: CSV files, read by pandas, with one column that is to be told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from quickstudy.errors import UserError, unknown
from quickstudy.estimator import rows
from quickstudy.tasks.csv_table import separator

ENDINGS = (".csv", ".tsv", ".txt")
MOST = 50
"""Classes beyond which a column holds amounts, or names, and no classes."""


def is_table(path: Path) -> bool:
    """Whether ``path`` is a file that a table may be in."""
    return path.suffix.lower() in ENDINGS and not path.is_dir()


def read(path: Path) -> Any:
    """The pandas frame in a CSV file with a header; UserError where it is none, or pandas is missing."""
    pandas = rows.pandas()
    try:
        with path.open(encoding="utf-8-sig") as file:
            delimiter = separator(file.readline())
        frame = pandas.read_csv(path, sep=delimiter, encoding="utf-8-sig", skipinitialspace=True)
    except (OSError, ValueError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path} cannot be read as a table ({said}). Expected a CSV file in UTF-8, with a header."
        ) from error
    if not len(frame):
        raise UserError(f"{path} has no rows. Expected a header and a row for each example.")
    return frame


def parted(frame: Any, target: str, path: Path) -> tuple[Any, Any]:
    """The other columns, and the labels, of the rows that have one; UserError unless ``target`` holds classes."""
    if not target:
        raise UserError(f"say which column of {path} is to be told: --target NAME. There are {_names(frame)}.")
    if target not in frame.columns:
        raise unknown(f"column of {path}", target, map(str, frame.columns))
    there = frame[target].notna().to_numpy()
    if not there.any():
        raise UserError(f"the column {target} of {path} is empty. Expected a label in each row that is to be learnt.")
    if not there.all():
        print(f"left out {int((~there).sum())} rows that have no {target}", file=sys.stderr)
    labels = frame[target][there]
    if labels.dtype.kind == "f" and (labels == labels.round()).all():
        labels = labels.astype(int)  # whole numbers, which pandas makes others of where a cell is empty
    if labels.nunique() > MOST:
        raise UserError(
            f"the column {target} of {path} has {labels.nunique()} different values; expected up to {MOST} classes. "
            f"For amounts use FewShotRegressor."
        )
    return frame[there].drop(columns=target), labels.to_numpy()


def columns_of(frame: Any, known: list[str], path: Path) -> Any:
    """The columns ``known`` of ``frame``, in that order; UserError where one is missing."""
    if missing := [name for name in known if name not in frame.columns]:
        raise UserError(f"{path} has no column {missing[0]!r}, from which the model tells. It has {_names(frame)}.")
    return frame[known]


def _names(frame: Any) -> str:
    return ", ".join(map(str, list(frame.columns)[:20]))
