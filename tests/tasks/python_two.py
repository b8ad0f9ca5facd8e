"""Pickles as Python 2 wrote them, byte by byte: those of the archives of CIFAR."""

import struct
from typing import Any

import numpy as np


def text(value: str | bytes) -> bytes:
    """As Python 2 pickles a str."""
    content = value.encode() if isinstance(value, str) else value
    short = len(content) < 256
    return (b"U" + bytes([len(content)]) if short else b"T" + struct.pack("<i", len(content))) + content


def whole(value: int) -> bytes:
    """As protocol 2 pickles a small int."""
    for code, kind, most in ((b"K", "<B", 1 << 8), (b"M", "<H", 1 << 16)):
        if 0 <= value < most:
            return code + struct.pack(kind, value)
    return b"J" + struct.pack("<i", value)


class Memo:
    """Numbers the objects that Python 2 would keep for later, from 1."""

    count = 0

    def put(self) -> bytes:
        self.count += 1
        return b"q" + bytes([self.count]) if self.count < 256 else b"r" + struct.pack("<i", self.count)


def array(content: np.ndarray[Any, Any], memo: Memo) -> bytes:
    """As NumPy under Python 2 pickles an array of bytes."""
    start = b"cnumpy.core.multiarray\n_reconstruct\n" + memo.put() + b"cnumpy\nndarray\n" + memo.put()
    start += whole(0) + b"\x85" + memo.put() + text("b") + b"\x87" + memo.put() + b"R" + memo.put()
    shape = b"".join(map(whole, content.shape)) + {1: b"\x85", 2: b"\x86", 3: b"\x87"}[content.ndim] + memo.put()
    kind = b"cnumpy\ndtype\n" + memo.put() + text("u1") + whole(0) + whole(1) + b"\x87" + memo.put() + b"R" + memo.put()
    kind += b"(" + whole(3) + text("|") + b"NNN" + 2 * whole(-1) + whole(0) + b"t" + memo.put() + b"b"
    state = b"(" + whole(1) + shape + kind + b"\x89" + text(content.tobytes()) + b"t" + memo.put() + b"b"
    return start + state


def old(content: dict[str, Any]) -> bytes:
    """``content`` as the files of CIFAR-100 are: protocol 2 of Python 2."""
    memo = Memo()
    made = b"\x80\x02}" + memo.put() + b"("
    for key, value in content.items():
        made += text(key) + memo.put()
        if isinstance(value, list):
            items = b"".join(whole(item) if isinstance(item, int) else text(item) + memo.put() for item in value)
            made += b"]" + memo.put() + b"(" + items + b"e"
        else:
            made += array(value, memo) if isinstance(value, np.ndarray) else text(value) + memo.put()
    return made + b"u."
