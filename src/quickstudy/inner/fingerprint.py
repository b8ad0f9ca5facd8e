"""Everything that a computation depends on beside its tensors, as one value that can be compared.

Two modules or functions with the same fingerprint do the same operations on tensors of the same shapes: they have the
same code, settings, closures and globals. What a thing of unknown make would do cannot be known, so it has none.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import types
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from quickstudy.errors import UserError

PLAIN = (int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.memory_format, range)
TRUSTED = ("torch", "quickstudy", "builtins", "math", "functools", "operator", "collections", "typing", "numpy", "enum")
"""Packages whose functions and classes are known by their name."""
OWN = {"_parameters", "_buffers", "_modules"}
EMPTY = {dict, collections.OrderedDict, list, set, type(None), bool}
"""What of a module's private attributes is left out where there is nothing in it, as in hooks that there are not."""


class UnknownError(UserError):
    """There is something of which it cannot be said what it does."""


def fingerprint(thing: Any, kept: list[Any]) -> Hashable:
    """Of a module, function or value; what is known by its identity alone is put into ``kept``, to be kept alive.

    Parameters that are trained count by their shape: they are the tensors that may change. All other tensors are known
    by their identity. Raises UnknownError.
    """
    return _Reader(kept).read(thing)


class _Reader:
    def __init__(self, kept: list[Any]) -> None:
        self.kept, self.open = kept, set[int]()
        self.classes: dict[type, Hashable] = {}

    def read(self, thing: Any) -> Hashable:
        kind: Any = type(thing)
        if kind in _PLAIN_KINDS:
            return kind, thing
        if kind is nn.Parameter and thing.requires_grad:
            return kind, thing.shape, thing.dtype, thing.device
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
        names = [field.name for field in dataclasses.fields(thing)]
        more = [name for name in getattr(thing, "__dict__", ()) if name not in names]
        return self.read(type(thing)), tuple((name, self.read(getattr(thing, name))) for name in (*names, *more))

    def _array(self, array: Any) -> Hashable:
        return type(array), array.shape, str(array.dtype), array.tobytes()

    def _object(self, thing: Any) -> Hashable:
        """Of a known make; what it is made of may change."""
        made_of = getattr(thing, "__dict__", None)
        return self._same(thing) if not made_of else (type(thing), self._mapping(made_of))

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
            if name not in OWN and (name[0] != "_" or type(value) not in EMPTY or value)
        ]
        inside = [
            tuple([(name, read(value)) for name, value in there.items()]) if there else ()
            for there in (module._parameters, module._buffers, module._modules)
        ]
        return self._class(type(module)), tuple(settings), *inside

    def _class(self, kind: type) -> Hashable:
        """A class and what it was written with: its functions, and its settings."""
        if _trusted(kind) or issubclass(kind, enum.Enum):
            return kind
        if kind not in self.classes:
            self.classes[kind] = "open"  # a method may name it
            written = [
                (name, self.read(_bare(one)))
                for base in kind.__mro__
                if not _trusted(base)
                for name, one in vars(base).items()
                if not _is_about(name, one)
            ]
            self.classes[kind] = kind, tuple(written)
        return self.classes[kind]

    def _function(self, function: types.FunctionType) -> Hashable:
        code = function.__code__
        cells = tuple(
            [self.read(cell.cell_contents) if _filled(cell) else _Reader for cell in function.__closure__ or ()]
        )
        defaults = self.read(function.__defaults__), self.read(function.__kwdefaults__)
        if _trusted(function):
            return code, cells, defaults
        mentioned = _names(code)
        used = [(name, function.__globals__[name]) for name in mentioned if name in function.__globals__]
        return code, cells, defaults, tuple([(name, self._global(value, mentioned)) for name, value in used])

    def _global(self, value: Any, mentioned: Sequence[str]) -> Hashable:
        """Of a module of somebody's own, what may be taken from it."""
        if not isinstance(value, types.ModuleType) or _of_trusted(value.__name__):
            return self.read(value)
        return tuple([(name, self.read(vars(value)[name])) for name in mentioned if name in vars(value)])


@functools.lru_cache(maxsize=1024)
def _branch(kind: Any) -> Callable[[_Reader, Any], Hashable]:
    """How a thing of this kind is read."""
    for bases, method in (
        (type, _Reader._class),
        ((*PLAIN, enum.Enum), _Reader._plain),
        ((types.ModuleType, types.BuiltinFunctionType, Tensor), _Reader._same),
        (nn.Module, _Reader._module),
        (types.FunctionType, _Reader._function),
        (types.MethodType, _Reader._method),
        (functools.partial, _Reader._partial),
        ((tuple, list, collections.deque, bytearray), _Reader._row),
        ((set, frozenset), _Reader._set),
        (Mapping, _Reader._mapping),
    ):
        if issubclass(kind, bases):
            return method
    if dataclasses.is_dataclass(kind):
        return _Reader._dataclass
    if kind.__module__ == "numpy" and hasattr(kind, "tobytes"):
        return _Reader._array
    drawn_from = issubclass(kind, torch.Generator) or kind.__module__.startswith("numpy.random")
    return _Reader._object if _trusted(kind) and not drawn_from else _Reader._unknown


_PLAIN_KINDS = {bool, *PLAIN}
_AT_SIGHT = {bool, str, type(None)}


def _trusted(thing: Any) -> bool:
    return _of_trusted(getattr(thing, "__module__", None))


@functools.lru_cache(maxsize=4096)
def _of_trusted(module: str | None) -> bool:
    return str(module).split(".")[0] in TRUSTED


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a function that is not there yet
        return False


def _bare(written: Any) -> Any:
    """The functions inside what a class has."""
    if isinstance(written, staticmethod | classmethod):
        return written.__func__
    if isinstance(written, property):
        return written.fget, written.fset
    return written.func if isinstance(written, functools.cached_property) else written


def _is_about(name: str, written: Any) -> bool:
    """Whether it is no part of what a class computes: its name and documentation, and the places of slots."""
    described = name.startswith("__") and name.endswith("__") and not isinstance(written, types.FunctionType)
    return described or name.startswith("_abc_") or isinstance(written, types.MemberDescriptorType)


@functools.lru_cache(maxsize=4096)
def _names(code: types.CodeType) -> tuple[str, ...]:
    """Global names that the code or the functions written inside it mention."""
    inside = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _names(part)]
    return tuple(dict.fromkeys([*code.co_names, *inside]))
