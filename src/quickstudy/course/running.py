"""A reader's file in a process of its own, with a time for each exercise.

An exercise that takes too long is ended with its process, and the next one is checked in a new one. It is no prison:
the file is the reader's own.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import quickstudy
from quickstudy.course import Chapter
from quickstudy.errors import UserError

SECONDS = 15.0
"""For loading the file, and for each exercise."""
BEGIN = 120.0
"""Seconds until the process has loaded the library."""
PRINTED = 2000
"""Last bytes of what a file prints that are shown."""


class Found(NamedTuple):
    """Of one exercise."""

    name: str
    hint: str | None
    """What is not right yet; None where it is right."""


class Checked(NamedTuple):
    """Of one file."""

    found: list[Found]
    printed: str
    """The end of what it printed."""


def check_file(chapter: Chapter, path: Path, seconds: float = SECONDS) -> Checked:
    """What is right in the file at ``path``; UserError where there is none, or it is no Python, or does not load."""
    read(path, chapter.number)
    found: list[Found] = []
    printed = ""
    while len(found) < len(chapter.exercises):
        with started(chapter, path, len(found)) as (next_line, output):
            _listen(chapter, path, next_line, found, seconds)
            printed = said(output) or printed
    return Checked(found, printed)


def _listen(
    chapter: Chapter,
    path: Path,
    next_line: Callable[[float], dict[str, Any] | None],
    found: list[Found],
    seconds: float,
) -> None:
    """Take what the process says of its exercises, until it has ended or one takes too long."""
    if next_line(BEGIN) is None:
        raise UserError("the process that checks did not start. Look whether quickstudy doctor runs.")
    loaded = next_line(seconds)
    if loaded is None or "broken" in loaded:
        what = f"stops with {loaded['broken']}" if loaded else f"does not end within {seconds:g} s, or ends its process"
        raise UserError(f"{path} cannot be loaded: outside its functions it {what}. Mend that, then check again.")
    for exercise in chapter.exercises[len(found) :]:
        line = next_line(seconds)
        if line is None:
            hint = f"it did not come back within {seconds:g} s, or ended its process. Is there a loop without an end?"
            found.append(Found(exercise.name, hint))
            return
        found.append(Found(line["name"], line["hint"]))


def read(path: Path, number: int) -> None:
    """UserError unless the file is there and is Python."""
    try:
        source = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"there is no {path}. quickstudy course start {number} writes exercises/{number}.py.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}). Name a file.") from None
    try:
        ast.parse(source, str(path))
    except SyntaxError as error:
        if not error.lineno:
            raise UserError(f"{path} is no Python ({error.msg}). Name a file of text.") from None
        where = f"line {error.lineno}: {error.msg}"
        raise UserError(f"{path} is no Python: {where}. Mend that line, then check again.") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(
            f"{path} is no Python: {error or 'too much in one expression'}. Start from a new file."
        ) from None


@contextlib.contextmanager
def started(
    chapter: Chapter, path: Path, first: int
) -> Iterator[tuple[Callable[[float], dict[str, Any] | None], IO[bytes]]]:
    """The process, as a function that gives its next line within so many seconds or None, and what it prints."""
    command = [sys.executable, "-m", "quickstudy.course.inside", str(chapter.number), str(path), str(first)]
    folder = str(Path(quickstudy.__file__).parent.parent)
    told = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output, env=told, start_new_session=True
        )
        lines: queue.Queue[bytes] = queue.Queue()
        assert process.stdout is not None
        threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()

        def next_line(seconds: float) -> dict[str, Any] | None:
            try:
                line = lines.get(timeout=seconds)
            except queue.Empty:
                return None
            return json.loads(line) if line else None

        try:
            yield next_line, output
        finally:
            end(process)


def _forward(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(b"")


def end(process: subprocess.Popen[bytes]) -> None:
    """The process and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def said(output: IO[bytes]) -> str:
    """The end of what was printed."""
    output.seek(max(0, output.seek(0, os.SEEK_END) - PRINTED))
    return output.read().decode(errors="replace").strip()
