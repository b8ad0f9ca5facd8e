"""``quickstudy challenge new`` and ``check``: a challenge of one's own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from quickstudy import runs
from quickstudy.app.flags import parse
from quickstudy.errors import UserError

NEW = """Write a challenge to be changed: which tasks are asked, and what an entry may use."""
CHECK = """Say whether a challenge can be held: its tasks are there, its numbers make sense, and nothing that is tested
is trained on. Without a name, the challenges that come along."""
TEMPLATE = """\
name = "{name}"
about = "Characters that nobody has seen."
cpu = 2.0         # seconds of the processors to learn and answer a task
memory = 3.0      # GB
training = 60.0   # seconds of the processors to learn to learn, before

[[tasks]]         # as many as you like
family = "glyphs"
ways = [2, 10]    # any from 2 to 10; or one number
shots = [1, 5]
episodes = 50
"""


@dataclass(frozen=True, kw_only=True)
class New:
    """Where it goes."""

    path: tyro.conf.Positional[Path]
    """File to write: NAME.toml."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Which one."""

    challenge: tyro.conf.Positional[str] = ""
    """One that comes along, or a file NAME.toml."""


def main(part: str, args: list[str]) -> int:
    """Run the verb; the last line on stdout of ``new`` is the path."""
    if part == "new":
        return new(parse(New, args, prog="quickstudy challenge new", description=NEW).path)
    return check(parse(Check, args, prog="quickstudy challenge check", description=CHECK).challenge)


def new(path: Path) -> int:
    """Write the template."""
    if path.suffix != ".toml":
        raise UserError(f"the file is {path}; its name must end in .toml.")
    if path.exists():
        raise UserError(f"{path} is there already. Choose another name.")
    runs.write_atomic(path, lambda temporary: runs.write_text(temporary, TEMPLATE.format(name=path.stem)))
    print("Change it, then: quickstudy challenge check", path, file=sys.stderr)
    print(path)
    return 0


def check(name: str) -> int:
    """Say what is in it."""
    from quickstudy.challenge import suite
    from quickstudy.challenge.check import opened
    from quickstudy.challenge.describe import line_of

    if not name:
        for known, about in suite.shipped().items():
            print(f"{known:10}{about}")
        return 0
    found = suite.load(name)
    blocks = opened(found)
    print(f"{found.name}: {found.about}")
    for block in blocks:
        print(f"  {line_of(block)}, by {block.metric}")
    print(
        f"  a task may take {found.cpu:g} s of the processors and {found.wall:g} s of the clock, an entry "
        f"{found.memory:g} GB; it may train for {found.training:g} s of the processors a family"
    )
    return 0
