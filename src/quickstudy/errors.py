"""The one error that a user can cause: exit code 2 on the command line."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Says what was found, what was expected, and what to do next."""


def reason(error: Exception) -> str:
    """Why a file cannot be had, in the system's words, without its number and the path."""
    return getattr(error, "strerror", None) or str(error)


MOST = 20
"""Names that an error lists."""


def unknown(what: str, found: object, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a registry, with the nearest names that are."""
    names = sorted(known)
    near = difflib.get_close_matches(str(found), names, n=3, cutoff=0.5)
    some = ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {some or 'none'}."
    return UserError(f"unknown {what} {found!r}. {hint}")
