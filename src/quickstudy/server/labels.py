"""Labels are the user's: words or numbers, which keep their type; one model has one kind of them."""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from quickstudy.errors import UserError

Label = str | int | float
LARGEST = 2**53
"""The whole numbers up to here are told apart by every reader of JSON."""


def checked(label: object, most: int) -> Label:
    """``label`` if it can be one; a number without a fraction is a whole one."""
    if isinstance(label, bool) or not isinstance(label, str | int | float):
        raise UserError(f"a label is {json.dumps(label)[:80]}; expected a word or a number.")
    if isinstance(label, str):
        odd = [one for one in label if unicodedata.category(one) in ("Cc", "Cs")]
        if not label.strip() or odd or len(label) > most:
            why = f"has {len(label)} characters" if len(label) > most else "is empty or has control characters"
            raise UserError(f"a label {why}; expected 1 to {most} characters that can be seen.")
        return label
    if not math.isfinite(label) or abs(label) > LARGEST:
        raise UserError(f"a label is {label:g}; expected a number from {-LARGEST} to {LARGEST}.")
    return int(label) if label == int(label) else label


def counted(labels: Iterable[Label]) -> list[tuple[Label, int]]:
    """Each label and how often it is there, in the order of classes; UserError for words beside numbers."""
    counts = Counter(labels)
    words = {isinstance(label, str) for label in counts}
    if len(words) > 1:
        word = next(label for label in counts if isinstance(label, str))
        number = next(label for label in counts if not isinstance(label, str))
        raise UserError(f"labels are {word!r} and {number!r}; expected labels of one kind, say all words.")
    return sorted(counts.items(), key=lambda pair: pair[0])


def numbers(labels: Sequence[Label]) -> list[int]:
    """The class of each."""
    order = {label: number for number, (label, _) in enumerate(counted(labels))}
    return [order[label] for label in labels]


def written(label: Label) -> str:
    """As JSON."""
    return json.dumps(label)


def key(label: Label) -> str:
    """The name of a label in a JSON object."""
    return label if isinstance(label, str) else json.dumps(label)
