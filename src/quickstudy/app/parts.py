"""Verbs of several parts, such as ``quickstudy bench speed``: finds the part, or says which there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from quickstudy.errors import UserError, unknown


class Parts(NamedTuple):
    """A verb's."""

    verb: str
    word: str
    """What stands for a part in the line of usage."""
    kind: str
    """What a part is, where one is unknown."""
    example: str
    """The part whose --help is named."""
    missing: str
    """What is said where no part is given."""
    known: Mapping[str, tuple[str, str]]
    """By name: module, and what it does in a line."""


def find(args: list[str], parts: Parts) -> str | None:
    """The module of the part that ``args`` begin with; None where help was asked for, which is then printed.

    Raises UserError where there is no such part, or none is given.
    """
    if args and args[0] in parts.known:
        return parts.known[args[0]][0]
    if {"-h", "--help"} & {*args}:
        known = "".join(f"  {name:8}{line}\n" for name, (_, line) in parts.known.items())
        print(f"usage: quickstudy {parts.verb} {parts.word} ...\n\n{known}")
        print(f"`quickstudy {parts.verb} {parts.example} --help` explains one.")
        return None
    if args and not args[0].startswith("-"):
        raise unknown(parts.kind, args[0], parts.known)
    raise UserError(parts.missing)
