"""``quickstudy course``: the chapters of the course, and their exercises."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from quickstudy.app.flags import parse
from quickstudy.course import CHAPTERS, chapter
from quickstudy.course.running import check_file
from quickstudy.errors import UserError, unknown

FOLDER = Path("exercises")
START = """Write exercises/N.py: three exercises of chapter N to fill in."""
CHECK = """Say of each exercise of chapter N whether it is right, with a hint where it is not yet."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """Which chapter."""

    chapter: tyro.conf.Positional[int]
    """The chapter's number."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Which chapter, and where its file is."""

    chapter: tyro.conf.Positional[int]
    """The chapter's number."""
    file: tyro.conf.Positional[str] = ""
    """The file; exercises/N.py if none is named."""


def main(args: list[str]) -> int:
    """Run the verb; without a part the chapters are listed."""
    if args and args[0] == "start":
        return start(parse(Start, args[1:], prog="quickstudy course start", description=START).chapter)
    if args and args[0] == "check":
        asked = parse(Check, args[1:], prog="quickstudy course check", description=CHECK)
        return check(asked.chapter, Path(asked.file) if asked.file else FOLDER / f"{asked.chapter}.py")
    if {"-h", "--help"} & {*args}:
        print(f"usage: quickstudy course [start N | check N [FILE]]\n\n  start   {START}\n  check   {CHECK}\n")
        print("Without either, the chapters.")
        return 0
    if args:
        raise unknown("part of course", args[0], ("start", "check"))
    return chapters()


def chapters() -> int:
    """List them."""
    for number in CHAPTERS:
        one = chapter(number)
        print(f"{number}  {one.title}\n   {'; '.join(exercise.about for exercise in one.exercises)}\n   {one.page}")
    print("\nquickstudy course start 1 writes the exercises of a chapter, quickstudy course check 1 checks them.")
    return 0


def start(number: int) -> int:
    """Write the file; the last line on stdout is its path."""
    one, path = chapter(number), FOLDER / f"{number}.py"
    if path.exists():
        raise UserError(f"{path} is there already. Check it, or move it away to start anew.")
    if path.parent.exists() and not path.parent.is_dir():
        raise UserError(f"{path.parent} is a file. Move it away, or go to another folder.")
    path.parent.mkdir(exist_ok=True)
    path.write_text(one.text, encoding="utf-8")
    print(f"Fill it in, then: quickstudy course check {number}", file=sys.stderr)
    print(path)
    return 0


def check(number: int, path: Path) -> int:
    """Say what is right; 0 where all is."""
    one = chapter(number)
    checked = check_file(one, path)
    if checked.printed:
        print(f"printed:\n{checked.printed}", file=sys.stderr)
    for name, hint in checked.found:
        print(f"{name}: right" if hint is None else f"{name}: not yet: {hint}")
    right = sum(hint is None for _, hint in checked.found)
    print(
        f"{right} of {len(checked.found)} right"
        + (f": chapter {number} is done." if right == len(checked.found) else ".")
    )
    return 0 if right == len(checked.found) else 1
