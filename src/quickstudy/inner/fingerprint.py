"""Everything that a computation depends on beside its tensors, as one value that can be compared.

Two modules or functions with the same fingerprint do the same operations on tensors of the same shapes: they have the
same code, settings, closures and globals. What a thing of unknown make would do cannot be known, so it has none.
Not seen are names that are put together as text (``globals()[name]``), the environment, the clock, and functions of
trusted packages that somebody replaces.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import sys
import types
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from quickstudy.errors import UserError
from quickstudy.inner.twins import global_hooks, is_filled

PLAIN = (int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.memory_format, range)
TRUSTED = ("torch", "quickstudy", "builtins", "math", "functools", "operator", "collections", "typing", "numpy", "enum")
"""Packages whose functions and classes are known by their name."""
OWN = {"_parameters", "_buffers", "_modules"}
EMPTY = {dict, collections.OrderedDict, list, set, type(None), bool}
"""What of a module's private attributes is left out where there is nothing in it, as in hooks that there are not."""


class _Row(NamedTuple):
    place: int


PLACES = types.MemberDescriptorType, type(vars(_Row)["place"])
"""What a class has in the places of slots, and of a row's names."""


class UnknownError(UserError):
    """There is something of which it cannot be said what it does."""


def fingerprint(thing: Any, kept: list[Any]) -> Hashable:
    """Of a module, function or value; what is known by its identity alone is put into ``kept``, to be kept alive.

    Parameters of a module that are trained count by their place in it and their shape: they are the tensors that may
    change. All other tensors are known by their identity. Raises UnknownError.
    """
    if global_hooks():
        raise UnknownError("hooks for all modules may change what is computed without being seen. Remove them.")
    reader = _Reader(kept, thing if isinstance(thing, nn.Module) else None)
    return reader.read(thing) if reader.root is None else reader.tree(reader.root)


