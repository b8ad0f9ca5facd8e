"""Flags from dataclasses: tyro parses and explains them, and what is wrong becomes a UserError of one line."""

from __future__ import annotations

import contextlib
import io
import re
import typing
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from itertools import dropwhile, takewhile
from typing import Any, TypeVar

import tyro

from quickstudy.errors import UserError, unknown
from quickstudy.settings import flag

T = TypeVar("T")
BOX = re.compile(r"^[│|╭╰ ]*|[│|╮╯ ]*$")
NO_TYPE = re.compile(r"no type matching (\S+) could be instantiated from \['(.*)'\]")
RULE = re.compile(r"[─╭╮╰╯+-]{3,}|\s*$")


def parse(kind: type[T], args: Sequence[str], *, prog: str, description: str, default: T | None = None) -> T:
    """The ``kind`` that ``args`` describe; fields that are not given are those of ``default``.

    Raises UserError for flags or values that are not right, and SystemExit(0) after ``--help``.
    """
    check_names(kind, args)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                kind,
                prog=prog,
                description=description,
                args=args,
                default=tyro.MISSING_NONPROP if default is None else default,
                config=(tyro.conf.DisallowNone,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(f"{plain(said.getvalue())} `{prog} --help` explains the flags.") from None


def check_names(kind: type[Any], args: Sequence[str]) -> None:
    """UserError with the nearest names for a flag that ``kind`` does not have."""
    known = names(kind) | {"--help"}
    for arg in args:
        name = arg.partition("=")[0].replace("_", "-")
        if arg.startswith("--") and name not in known:
            raise unknown("flag", name, {one for one in known if arg.startswith("--no") or not one.startswith("--no-")})


def names(kind: type[Any]) -> set[str]:
    """Every flag of a dataclass, and of the dataclasses inside it, whose flags have no prefix."""
    found: set[str] = set()
    hints = typing.get_type_hints(kind)
    for field in fields(kind):
        hint, name = hints[field.name], flag(field.name)
        if is_dataclass(hint) and isinstance(hint, type):
            found |= names(hint)
        else:
            found |= {name, f"--no-{name[2:]}"} if hint is bool else {name}
    return found


def is_rule(line: str) -> bool:
    """Whether a line of a box is drawn or empty."""
    return RULE.match(line.strip()) is not None


def plain(box: str) -> str:
    """The message in a box that tyro drew, on one line; hints below it are left out."""
    lines = [BOX.sub("", line) for line in box.splitlines()[1:]]
    text = dropwhile(is_rule, lines)
    message = " ".join(line.strip() for line in takewhile(lambda line: not is_rule(line), text))
    message = NO_TYPE.sub(r"expected \1, found '\2'", message)
    return message if message.endswith(".") else message + "."


def check_seed(seed: int) -> None:
    """UserError for one that is out of range."""
    if not 0 <= seed < 2**63:
        raise UserError(f"--seed is {seed}; give a number from 0 to {2**63 - 1}.")
