"""The other process: runs a reader's file and says of each exercise what is found, a line of JSON each.

``python -m quickstudy.course.inside CHAPTER FILE FIRST`` checks the exercises from number FIRST on. The lines go to
standard output as it was at the start; what the reader's file prints goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import traceback
import warnings
from typing import Any

from quickstudy.course import chapter
from quickstudy.course.exercise import Exercise, WrongError, brief
from quickstudy.errors import UserError

MEMORY = 4 * 2**30
"""Bytes of data that a reader's file may hold."""
FILE = 2**24
"""Bytes that it may print, or write into a file."""


def main(number: int, path: str, first: int) -> None:
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**message: Any) -> None:
        print(json.dumps(message), file=lines, flush=True)

    limit()
    one = chapter(number)
    if "import torch" in one.text:  # which takes seconds that are not the reader's
        importlib.import_module("torch")
    say(ready=True)
    try:
        found = runpy.run_path(path)
    except BaseException as error:
        say(broken=told(error, path))
        return
    say(loaded=True)
    for exercise in one.exercises[first:]:
        say(name=exercise.name, hint=hint(exercise, found, path))


def hint(exercise: Exercise, found: dict[str, Any], path: str) -> str | None:
    """What is not right yet; None where all is."""
    if not callable(found.get(exercise.name)):
        return f"the file has no {exercise.name}. Write it again, or start anew from another file."
    try:
        exercise.check(found[exercise.name])
    except WrongError as error:
        return str(error)
    except UserError as error:
        return f"it was refused: {error}"
    except BaseException as error:
        return f"it stopped with {told(error, path)}"
    return None


def told(error: BaseException, path: str) -> str:
    """An error in words, with the line of the reader's file in which it came up."""
    line = ""
    for frame in traceback.extract_tb(error.__traceback__):
        line = f" in line {frame.lineno}" if frame.filename == path else line
    said = brief_text(error)
    return f"{type(error).__name__}{f' ({said})' if said else ''}{line}"


def brief_text(error: BaseException) -> str:
    """What an error says, on one short line."""
    try:
        return " ".join(str(error).split())[:160]
    except Exception:
        return brief(error)


def limit() -> None:
    """An endless list ends in an error, and no file fills the disk."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    sys.stdout.flush()
    os._exit(0)  # whatever the file has started in the background ends here
