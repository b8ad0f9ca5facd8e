"""Whether a term was looked for and not found, in the words of people and of programs."""

from __future__ import annotations

import reprlib
from typing import Any

from quickstudy.errors import UserError

EXCLUDED = (
    *("true", "t", "yes", "y", "1", "1.0", "x"),
    *("excluded", "absent", "negated", "negative", "not present", "not observed"),
)
OBSERVED = ("", "false", "f", "no", "n", "0", "0.0", "present", "observed", "not excluded")


def excluded(value: Any, where: str) -> bool:
    """What the cell or JSON value says that stands under ``excluded``; UserError, with its place, if it says neither.

    An empty one says no. Other words are refused, for what one takes for yes another takes for no.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    word = " ".join(str(value).lower().replace("_", " ").split()) if isinstance(value, str | int | float) else "?"
    if word in EXCLUDED or word in OBSERVED:
        return word in EXCLUDED
    raise UserError(
        f"{where}: excluded is {reprlib.repr(value)}; expected true for a term that was looked for and not found, "
        "false or nothing for one that was observed."
    )
