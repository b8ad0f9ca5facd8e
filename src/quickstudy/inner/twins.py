"""A copy of a module tree that shares every tensor, whose parameters can be swapped while others use the first."""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_GLOBAL = [value for name, value in vars(torch.nn.modules.module).items() if name.startswith("_global_")]


class Shared(TorchFunctionMode):
    """Within it a copy of a tensor is that tensor."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func is Tensor.__deepcopy__ else func(*args, **(kwargs or {}))


def twin(module: nn.Module) -> nn.Module:
    """A copy of the module tree that shares every parameter, buffer and other tensor."""
    shared = {id(value): value for value in (*module.parameters(), *module.buffers(), *_elsewhere(module))}
    with Shared():
        return copy.deepcopy(module, memo=shared)


def calls_itself(module: nn.Module, losses: bool = False) -> str:
    """The path of an attribute of ``module`` that is a function over a part of it, as ``lambda z: self.fc(z)``; or "".

    In a twin it would still be over the first module, whose parameters are not the twin's when they are swapped. With
    ``losses`` also those that this library was given and holds; where nothing is swapped they may look at the net.
    """
    parts = {id(part) for part in module.modules()}
    for path, part in module.named_modules():
        if not losses and type(part).__module__.startswith("quickstudy."):
            continue
        for name, value in vars(part).items():
            if any(_is_over(one, parts) for one in (value.values() if isinstance(value, Mapping) else (value,))):
                return f"{path}.{name}" if path else name
    return ""


def _is_over(value: Any, parts: set[int], depth: int = 3) -> bool:
    """Whether a function has one of ``parts`` in its closure or defaults."""
    if not isinstance(value, types.FunctionType):
        return False
    held = [cell.cell_contents for cell in value.__closure__ or () if is_filled(cell)]
    inside = [one for each in (*held, *(value.__defaults__ or ())) for one in _inside(each)]
    return any(id(one) in parts or (depth > 0 and _is_over(one, parts, depth - 1)) for one in inside)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.values()]
    return [*value] if isinstance(value, list | tuple | set) else [value]


def is_filled(cell: types.CellType) -> bool:
    """Whether there is something in the cell of a closure."""
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a function that is not there yet
        return False


def _elsewhere(module: nn.Module) -> Iterator[Tensor]:
    """Parameters and buffers that the parts hold without having registered them, as in a list."""
    for part in module.modules():
        for name, value in vars(part).items():
            if name not in ("_parameters", "_buffers", "_modules"):
                for one in _inside(value):
                    if isinstance(one, nn.Parameter):
                        yield one
                    elif isinstance(one, nn.Module):
                        yield from (*one.parameters(), *one.buffers())


def global_hooks() -> bool:
    """Whether PyTorch was given hooks for the modules of everybody."""
    return any(_GLOBAL)
