"""Rows of results in files and folders: what is one of a challenge, of ``evaluate`` or ``bench``, and what is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from quickstudy.app.board_rows import Row, of_challenge, of_evaluation, of_folds
from quickstudy.challenge.rank import NEEDED, NoRowError, VersionError, check_version
from quickstudy.errors import UserError, reason

JUDGED = ("learner", "tasks", "metric", "mean", "ci95", "manifest", "episodes", "shot", "version")
FOLDED = ("learner", "tasks", "metric", "scores", "partitions", "manifests", "episodes", "shot", "version")
MARK = "board.css"
"""A file by which a folder is known as a leaderboard's."""


def raised(error: UserError) -> None:
    """Go no further."""
    raise error


def collect(paths: Sequence[Path], refuse: Callable[[UserError], None] = raised) -> list[Row]:
    """The rows in files and folders, one name for each entry of a table.

    A row of another version, and a JSON file that is no row, are handed to ``refuse``, and the others go on. UserError
    where there are no rows.
    """
    found, refused, foreign = [], list[UserError](), list[UserError]()
    for path in paths:
        for file in files(path):
            try:
                found.append(read(file))
            except (NoRowError, VersionError) as error:
                if isinstance(error, NoRowError) and file != path:
                    foreign.append(error.found_in(path))
                else:
                    refused.append(error)
    if refused and not found:
        raise refused[0]
    if not found:
        where = ", ".join(map(str, paths))
        raise UserError(f"there are no rows in {where}. `quickstudy bench run sprint` makes some.")
    for one in refused + foreign:
        refuse(one)
    return list(named_apart(found))


def files(path: Path) -> Iterator[Path]:
    """The file, or those of the folder, but for the numbers of a leaderboard that lies there."""
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*.json")):
        if not any((folder / MARK).is_file() for folder in (file.parent, file.parent.parent)):
            yield file


def read(path: Path) -> Row:
    """The row in a file."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NoRowError(f"{path} is no JSON file that can be read ({reason(error)}).") from error
    if not isinstance(value, dict):
        raise NoRowError(f"{path} is a JSON file, and no row.")
    if {"challenge", "learner"} & {*value}:
        check_version(path, value)
    for needed, make in ((NEEDED, of_challenge), (JUDGED, of_evaluation), (FOLDED, of_folds)):
        if all(name in value for name in needed):
            try:
                return make(path, value)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                raise NoRowError(f"{path} looks like a row and is damaged ({error!r}).") from error
    raise NoRowError(f"{path} is a JSON file, and no row of a challenge, of evaluate, or of bench ladder or folds.")


def named_apart(rows: Sequence[Row]) -> Iterator[Row]:
    """``rows``, where those of one table that are called alike get the name of their folder, or file, too."""
    for row in rows:
        others = [one for one in rows if one.same == row.same and one.name == row.name and one.path != row.path]
        if not others:
            yield row
        elif any(one.path.parent.name == row.path.parent.name for one in others):
            yield replace(row, name=f"{row.name} ({row.path.parent.name}/{row.path.stem})")
        else:
            yield replace(row, name=f"{row.name} ({row.path.parent.name})")
