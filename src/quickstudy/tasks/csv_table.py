"""Few-shot classification of the rows of one's own table: a CSV file with a header."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import torch
from torch import Tensor

from quickstudy.errors import UserError, unknown
from quickstudy.tasks.base import Spec, Split, Task
from quickstudy.tasks.columns import COLUMNS, check_columns, rows, standardised
from quickstudy.tasks.places import find, notice
from quickstudy.tasks.pool import Pool, PoolFamily

MISSING = ("", "?", "na", "n/a", "nan", "null", "none")
"""What stands in a cell that has no value, in any case."""
FEWEST = 2
"""Rows of a class: one to learn from, one to ask about."""


class CsvTable(PoolFamily):
    """Rows [2 ``columns``] of the table at ``path``, with the classes that its column ``target`` has.

    Each task takes other rows of the same table. Values are standardised by the task's support alone. A column with
    a cell that is neither a number nor missing has levels: they are numbered in alphabetical order. Columns named in
    ``without`` (with ``|`` between them) are left out, as identifiers should be. Rows without a class are left out,
    and so is, with a notice, a class of a single row.
    There is one split, test: nothing is trained on. ``columns`` has to be that of the run (20 unless it says another).

    Raises UserError for a file that is not there or is no table, and for columns that are not there or too many.
    """

    def __init__(self, *, path: str = "", target: str = "", columns: int = COLUMNS, without: str = "") -> None:
        if not path or not target:
            raise UserError(
                "csv needs a file and the column of its classes, for example csv:path=heart.csv:target=num."
            )
        check_columns("csv", columns)
        found = find(path)
        header, cells = read(found)
        left_out = [name.strip() for name in without.split("|") if name.strip()]
        for name in (target, *left_out):
            if name not in header:
                raise unknown(f"column of {found.name}", name, header)
        used = [name for name in header if name not in (target, *left_out)]
        if not 1 <= len(used) <= columns:
            raise UserError(
                f"{found} has {len(used)} columns beside {target}, and there is room for {columns}. Leave some out "
                f"(without=id|name), or train with tables:columns={len(used)} and ask for columns={len(used)}."
            )
        pool = pool_of(found, header.index(target), [header.index(name) for name in used], cells, columns)
        options = {"path": quote(str(found), "/\\ "), "target": quote(target, " ")}
        name = "csv" + "".join(f":{key}={value}" for key, value in options.items())
        name += f":columns={columns}" * (columns != COLUMNS) + f":without={quote(without, '| ')}" * bool(left_out)
        spec = Spec(
            name=name,
            kind="classification",
            shape=(2 * columns,),
            shot_unit="row of each class",
            fingerprint=hashlib.sha256(found.read_bytes()).hexdigest()[:16],
        )
        super().__init__(spec, {"test": lambda: pool})

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] episodes of rows drawn at random, in standard units of their support."""
        return standardised(super().sample(split, index, way=way, shot=shot, query=query, seed=seed))


def read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of cells; UserError where lines are not equally long."""
    if not path.is_file():
        raise UserError(f"there is no file {path}. Give the path of a CSV file, from here or from QUICKSTUDY_DATA.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text ({error}). Save it as CSV in UTF-8.") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text), delimiter=delimiter) if line]
    if len(lines) < 1 + 2 * FEWEST:
        raise UserError(f"{path} has {len(lines)} lines; expected a header and a few rows for each class.")
    if twice := [name for name, count in Counter(lines[0]).items() if count > 1]:
        raise UserError(f"{path} has more than one column {twice[0]!r}. Give each a name of its own.")
    for number, line in enumerate(lines, 1):
        if len(line) != len(lines[0]):
            raise UserError(f"line {number} of {path} has {len(line)} cells, and the header has {len(lines[0])}.")
    return lines[0], lines[1:]


def pool_of(path: Path, target: int, used: Sequence[int], cells: list[list[str]], columns: int) -> Pool:
    """The rows that have a class, sorted by it."""
    sizes = Counter(line[target] for line in cells if not missing(line[target]))
    names = sorted(name for name, size in sizes.items() if size >= FEWEST)
    if single := sorted(set(sizes) - set(names)):
        notice(f"{path}: left out {len(single)} of {len(sizes)} classes that have one row ({', '.join(single[:5])}).")
    if len(names) < 2:
        raise UserError(
            f"the column of classes of {path} has {len(names)} with {FEWEST} rows or more; expected 2 or more."
        )
    kept = sorted((line for line in cells if line[target] in names), key=lambda line: line[target])
    made = [numbers([line[column] for line in kept]) for column in used]
    values = torch.nn.functional.pad(torch.stack(made, -1), (0, columns - len(used)), value=math.nan)
    count = torch.tensor([sizes[name] for name in names])
    return Pool(
        x=rows(values.nan_to_num(0.0), values.isfinite()),
        start=count.cumsum(0) - count,
        count=count,
        group=torch.zeros_like(count),
        names=tuple(f"csv/{path.name}/{name}" for name in names),
    )


def numbers(cells: Sequence[str]) -> Tensor:
    """[n] float32, NaN where a cell is missing."""
    try:
        found = [math.nan if missing(cell) else float(cell) for cell in cells]
    except ValueError:
        levels = {
            cell: float(number) for number, cell in enumerate(sorted({cell for cell in cells if not missing(cell)}))
        }
        found = [levels.get(cell, math.nan) for cell in cells]
    return torch.tensor(found)


def missing(cell: str) -> bool:
    """Whether there is nothing in it."""
    return cell.lower() in MISSING
