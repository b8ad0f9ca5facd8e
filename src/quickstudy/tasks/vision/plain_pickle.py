"""Reading a pickle that holds plain data, without running it.

The archives of CIFAR are pickles, and unpickling a file executes whatever it says. Here its operations are interpreted
one by one: numbers, text, bytes, lists, tuples, dicts with text as keys, and NumPy arrays of bytes are made, and the
first operation that asks for anything else ends the reading. The operations are those of Python's pickletools.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pickletools import genops
from typing import IO, Any, NamedTuple

import numpy as np

VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
STORES = {"PUT", "BINPUT", "LONG_BINPUT"}
FETCHES = {"GET", "BINGET", "LONG_BINGET"}


class _Name(NamedTuple):
    """Something that the pickle would import."""

    module: str
    name: str


class _Bytes:
    """An array, or the type of one, that is being described."""

    array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None = None


ARRAY, TYPE, ENCODE = _Name("numpy", "ndarray"), _Name("numpy", "dtype"), _Name("_codecs", "encode")
MAKERS = {_Name("numpy.core.multiarray", "_reconstruct"), _Name("numpy._core.multiarray", "_reconstruct")}


def read(file: IO[bytes]) -> dict[str, Any]:
    """The dict in ``file``, its arrays of bytes as NumPy's. Raises ValueError for anything but plain data."""
    machine = _Machine()
    try:
        for operation, argument, _ in genops(file):
            machine.step(operation.name, argument)
        (value,) = machine.stack
    except (IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"it is no pickle of plain data ({error})") from error
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__}, not a dict")
    return {key: one.array if isinstance(one, _Bytes) else one for key, one in value.items()}


class _Machine:
    """The stack, the stacks below the open marks, and what was kept for later."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.kept: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in VALUES:
            stack.append(argument)
        elif name in STORES:
            self.kept[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            self.kept[len(self.kept)] = stack[-1]
        elif name in FETCHES:
            stack.append(self.kept[int(argument)])
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name]())
        elif name in TUPLES:
            stack.append(tuple(self._last(TUPLES[name])))
        elif name == "MARK":
            self.below.append(stack)
            self.stack = []
        elif name not in ("PROTO", "FRAME", "STOP"):
            self._compound(name, argument)

    def _compound(self, name: str, argument: Any) -> None:
        if name == "TUPLE":
            self._push(tuple(self._marked()))
        elif name == "LIST":
            self._push(self._marked())
        elif name == "DICT":
            self._push({})
            self._fill(self._marked_below())
        elif name == "APPEND":
            (item,) = self._last(1)
            _a(list, self.stack[-1]).append(item)
        elif name == "APPENDS":
            items = self._marked()
            _a(list, self.stack[-1]).extend(items)
        elif name == "SETITEM":
            self._fill(self._last(2))
        elif name == "SETITEMS":
            self._fill(self._marked())
        elif name == "GLOBAL":
            self._push(_Name(*argument.split(" ")))
        elif name == "STACK_GLOBAL":
            self._push(_Name(*self._last(2)))
        elif name == "REDUCE":
            maker, arguments = self._last(2)
            self._push(_made(maker, arguments))
        elif name == "BUILD":
            (state,) = self._last(1)
            _describe(_a(_Bytes, self.stack[-1]), state)
        else:
            raise ValueError(f"it asks for {name}")

    def _push(self, value: Any) -> None:
        self.stack.append(value)

    def _last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("it takes what it has not made")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _marked(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _marked_below(self) -> list[Any]:
        """What was marked, where its dict has been put on top of it."""
        made = self.stack.pop()
        items = self._marked()
        self._push(made)
        return items

    def _fill(self, items: list[Any]) -> None:
        target = _a(dict, self.stack[-1])
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_a(str, key)] = value


def _a(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"a {type(value).__name__} stands where a {kind.__name__} belongs")
    return value


def _made(maker: Any, arguments: tuple[Any, ...]) -> Any:
    """What a call would give; only those that NumPy writes for an array of bytes are known."""
    if maker in MAKERS and arguments[0] == ARRAY:
        return _Bytes()
    if maker == TYPE and arguments[0] in ("u1", b"u1"):
        return _Bytes()
    if maker == ENCODE and arguments[1] in ("latin1", "latin-1"):
        return _a(str, arguments[0]).encode("latin-1")
    raise ValueError(f"it calls {maker} with {str(arguments)[:80]}")


def _describe(target: _Bytes, state: tuple[Any, ...]) -> None:
    """Give an array its shape and bytes; the byte order of bytes means nothing."""
    if state[1] in ("|", b"|"):
        return
    _, shape, kind, columns_first, content = state
    _a(_Bytes, kind)
    content = content.encode("latin-1") if isinstance(content, str) else _a(bytes, content)
    if math.prod(shape) != len(content):
        raise ValueError(f"an array of shape {shape} has {len(content)} bytes")
    flat = np.frombuffer(content, np.uint8)
    target.array = flat.reshape(shape, order="F" if columns_first else "C")
