"""A challenge: which tasks, with which budgets. A TOML file of ten lines.

name = "mine"
about = "Characters of alphabets that nobody has seen."
cpu = 2.0                     # seconds of the processors to learn and answer a task
training = 60.0               # the same to learn to learn, before

[[tasks]]
family = "glyphs"
ways = [2, 20]                # any from 2 to 20; or one number
shots = 1
episodes = 100
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import MISSING, asdict, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from quickstudy.errors import UserError, reason, unknown
from quickstudy.settings import checked

SHIPPED = resources.files("quickstudy.challenge").joinpath("suites")


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Test tasks of one family, and what an entry is trained on before."""

    family: str
    """Task family with its options: its test tasks are asked."""
    train: str = ""
    """Family whose train and val tasks entries may learn from; by default the same."""
    ways: tuple[int, ...] = (5,)
    """Classes of a task: one number, or the least and the most; ignored in regression."""
    shots: tuple[int, ...] = (1,)
    """Support examples of each class, or of a task, likewise."""
    query: int = 5
    """Query examples of each class, or of a task."""
    episodes: int = 100
    """Tasks that are asked; of the first fifth of them, ten at least, also the curve over examples."""
    metric: str = ""
    """One that the family's ``score`` gives; by default its primary one."""

    @property
    def curve(self) -> int:
        """Tasks of each point of the curve over examples."""
        return min(self.episodes, max(10, self.episodes // 5))


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A challenge."""

    name: str
    about: str = ""
    cpu: float = 2.0
    """Seconds of the processors, of all of an entry's processes together, to learn and answer a task. A second is that
    of a standard machine: as much of this one's as its reference workload takes."""
    wall: float = 20.0
    """Seconds of the clock to do so."""
    memory: float = 3.0
    """GB of all processes of an entry together."""
    disk: float = 1.0
    """GB of an entry's home."""
    processes: int = 32
    """Processes and threads that an entry may have."""
    training: float = 60.0
    """Such seconds to learn to learn the tasks of one family, before they are asked."""
    examples: tuple[int, ...] = (1, 2, 5, 10, 20)
    """Shots of the curve over examples."""
    inductive: bool = True
    """Whether the answer to a query may depend on no other query."""
    seed: int = 0
    """Of the test tasks. Whoever hosts for strangers keeps one of his own to himself: run --seed."""
    tasks: tuple[Tasks, ...] = field(default=())
    source: str = field(default="", compare=False)
    """Where it was read."""

    @property
    def hash(self) -> str:
        """What tells it from other suites, whatever the file is called and says about itself."""
        parts = {name: value for name, value in asdict(self).items() if name not in ("about", "source", "seed")}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def shipped() -> dict[str, str]:
    """Suites that come along, and what each is about."""
    files = sorted(file.name for file in SHIPPED.iterdir() if file.name.endswith(".toml"))
    return {name.removesuffix(".toml"): load(name.removesuffix(".toml")).about for name in files}


def load(name: str | Path) -> Suite:
    """The suite that comes along under ``name``, or that of a TOML file; UserError with file and line otherwise."""
    path = Path(name)
    if path.suffix != ".toml" and not path.is_file():
        own = SHIPPED.joinpath(f"{name}.toml")
        if not own.is_file():
            known = (file.name.removesuffix(".toml") for file in SHIPPED.iterdir() if file.name.endswith(".toml"))
            raise UserError(f"{unknown('challenge', str(name), known)} One of your own is a file NAME.toml.")
        return read(own.read_text("utf-8"), str(name))
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the challenge {path} cannot be read ({reason(error)}). `quickstudy challenge new` makes one."
        ) from error
    return read(text, str(path))


def read(text: str, source: str) -> Suite:
    """The suite that ``text`` describes."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{source} is no TOML: {error}. Compare it with `quickstudy challenge new`.") from error
    blocks = found.pop("tasks", [])
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise UserError(f"{where(source, text, 'tasks')}: tasks is no table; write [[tasks]] above each family.")
    known = [one.name for one in fields(Suite) if one.name not in ("tasks", "source")]
    suite = _made(Suite, found, known, source, text, None)
    tasks = []
    for number, block in enumerate(blocks):
        block = {
            key: [value] if key in ("ways", "shots") and is_number(value) else value for key, value in block.items()
        }
        names = [one.name for one in fields(Tasks)]
        tasks.append(_made(Tasks, block, names, source, text, number))
    if not tasks:
        raise UserError(f'{source} has no tasks. Write [[tasks]] and, below it, family = "glyphs".')
    made = Suite(**{one: getattr(suite, one) for one in known}, tasks=tuple(tasks), source=source)
    check_numbers(made, text)
    return made


def is_number(value: object) -> bool:
    """A whole number, and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def _made(kind: Any, found: dict[str, Any], known: list[str], source: str, text: str, block: int | None) -> Any:
    for key in found:
        if key not in known:
            raise UserError(f"{where(source, text, key, block)}: {unknown('setting', key, known)}")
    for one in fields(kind):
        if one.default is MISSING and one.default_factory is MISSING and one.name not in found:
            raise UserError(f'{where(source, text, None, block)}: {one.name} is missing. Write {one.name} = "...".')
    return checked(kind(**found), name=lambda key: f"{where(source, text, key, block)}: {key}")


def check_numbers(suite: Suite, text: str) -> None:
    """UserError for a number that makes no sense, with its line."""
    for key in ("cpu", "wall", "memory", "disk", "processes", "training"):
        least = 0 if key == "training" else 1e-3
        if (value := getattr(suite, key)) < least:
            raise UserError(f"{where(suite.source, text, key)}: {key} is {value}; a budget must be more than 0.")
    points = suite.examples
    if not points or any(one < 1 for one in points) or list(points) != sorted({*points}):
        raise UserError(f"{where(suite.source, text, 'examples')}: examples is {list(points)}; expected rising shots.")
    for number, block in enumerate(suite.tasks):
        for key, least in (("ways", 2), ("shots", 0)):
            span = getattr(block, key)
            if not 1 <= len(span) <= 2 or span[0] < least or list(span) != sorted(span):
                raise UserError(
                    f"{where(suite.source, text, key, number)}: {key} is {list(span)}; expected one number, or the "
                    f"least and the most, from {least} on."
                )
        for key, least in (("query", 1), ("episodes", 2)):
            if (value := getattr(block, key)) < least:
                raise UserError(
                    f"{where(suite.source, text, key, number)}: {key} is {value}; it must be {least} or more."
                )


def where(source: str, text: str, key: str | None, block: int | None = None) -> str:
    """``file.toml, line 7``: that of ``key`` in the given [[tasks]], or at the top; else that of the table."""
    at, table = None, None
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*\[\[\s*tasks\s*\]\]", line):
            table = 0 if table is None else table + 1
            if table == block:
                at = number
        elif key is not None and table == block and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return f"{source}, line {number}"
    return source if at is None else f"{source}, line {at}"
