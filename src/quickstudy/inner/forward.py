"""Forward-mode derivatives for meta-gradients."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from torch.func import jvp
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from quickstudy.errors import UserError
from quickstudy.nets.fused import unfused

Tree = TypeVar("Tree")
Result = TypeVar("Result")
ONE_AT_A_TIME = threading.Lock()
"""PyTorch has one stack of forward-mode levels for all threads."""
_mode = threading.local()
LACKING = re.compile(r"forward AD with (\w+)")


class MeanOfSquares(TorchFunctionMode):
    """Within it ``mse_loss`` is the mean of its terms: the forward-mode derivative of the gradient of PyTorch's own
    mean fails, for it writes into a tangent of zeros."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is F.mse_loss and given.get("reduction", "mean") == "mean" and given.get("weight") is None:
            return func(*args, **given | {"reduction": "none"}).mean()
        return func(*args, **given)


@contextlib.contextmanager
def refused(by: str) -> Iterator[None]:
    """Within it, in this thread, a forward-mode derivative is a UserError that says ``by`` what it cannot be had."""
    _mode.refused = by
    try:
        yield
    finally:
        _mode.refused = ""


def derivative(function: Callable[[Tree], Result], point: Tree, direction: Tree) -> Result:
    """Derivative of ``function`` at ``point`` along ``direction``.

    Raises UserError for an operation that PyTorch has no forward-mode formula for.
    """
    if by := getattr(_mode, "refused", ""):
        raise UserError(
            f"{by} cannot hold forward-mode derivatives, as mixed and implicit gradients take "
            f"them. Batch the tasks in another way, or use recomputed in place of mixed."
        )
    # a tangent is laid out like its primal, which an expanded tensor has no room for
    whole = pytree.tree_map(lambda leaf: leaf.contiguous(), point)
    try:
        with ONE_AT_A_TIME, unfused(), MeanOfSquares():
            pair = jvp(function, (whole,), (direction,))
    except NotImplementedError as error:
        lacking = LACKING.search(str(error))
        what = lacking[1] if lacking else "an operation"
        raise UserError(
            f"this meta-gradient needs the forward-mode derivative of {what}, which PyTorch does not have. Use "
            f"recomputed, which needs as little memory."
        ) from error
    tangent: Result = pair[1]
    return tangent
