"""Few-shot classification of the rows of one's own table: a CSV file with a header."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import torch
from torch import Tensor

from quickstudy.errors import UserError, unknown
from quickstudy.tasks.base import Spec, Split, Task
from quickstudy.tasks.cells import are_numbers, nothing, number, pointed
from quickstudy.tasks.lines import lines, separator, text_of
from quickstudy.tasks.places import find, notice
from quickstudy.tasks.pool import Pool, PoolFamily
from quickstudy.tasks.tabular.columns import COLUMNS, Rows, check_columns, rows, standardised

UNLABELLED = ("", "?", "na", "n/a", "nan")
"""What stands in the column of classes where there is none, in any case."""
FEWEST = 2
"""Rows of a class: one to learn from, one to ask about."""


class CsvTable(Rows, PoolFamily):
    """Rows [2 ``columns``] of the table at ``path``, with the classes that its column ``target`` has.

    Each task takes other rows of the same table. Values are standardised by the task's support alone. A column of
    which more than a tenth of the values are no numbers has levels, numbered in alphabetical order. Columns named in
    ``without`` (with ``|`` between them) are left out, as identifiers should be. Rows without a class are left out,
    and so is, with a notice, a class of a single row.
    There is one split, test: nothing is trained on. ``columns`` has to be that of the run (20 unless it says another).

    Raises UserError for a file that is not there or is no table, and for columns that are not there or too many.
    """

    def __init__(self, *, path: str = "", target: str = "", columns: int = COLUMNS, without: str = "") -> None:
        if not path or not target:
            raise UserError(
                "csv needs a file and the column of its classes, for example csv:path=heart.csv:target=num. In a path "
                "or a name : + , and % are written %3A %2B %2C and %25."
            )
        check_columns("csv", columns)
        found = find(path)
        header, cells = read(found)
        left_out = [name.strip() for name in without.split("|") if name.strip()]
        for name in (target, *left_out):
            if name not in header:
                raise unknown(f"column of {found.name}", name, header)
        used = [name for name in header if name not in (target, *left_out)]
        if not used:
            raise UserError(f"{found} has no column beside {target}.")
        if len(used) > columns:
            raise UserError(
                f"{found} has {len(used)} columns beside {target}, and there is room for {columns}. Leave some out "
                f"(without=id|name), or train with tables:columns={len(used)} and ask for columns={len(used)}."
            )
        pool = pool_of(found, header.index(target), {name: header.index(name) for name in used}, cells, columns)
        options = {"path": quote(str(found), "/\\ "), "target": quote(target, " ")}
        name = "csv" + "".join(f":{key}={value}" for key, value in options.items())
        name += f":columns={columns}" * (columns != COLUMNS) + f":without={quote(without, '| ')}" * bool(left_out)
        spec = Spec(
            name=name,
            kind="classification",
            shape=(2 * columns,),
            shot_unit="row of each class",
            form="rows",
            fingerprint=hashlib.sha256(found.read_bytes()).hexdigest()[:16],
        )
        self.columns = columns
        super().__init__(spec, {"test": lambda: pool})

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] episodes of rows drawn at random, in standard units of their support."""
        return standardised(super().sample(split, index, way=way, shot=shot, query=query, seed=seed))


def read(path: Path, least: int = 2 * FEWEST) -> tuple[list[str], list[list[str]]]:
    """Header and rows of cells; UserError for fewer than ``least``, and where lines are not equally long."""
    header, rows = numbered(path, least, breaks=True)
    return header, [line for _, line in rows]


def numbered(path: Path, least: int, *, breaks: bool = False) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The same with the number of each row's line in the file; only ``breaks`` allows line breaks in a cell."""
    if not path.is_file():
        raise UserError(f"there is no file {path}. Give the path of a CSV file, from here or from QUICKSTUDY_DATA.")
    text = text_of(path)
    parts = separator(text)
    found = lines(text, path, parts, breaks=breaks)
    table = [(at, row if parts == "," else [*map(pointed, row)]) for at, row in found]
    if len(table) < 1 + least:
        wanted = "a few rows for each class" if least > 1 else "a row for each example"
        raise UserError(f"{path} has {len(table)} lines; expected a header and {wanted}.")
    header = table[0][1]
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise UserError(f"{path} has more than one column {twice[0]!r}. Give each a name of its own.")
    for at, line in table:
        if len(line) != len(header):
            raise UserError(f"line {at} of {path} has {len(line)} cells, and the header has {len(header)}.")
    return header, table[1:]


def pool_of(path: Path, target: int, used: Mapping[str, int], cells: list[list[str]], columns: int) -> Pool:
    """The rows that have a class, sorted by it; ``used`` are the columns' names and places."""
    there = [line for line in cells if line[target].lower() not in UNLABELLED]
    if len(there) < len(cells):
        notice(f"{path}: left out {len(cells) - len(there)} of {len(cells)} rows, which have no class.")
    sizes = Counter(line[target] for line in there)
    names = sorted(name for name, size in sizes.items() if size >= FEWEST)
    if single := sorted(set(sizes) - set(names)):
        notice(f"{path}: left out {len(single)} of {len(sizes)} classes that have one row ({', '.join(single[:5])}).")
    if len(names) < 2:
        raise UserError(
            f"the column of classes of {path} has {len(names)} with {FEWEST} rows or more; expected 2 or more."
        )
    kept = sorted((line for line in there if line[target] in names), key=lambda line: line[target])
    made = [numbers([line[column] for line in kept], f"{path}, column {name}") for name, column in used.items()]
    values = torch.nn.functional.pad(torch.stack(made, -1), (0, columns - len(used)), value=math.nan)
    if not bool(values.isfinite().any()):
        raise UserError(f"{path} has no value in any of the columns {', '.join(used)}.")
    count = torch.tensor([sizes[name] for name in names])
    return Pool(
        x=rows(values.nan_to_num(0.0), values.isfinite()),
        start=count.cumsum(0) - count,
        count=count,
        group=torch.zeros_like(count),
        names=tuple(f"csv/{path.name}/{name}" for name in names),
    )


def numbers(cells: Sequence[str], where: str) -> Tensor:
    """[n] float32 in units of the column's own spread, for float32 is too coarse for dates; NaN where one is missing.

    What is no number in a column of numbers (cells.py) is missing.
    """
    given = {cell for cell in cells if not nothing(cell)}
    read = {cell: number(cell) for cell in given}
    words = sorted(cell for cell, value in read.items() if value is None)
    if words and are_numbers([cell for cell in cells if cell in given]):
        notice(f"{where}: {len(words)} cells that are no numbers count as missing ({', '.join(words[:5])}).")
    elif words:
        read = {cell: float(place) for place, cell in enumerate(sorted(given))}
    exact = torch.tensor(
        [math.nan if (value := read.get(cell)) is None else value for cell in cells], dtype=torch.float64
    )
    here = exact[exact.isfinite()]
    if len(here):
        spread = here.std(correction=0)
        exact = (exact - here.mean()) / torch.where(spread > 0, spread, 1.0)
    return exact.float()
