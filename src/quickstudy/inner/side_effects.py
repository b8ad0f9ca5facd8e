"""What a step may not do, seen by letting it: draw from PyTorch's own random numbers, or write into the module or data.

A step is taken for many tasks, and for some kinds of meta-gradient taken again. What it drew would not be drawn again,
and what it wrote would be there for the next: both give numbers that are wrong without a word.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from quickstudy.errors import UserError
from quickstudy.inner.locating import Look, Passes, described, look
from quickstudy.inner.reverse import inside_transform


def can_be_seen() -> bool:
    """Whether tensors are what they seem here, and not stand-ins for those of many tasks or of a translation."""
    return not inside_transform() and not torch.compiler.is_compiling()


@contextmanager
def watched(module: nn.Module, passes: Passes) -> Iterator[None]:
    """UserError if what runs inside, which is ``passes``, did what no step may do, or could not be done.

    That is to have drawn random numbers, or written into a buffer of ``module``, into a batch, or over what a
    derivative needs. Where it fails ``passes`` are gone through once more to say in which part. Buffers are given back
    the values that they had.
    """
    if not can_be_seen():
        yield
        return
    drawn, others = _streams(module), _other_streams()
    buffers = {name: (value, value._version, value.clone()) for name, value in module.named_buffers()}
    given = [
        (f"{name}{pytree.keystr(path)}", leaf, leaf._version)
        for name, (_, batch) in passes.items()
        for path, leaf in pytree.tree_leaves_with_path(batch)
        if _is_plain(leaf)
    ]
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        _put_back(buffers)
        if (said := _explained(module, passes, error)) is None:
            raise
        raise UserError(said) from error
    if written := _put_back(buffers):
        raise UserError(
            f"the forward pass writes into {', '.join(written)}, a buffer of {type(module).__name__}, which would be "
            f"the same for all tasks and steps. Put that part into .eval(), or leave the buffer as it is."
        )
    if changed := [name for name, leaf, version in given if leaf._version != version]:
        raise UserError(
            f"the forward pass writes into its input ({changed[0]}). Write x = x + ... in place of x += ..., and "
            f"inplace=False in its layers."
        )
    if any(not torch.equal(one, other) for one, other in zip(drawn, _streams(module), strict=True)) or (
        others != _other_streams()
    ):
        raise UserError(
            f"the loss or {type(module).__name__} draws random numbers (as F.dropout and torch.rand do) that cannot be "
            f"drawn again for a derivative or another task. Use nn.Dropout and a key, or draw them before and hand "
            f"them over in the batch."
        )


def _put_back(buffers: dict[str, tuple[Tensor, int, Tensor]]) -> list[str]:
    """Names of the buffers that were written into, which now have their values from before."""
    written = [name for name, (value, version, _) in buffers.items() if value._version != version]
    with torch.no_grad():
        for name in written:
            value, _, before = buffers[name]
            value.copy_(before)
    return written


def _explained(module: nn.Module, passes: Passes, error: Exception) -> str | None:
    """What ``error`` of a pass comes from; None for one that says it, or that no pass has."""
    if isinstance(error, UserError):
        return None
    in_place = bool({"in-place", "inplace"} & {*str(error).split()})
    for name, (loss, batch) in passes.items():
        seen = look(module, loss, batch)
        if in_place and (seen.written or seen.error):
            return _in_place(seen.written or seen.where())
        if type(seen.error) is type(error):
            return _misfit(seen, name, batch)
    return _in_place(f"the forward pass of {type(module).__name__}") if in_place else None


def _in_place(where: str) -> str:
    return (
        f"{where} writes in place, into a buffer, its input or a value that a derivative needs. Write x = x + ... in "
        f"place of x += ..., and inplace=False in its layers."
    )


def _misfit(seen: Look, name: str, batch: Any) -> str:
    shown, into = described(batch), f", which {seen.shapes()}" if seen.open else ""
    return (
        f"the {name}{f' of {shown}' if shown else ''} does not go through {seen.where()}{into}: "
        f"{str(seen.error).rstrip('.')}. Hand over what the net and the loss take, or build them for this."
    )


def _is_plain(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and not leaf.is_inference()


def _streams(module: nn.Module) -> list[Tensor]:
    """The states of the generators that a pass through ``module`` could draw from."""
    devices = {value.device for value in module.parameters() if value.is_cuda}
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices)]


def _other_streams() -> tuple[object, bytes, int]:
    """Of Python and of NumPy."""
    _, words, position, *_ = np.random.get_state()
    return random.getstate(), np.asarray(words).tobytes(), int(position)
