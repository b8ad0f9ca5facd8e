"""A module called with other parameters than its own.

PyTorch's ``functional_call`` swaps a tensor under each of its names. Where one module stands in two places that is the
same attribute twice, and the second time what is kept to be put back is the first one's replacement: the gradients are
wrong, and so is the module afterwards. Here every attribute has one name, and tied ones are named by their modules.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn
from torch.func import functional_call

from quickstudy.errors import UserError

_LOCK = threading.Lock()
_BUSY: WeakKeyDictionary[nn.Module, tuple[int, int]] = WeakKeyDictionary()
"""The thread that swaps a module's parameters, and how often it began to."""


@contextlib.contextmanager
def alone(module: nn.Module) -> Iterator[None]:
    """Within it this thread swaps parameters of ``module``; UserError where another does."""
    me = threading.get_ident()
    with _LOCK:
        thread, times = _BUSY.get(module, (me, 0))
        if thread == me:
            _BUSY[module] = me, times + 1
    if thread != me:
        raise UserError(
            f"another thread is adapting this {type(module).__name__}, whose parameters are swapped meanwhile. Give "
            "each thread a net of its own: copy.deepcopy(net)."
        )
    try:
        yield
    finally:
        with _LOCK:
            if times:
                _BUSY[module] = me, times
            else:
                del _BUSY[module]


def called(
    module: nn.Module, params: Mapping[str, Tensor], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
) -> Any:
    """``module(*args, **kwargs)`` with ``params`` in place of its own, also where they are tied to others."""
    return functional_call(module, _tied(module, params), args, kwargs, tie_weights=False)


def _tied(module: nn.Module, params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``params`` by all names that their tensors have, each attribute once."""
    found, first = dict(params), dict[int, str]()
    several: dict[str, list[str]] = {}
    for path, part in module.named_modules():
        for name, value in part._parameters.items():
            if value is not None:
                own = f"{path}.{name}" if path else name
                known = first.setdefault(id(value), own)
                if known is not own:
                    several.setdefault(known, [known]).append(own)
    for names in several.values():
        given = next((params[name] for name in names if name in params), None)
        if given is not None:
            found |= {name: given for name in names if name not in params}
    return found
