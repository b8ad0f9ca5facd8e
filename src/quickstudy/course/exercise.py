"""An exercise: a function that a reader writes, and the check of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

if TYPE_CHECKING:  # chapters without tensors do not wait for torch
    from torch import Tensor

CLOSE = 1e-4
"""How far a number may be off, relative to it or absolute."""


class WrongError(Exception):
    """What is not right yet, and a hint."""


class Exercise(NamedTuple):
    """What is asked for."""

    name: str
    """Of the function."""
    about: str
    """In a few words."""
    check: Callable[[Callable[..., Any]], None]
    """Calls the reader's function; WrongError with a hint where it is not right."""


def same(found: object, wanted: object, hint: str) -> None:
    """WrongError with ``hint`` unless what was found is what was wanted, numbers to 1e-4."""
    if found is None and wanted is not None:
        raise WrongError("it gives nothing yet. Write it, and return what is asked for.")
    if is_tensor(wanted):
        _same_tensor(found, wanted, hint)
    elif not _alike(found, wanted):
        raise WrongError(f"it gives {brief(found)} where {brief(wanted)} is right. {hint}")


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Whether it is a tensor: without torch nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _same_tensor(found: object, wanted: Tensor, hint: str) -> None:
    if not is_tensor(found):
        raise WrongError(
            f"it gives {brief(found)}, which is no tensor; expected one of shape {list(wanted.shape)}. {hint}"
        )
    if found.shape != wanted.shape:
        raise WrongError(f"it gives a tensor of shape {list(found.shape)}; expected {list(wanted.shape)}. {hint}")
    if not found.double().allclose(wanted.double(), rtol=CLOSE, atol=CLOSE):
        raise WrongError(hint)


def _alike(found: object, wanted: object) -> bool:
    found = plain(found)
    if isinstance(wanted, bool | str) or wanted is None:
        return type(found) is type(wanted) and found == wanted
    if isinstance(wanted, int | float):
        number = isinstance(found, int | float) and not isinstance(found, bool)
        return number and math.isclose(float(found), wanted, rel_tol=CLOSE, abs_tol=CLOSE)  # type: ignore[arg-type]
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and {*found} == {*wanted} and all(_alike(found[k], wanted[k]) for k in wanted)
    if isinstance(wanted, Sequence):
        if isinstance(found, str) or not isinstance(found, Sequence) or len(found) != len(wanted):
            return False
        return all(_alike(one, other) for one, other in zip(found, wanted, strict=True))
    return bool(found == wanted)


def plain(value: Any) -> Any:
    """Numbers and lists for what holds them: tensors, and NumPy's arrays and scalars."""
    return value.tolist() if is_tensor(value) or type(value).__module__ == "numpy" else value


def brief(value: object) -> str:
    """A value in few words."""
    if isinstance(value, float):
        return f"{value:.4g}"
    try:
        text = " ".join((numbers(value) or repr(value)).split())
    except Exception:
        return f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."


def numbers(value: object) -> str | None:
    """A list or tuple of plain numbers with four digits each; None for anything else."""
    if not isinstance(value, list | tuple) or not all(type(one) in (int, float) for one in value):
        return None
    left, right = "[]" if isinstance(value, list) else "()"
    return left + ", ".join(f"{one:.4g}" if isinstance(one, float) else str(one) for one in value) + right


def must(right: bool, hint: str) -> None:
    """WrongError with ``hint`` unless ``right``."""
    if not right:
        raise WrongError(hint)
