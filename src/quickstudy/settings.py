"""Settings in dataclasses: the one check of what stands in them, whether a person, a program or a file wrote it."""

from __future__ import annotations

import math
import operator
import types
import typing
from collections.abc import Callable
from dataclasses import fields, replace
from numbers import Real
from typing import Any, TypeVar

from quickstudy.errors import UserError, unknown

T = TypeVar("T")
EXPECTED = {bool: "true or false", int: "a whole number", float: "a finite number", str: "a text"}


def flag(field: str) -> str:
    """What a setting is called on the command line, and in every message."""
    return f"--{field.rstrip('_').replace('_', '-')}"  # break_, for Python has a word break


def checked(settings: T, name: Callable[[str], str] = flag) -> T:
    """The dataclass ``settings`` with numbers of any library turned into Python's own.

    Raises UserError, with the ``name`` of the field, for a value that is not of the field's type: bool, int, float,
    str, a Literal of strings, a tuple of any length of one of these, or None where the field allows it. Types beyond
    these are left to whoever reads them.
    """
    hints = typing.get_type_hints(type(settings))
    values = {
        field.name: _value(getattr(settings, field.name), hints[field.name], name(field.name))
        for field in fields(settings)  # type: ignore[arg-type]
    }
    return replace(settings, **values)  # type: ignore[type-var]


def _value(value: Any, hint: Any, name: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    sequence = origin is tuple and inner[-1] is Ellipsis
    if origin in (types.UnionType, typing.Union):
        (some,) = (one for one in inner if one is not type(None))
        return None if value is None else _value(value, some, name)
    if origin is typing.Literal:
        if value not in inner:
            raise unknown(f"value of {name}", value, inner)
        return value
    if sequence and isinstance(value, list | tuple):
        return tuple(_value(one, inner[0], name) for one in value)
    if hint not in EXPECTED and not sequence:
        return value
    if isinstance(value, bool) == (hint is bool):
        if hint is int and hasattr(value, "__index__"):
            return operator.index(value)
        if hint is float and isinstance(value, Real) and math.isfinite(value):
            return float(value)
        if hint in (bool, str) and isinstance(value, hint):
            return value
    raise UserError(f"{name} is {value!r}; expected {EXPECTED.get(hint, 'a list')}.")
