"""Rows of a file of cells, with commas, semicolons or tabs between them and quotation marks around some."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from quickstudy.errors import UserError

SEPARATORS = ",;\t"


def text_of(path: Path) -> str:
    """What is in the file; UserError where it is no text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text ({error}). Save it as CSV in UTF-8.") from error


def separator(text: str) -> str:
    """The one that parts the first line into most cells."""

    def cells(parts: str) -> int:
        with contextlib.suppress(csv.Error):  # which whoever reads the table says, with its line
            return len(next(csv.reader(io.StringIO(text), delimiter=parts), []))
        return 0

    return max(SEPARATORS, key=cells)


def lines(text: str, path: Path, parts: str, *, breaks: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Number, in the file, of each row's last line, and the row's cells without space around them; no empty row.

    ``breaks`` allows line breaks in a cell. Where they mean nothing, one says that a quotation mark was left open and
    would swallow the rows that follow. Raises UserError with the line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=parts, strict=True)
    last = 0
    try:
        for row in reader:
            if not breaks and any("\n" in cell for cell in row):
                raise UserError(
                    f"{path}, line {last + 1}: a quotation mark opens a cell that goes on to line {reader.line_num}. "
                    "Close it, or take it away."
                )
            last = reader.line_num
            if any(row):
                yield last, [cell.strip() for cell in row]
    except csv.Error as error:
        raise UserError(
            f"{path}, line {last + 1}: this is no row of a table ({error}). Is there a quotation mark too many, or too "
            "few?"
        ) from error
