"""Ways into a challenge: what an entry is, and the command that runs it."""

from __future__ import annotations

import ast
import difflib
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import quickstudy
from quickstudy import learners, runs
from quickstudy.errors import UserError, reason

INSIDE = "quickstudy.challenge.inside"
MODEL = "model.py"
PYTHONS = ("python", "python3")
SCRIPTS = (".py", ".js", ".mjs", ".ts", ".rb", ".jl", ".R", ".lua", ".pl", ".sh")
WANTED = ("MyMetaLearner", "MyLearner")
OF_THEIR_TIME = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
"""Entries of 2022 hand whole modules to ``torch.save``, which ``torch.load`` refuses by default since torch 2.6. What
they load is their own, in their own process."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Who takes part."""

    name: str
    form: str
    """file, name, run, metadl or program."""
    command: tuple[str, ...]
    files: tuple[Path, ...] = ()
    """Copied into the entry's home."""
    run: runs.Run | None = None
    environment: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    """What it was entered by, as words of the command line."""


def enter(text: str, name: str = "") -> Entry:
    """The entry that ``text`` describes: a file learner.py, a folder with model.py, a run folder, a learner of the
    registry, or a command line. UserError, with file and line, for what cannot take part."""
    return replace(_entered(text, name), words=(text, *(("--name", name) if name else ())))


def _entered(text: str, name: str) -> Entry:
    path = Path(text).expanduser()
    if path.is_dir():
        return _folder(path, name)
    if path.suffix == ".py" and (path.is_file() or len(text.split()) == 1):
        if not path.is_file():
            raise UserError(f"the entry {path} is not there. Give a file with a learner, or a folder with {MODEL}.")
        if not path.stem.isidentifier():
            raise UserError(f"{path} cannot be imported under that name. Rename it: letters, digits and _ alone.")
        parsed(path)
        return ours(name or path.stem, "file", path.name, (path.absolute(),))
    if text in learners.LEARNERS:
        return ours(name or text, "name", text, ())
    return _program(text, name)


def ours(name: str, form: str, what: str, files: tuple[Path, ...], run: runs.Run | None = None) -> Entry:
    """An entry whose process is this package's."""
    package = str(Path(quickstudy.__file__).resolve().parent.parent)
    command = (sys.executable, "-m", INSIDE, form, what)
    return Entry(name=name, form=form, command=command, files=files, run=run, environment={"PYTHONPATH": package})


def _folder(path: Path, name: str) -> Entry:
    path = path.absolute()
    if (path / runs.CARD).is_file():
        return ours(name or path.name, "run", path.name, (path,), runs.load(path))
    if not (path / MODEL).is_file():
        raise UserError(f"the entry {path} has neither {MODEL} nor {runs.CARD}. Put {MODEL} with {WANTED[0]} into it.")
    for file in sorted(path.rglob("*.py")):
        if file.is_file() and not file.is_symlink():
            parsed(file)
    defined = {one.name for one in ast.walk(parsed(path / MODEL)) if isinstance(one, ast.ClassDef)}
    if missing := [one for one in WANTED if one not in defined]:
        raise UserError(f"{path / MODEL} does not define {' and '.join(missing)}, which an entry of MetaDL has.")
    entry = ours(name or path.name, "metadl", path.name, (path,))
    return replace(entry, environment=entry.environment | OF_THEIR_TIME)


def parsed(file: Path) -> ast.Module:
    """The file's syntax; UserError, with the line, where it is no Python."""
    try:
        return ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else reason(error)
        raise UserError(f"{file}{line}: this is no Python ({said}). Mend it and enter again.") from error


def _program(text: str, name: str) -> Entry:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"the entry {text!r} is no command line ({error}).") from error
    if not words:
        raise UserError("an entry is empty. Give a learner, a file, a folder, or a command line.")
    if len(words) > 1 and Path(words[1]).suffix in SCRIPTS and not Path(words[1]).expanduser().is_file():
        raise UserError(f"the entry {text!r} has no program: {words[1]} is not there. Give the path of one.")
    files = tuple(_files(words))
    if words[0] in PYTHONS:  # one that is found elsewhere may be no program, but a script that looks for it
        words[0] = sys.executable
    program = shutil.which(words[0])
    if program is None and not any(file.name == Path(words[0]).name for file in files):
        near = difflib.get_close_matches(text, learners.LEARNERS, n=1, cutoff=0.7)
        hint = f"Did you mean {near[0]}?" if near else "`quickstudy list learners` names the first."
        raise UserError(f"the entry {text!r} is neither a learner, a file, a folder nor a program that is here. {hint}")
    own = {str(file): file.name for file in files}
    command = [own.get(str(Path(word).expanduser().absolute()), word) for word in words]
    command[0] = program if program and command[0] == words[0] else f"./{command[0]}"
    return Entry(
        name=name or re.sub(r"[^\w.-]+", "-", Path(words[-1]).stem), form="program", command=tuple(command), files=files
    )


def _files(words: list[str]) -> Iterator[Path]:
    for number, word in enumerate(words):
        path = Path(word).expanduser()
        if path.exists() and (number or "/" in word) and not (number == 0 and shutil.which(word) == word):
            yield path.absolute()
