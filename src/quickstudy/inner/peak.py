"""How much memory a computation takes at its height, without taking it.

It is run on PyTorch's meta device, where tensors have shapes and no numbers. Every operation passes by here, also those
that vmap and autograd make of others, and the storages that are alive after each are added up.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from quickstudy.errors import UserError


def peak_bytes(compute: Callable[[nn.Module, Any], object], module: nn.Module, batch: Any) -> int | None:
    """Most bytes that tensors of ``compute(module, batch)`` hold at once, beside those two; None for what cannot be
    computed without numbers."""
    try:
        blank = without_numbers(module)
        empty = pytree.tree_map(lambda leaf: leaf.to("meta"), batch)
        with Alive() as alive:
            compute(blank, empty)
    except (RuntimeError, TypeError, UserError):
        return None
    return alive.most


def without_numbers(module: nn.Module) -> nn.Module:
    """A copy of the module tree whose parameters and buffers are on the meta device."""
    blank: dict[int, Any] = {id(value): value.detach().to("meta") for value in module.buffers()}
    for value in module.parameters():
        blank[id(value)] = nn.Parameter(value.detach().to("meta"), value.requires_grad)
    return copy.deepcopy(module, memo=blank)


class Alive(TorchDispatchMode):
    """Within it, what tensors of the meta device that are made hold together."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        """Bytes."""
        self._storages: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation as it is."""
        out = func(*args, **(kwargs or {}))
        for leaf in pytree.tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.device.type == "meta":
                self._count(leaf.untyped_storage())
        self.most = max(self.most, self.now)
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._storages:

            def gone(_: object) -> None:
                del self._storages[key]
                self.now -= size

            self._storages[key] = weakref.ref(storage, gone)
            self.now += size
