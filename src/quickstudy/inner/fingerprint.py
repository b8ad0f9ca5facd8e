"""Everything that a computation depends on beside its tensors, as one value that can be compared.

Two modules or functions with the same fingerprint do the same operations on tensors of the same shapes: they have the
same code, settings, closures and globals. What a thing of unknown make would do cannot be known, so it has none.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.errors import UserError

PLAIN = (int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.memory_format, type, range)
TRUSTED = ("torch", "quickstudy", "builtins", "math", "functools", "operator", "collections", "typing")
"""Packages whose functions and classes are known by their name."""
OWN = {"_parameters", "_buffers", "_modules"}


class UnknownError(UserError):
    """There is something of which it cannot be said what it does."""


def fingerprint(thing: Any, kept: list[Any]) -> Hashable:
    """Of a module, function or value; what is known by its identity alone is put into ``kept``, to be kept alive.

    Parameters count by their shape: they are the tensors that may change. Raises UnknownError.
    """
    return _Reader(kept).read(thing)


class _Reader:
    def __init__(self, kept: list[Any]) -> None:
        self.kept, self.open = kept, set[int]()

    def read(self, thing: Any) -> Hashable:
        kind: Any = type(thing)
        if kind in _PLAIN_KINDS:
            return kind, thing
        if kind is nn.Parameter:
            return kind, thing.shape, thing.dtype, thing.device, thing.requires_grad
        if id(thing) in self.open:  # a function that calls itself
            return "open"
        self.open.add(id(thing))
        try:
            return _branch(kind)(self, thing)
        finally:
            self.open.discard(id(thing))

    def _plain(self, thing: Any) -> Hashable:
        return type(thing), thing

    def _method(self, method: types.MethodType) -> Hashable:
        return self.read(method.__func__), self.read(method.__self__)

    def _partial(self, partial: functools.partial[Any]) -> Hashable:
        return self.read(partial.func), self.read(partial.args), self.read(partial.keywords)

    def _row(self, row: tuple[Any, ...] | list[Any]) -> Hashable:
        return type(row), tuple(map(self.read, row))

    def _set(self, values: set[Any] | frozenset[Any]) -> Hashable:
        return type(values), frozenset(map(self.read, values))

    def _mapping(self, mapping: Mapping[Any, Any]) -> Hashable:
        return type(mapping), tuple((self.read(name), self.read(value)) for name, value in mapping.items())

    def _dataclass(self, thing: Any) -> Hashable:
        return type(thing), tuple(self.read(getattr(thing, field.name)) for field in dataclasses.fields(thing))

    def _unknown(self, thing: Any) -> Hashable:
        kind: Any = type(thing)
        raise UnknownError(
            f"{kind.__module__}.{kind.__qualname__} may change what is computed without being seen. A recorded loss "
            f"and module may depend on numbers, tensors, functions, dataclasses, and lists, tuples and dicts of these."
        )

    def _same(self, thing: Any) -> Hashable:
        self.kept.append(thing)
        return "same", id(thing)

    def _module(self, module: nn.Module) -> Hashable:
        read = self.read
        settings = [  # lists, for generators take longer than what they give
            (name, value if type(value) in _AT_SIGHT else read(value))
            for name, value in vars(module).items()
            # hooks that there are not make up most of a module
            if (value or name[0] != "_") and name not in OWN
        ]
        inside = [
            tuple([(name, read(value)) for name, value in there.items()]) if there else ()
            for there in (module._parameters, module._buffers, module._modules)
        ]
        return self._class(type(module)), tuple(settings), *inside

    def _class(self, kind: type) -> Hashable:
        """A class and the functions of its own that it was written with."""
        if _trusted(kind):
            return kind
        written = [one for base in kind.__mro__ if not _trusted(base) for one in vars(base).values()]
        return kind, tuple(self.read(one) for one in written if isinstance(one, types.FunctionType))

    def _function(self, function: types.FunctionType) -> Hashable:
        code = function.__code__
        cells = tuple(self.read(cell.cell_contents) for cell in function.__closure__ or () if _filled(cell))
        defaults = self.read(function.__defaults__), self.read(function.__kwdefaults__)
        if _trusted(function):
            return code, cells, defaults
        names = [name for name in _names(code) if name in function.__globals__]
        return code, cells, defaults, tuple((name, self.read(function.__globals__[name])) for name in names)


@functools.lru_cache(maxsize=1024)
def _branch(kind: Any) -> Callable[[_Reader, Any], Hashable]:
    """How a thing of this kind is read."""
    for bases, method in (
        (PLAIN, _Reader._plain),
        ((types.ModuleType, types.BuiltinFunctionType, Tensor), _Reader._same),
        (nn.Module, _Reader._module),
        (types.FunctionType, _Reader._function),
        (types.MethodType, _Reader._method),
        (functools.partial, _Reader._partial),
        ((tuple, list), _Reader._row),
        ((set, frozenset), _Reader._set),
        (Mapping, _Reader._mapping),
    ):
        if issubclass(kind, bases):
            return method
    if dataclasses.is_dataclass(kind):
        return _Reader._dataclass
    return _Reader._same if _trusted(kind) else _Reader._unknown


_PLAIN_KINDS = {bool, *PLAIN}
_AT_SIGHT = {bool, str, type(None)}


def _trusted(thing: Any) -> bool:
    return _of_trusted(getattr(thing, "__module__", None))


@functools.lru_cache(maxsize=4096)
def _of_trusted(module: str | None) -> bool:
    return str(module).split(".")[0] in TRUSTED


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


@functools.lru_cache(maxsize=4096)
def _names(code: types.CodeType) -> tuple[str, ...]:
    """Global names that the code or the functions written inside it mention."""
    inside = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _names(part)]
    return tuple(dict.fromkeys([*code.co_names, *inside]))