class _Reader:
    def __init__(self, kept: list[Any], root: nn.Module | None) -> None:
        self.kept, self.root, self.open = kept, root, set[int]()
        self.classes: dict[type, Hashable] = {}
        self.places: dict[int, int] | None = None

    def read(self, thing: Any) -> Hashable:
        kind: Any = type(thing)
        if kind in _PLAIN_KINDS:
            return kind, thing
        if kind is nn.Parameter and thing.requires_grad:
            return self._trained(thing)
        if id(thing) in self.open:  # a function that calls itself
            return "open"
        self.open.add(id(thing))
        try:
            return _branch(kind)(self, thing)
        finally:
            self.open.discard(id(thing))

    def tree(self, module: nn.Module) -> Hashable:
        """A module whose parameters are swapped for others: the root, or a part of it."""
        if isinstance(module, torch.jit.ScriptModule):
            return self._unknown(module)
        self.open.add(id(module))
        trained = [
            (name, value.shape, value.dtype, value.device)
            if value is not None and value.requires_grad
            else (name, self.read(value))
            for name, value in module._parameters.items()
        ]
        inside = [(name, None if part is None else self.tree(part)) for name, part in module._modules.items()]
        found = *self._settings(module), tuple(trained), tuple(inside)
        self.open.discard(id(module))
        return found

    def _trained(self, parameter: nn.Parameter) -> Hashable:
        """One that is met elsewhere than in its place: which it is of the root's, or that it is none of them."""
        if self.places is None:
            every = self.root.parameters() if self.root is not None else ()
            self.places = {id(value): number for number, value in enumerate(every)}
        place = self.places.get(id(parameter))
        return self._tensor(parameter) if place is None else (nn.Parameter, place, parameter.shape, parameter.dtype)

    def _plain(self, thing: Any) -> Hashable:
        return type(thing), thing, self._more(thing)

    def _more(self, thing: Any) -> Hashable:
        """What somebody's own number, text or container is beside that: its class, and attributes."""
        kind = type(thing)
        return () if _trusted(kind) else (self._class(kind), self._mapping(getattr(thing, "__dict__", {})))

    def _method(self, method: types.MethodType) -> Hashable:
        return self.read(method.__func__), self.read(method.__self__)

    def _partial(self, partial: functools.partial[Any]) -> Hashable:
        return self.read(partial.func), self.read(partial.args), self.read(partial.keywords)

    def _row(self, row: tuple[Any, ...] | list[Any]) -> Hashable:
        return type(row), tuple(map(self.read, row)), self._more(row)

    def _set(self, values: set[Any] | frozenset[Any]) -> Hashable:
        return type(values), frozenset(map(self.read, values)), self._more(values)

    def _mapping(self, mapping: Mapping[Any, Any]) -> Hashable:
        made = self.read(mapping.default_factory) if isinstance(mapping, collections.defaultdict) else None
        inside = tuple([(self.read(name), self.read(value)) for name, value in mapping.items()])
        return type(mapping), inside, made, self._more(mapping)

    def _dataclass(self, thing: Any) -> Hashable:
        names = [field.name for field in dataclasses.fields(thing)]
        more = [name for name in getattr(thing, "__dict__", ()) if name not in names]
        inside = tuple([(name, self.read(getattr(thing, name, _Reader))) for name in (*names, *more)])
        return self.read(type(thing)), inside

    def _array(self, array: Any) -> Hashable:
        if array.dtype.hasobject:
            return self._unknown(array)
        return type(array), array.shape, str(array.dtype), array.tobytes()

    def _object(self, thing: Any) -> Hashable:
        """Of a known make; what it is made of may change."""
        made_of = getattr(thing, "__dict__", None)
        return self._same(thing) if not made_of else (type(thing), self._mapping(made_of))

    def _builtin(self, function: Any) -> Hashable:
        return self._unknown(function) if function.__module__ == "time" else self._same(function)

    def _unknown(self, thing: Any) -> Hashable:
        kind: Any = type(thing)
        raise UnknownError(
            f"{kind.__module__}.{kind.__qualname__} may change what is computed without being seen. A recorded loss "
            f"and module may depend on numbers, tensors, functions, dataclasses, and lists, tuples and dicts of these."
        )

    def _same(self, thing: Any) -> Hashable:
        self.kept.append(thing)
        return "same", id(thing)

    def _tensor(self, tensor: Tensor) -> Hashable:
        return self._same(tensor), tensor.stride(), tensor.storage_offset()

    def _module(self, module: nn.Module) -> Hashable:
        """One that is no part of the root."""
        read = self.read
        inside = [
            tuple([(name, read(value)) for name, value in there.items()]) if there else ()
            for there in (module._parameters, module._modules)
        ]
        return *self._settings(module), *inside

    def _settings(self, module: nn.Module) -> tuple[Hashable, ...]:
        """All but its parameters and parts."""
        read = self.read
        settings = [  # lists, for generators take longer than what they give
            (name, value if type(value) in _AT_SIGHT else read(value))
            for name, value in vars(module).items()
            # hooks that there are not make up most of a module
            if name not in OWN and (name[0] != "_" or type(value) not in EMPTY or value)
        ]
        buffers = tuple([(name, read(value)) for name, value in module._buffers.items()]) if module._buffers else ()
        return self._class(type(module)), tuple(settings), buffers

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
        mentioned, ours = _names(code), function.__globals__
        cells = tuple(
            [
                self._global(cell.cell_contents, mentioned) if is_filled(cell) else _Reader
                for cell in function.__closure__ or ()
            ]
        )
        more = self._mapping(function.__dict__) if function.__dict__ else ()
        made = self.read(function.__defaults__), self.read(function.__kwdefaults__), more
        if _of_trusted(ours.get("__name__")):
            return code, cells, made
        # a name that is no global may be imported inside
        used = [(name, ours[name] if name in ours else sys.modules.get(name)) for name in mentioned]
        found = tuple([(name, self._global(value, mentioned)) for name, value in used if value is not None])
        return code, cells, made, found

    def _global(self, value: Any, mentioned: Sequence[str]) -> Hashable:
        """Of a module of somebody's own, what may be taken from it."""
        if not isinstance(value, types.ModuleType):
            return self.read(value)
        if _of_trusted(value.__name__) or value.__name__.split(".")[0] in sys.stdlib_module_names:
            return self._same(value)
        if id(value) in self.open:
            return "open"
        self.open.add(id(value))
        inside = vars(value)
        found = tuple([(name, self._global(inside[name], mentioned)) for name in mentioned if name in inside])
        self.open.discard(id(value))
        return found


@functools.lru_cache(maxsize=1024)
def _branch(kind: Any) -> Callable[[_Reader, Any], Hashable]:
    """How a thing of this kind is read."""
    for bases, method in (
        (type, _Reader._class),
        ((*PLAIN, enum.Enum), _Reader._plain),
        (types.ModuleType, _Reader._same),
        (types.BuiltinFunctionType, _Reader._builtin),
        (Tensor, _Reader._tensor),
        (torch.jit.ScriptModule, _Reader._unknown),
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
    drawn_from = issubclass(kind, (torch.Generator, Iterator, memoryview)) or kind.__module__.startswith("numpy.random")
    drawn_from |= kind in (type({}.values()), type({}.keys()), type({}.items()))
    return _Reader._object if _trusted(kind) and not drawn_from else _Reader._unknown


_PLAIN_KINDS = {bool, *PLAIN}
_AT_SIGHT = {bool, str, type(None)}


def _trusted(thing: Any) -> bool:
    return _of_trusted(getattr(thing, "__module__", None))


@functools.lru_cache(maxsize=4096)
def _of_trusted(module: str | None) -> bool:
    return str(module).split(".")[0] in TRUSTED


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
    return described or name.startswith("_abc_") or isinstance(written, PLACES)


@functools.lru_cache(maxsize=4096)
def _names(code: types.CodeType) -> tuple[str, ...]:
    """Global names that the code or the functions written inside it mention."""
    inside = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _names(part)]
    return tuple(dict.fromkeys([*code.co_names, *inside]))
