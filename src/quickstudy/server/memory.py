"""What is kept at hand, least recently used first to go, within so many bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """Values by key; may be used by several threads."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.bytes = most_bytes, 0
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """The value, which is now the last to go."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep ``value`` of ``size`` bytes, unless it is too large for this."""
        with self._lock:
            self._forget(key)
            if size > self.most_bytes:
                return
            self._values[key] = (value, size)
            self.bytes += size
            while self.bytes > self.most_bytes:
                self._forget(next(iter(self._values)))

    def forget(self, key: Hashable) -> None:
        """Nothing is kept for ``key``."""
        with self._lock:
            self._forget(key)

    def __len__(self) -> int:
        return len(self._values)

    def _forget(self, key: Hashable) -> None:
        if key in self._values:
            self.bytes -= self._values.pop(key)[1]
