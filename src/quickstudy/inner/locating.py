"""Which part of a net a pass goes wrong in, found by one more pass that is looked at closely.

PyTorch's own errors say what went wrong and not where: a value that was written over is missed only on the way back,
and a product of matrices that do not fit does not know to which layer they belong.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from quickstudy.inner.swapped import called

Net = Callable[..., Any]
Loss = Callable[[Net, Any], Any]
Passes = dict[str, tuple[Loss, Any]]
"""What is computed: a loss and its batch, by what that batch is."""


class Look(TorchFunctionMode):
    """What is seen of a pass through ``module``."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.open: list[tuple[str, nn.Module, Any]] = []
        """The parts that are being gone through, outermost first, and what they were given."""
        self.kept: list[tuple[Tensor, int]] = []
        """What derivatives need, each with the number of times that it had been written to."""
        self.written: str | None = None
        """Where the first of these was written over."""
        self.error: Exception | None = None
        """What ended the pass."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.written is None and any(value._version != version for value, version in self.kept):
            self.written = self.where()
        return result

    def keep(self, value: Tensor) -> Tensor:
        """As a hook of autograd for what it keeps."""
        self.kept.append((value, value._version))
        return value

    def where(self) -> str:
        """The innermost part that is being gone through."""
        if not self.open:
            return "the loss"
        path, part, _ = self.open[-1]
        return f"{path or 'the module'} ({type(part).__name__})"

    def shapes(self) -> str:
        """Of what the innermost part was given, and of its own parameters."""
        _, part, given = self.open[-1]
        own = dict(part.named_parameters(recurse=False))
        typed = len({leaf.dtype for leaf in _tensors((given, own))}) > 1
        found = [f"was given {described(given, typed) or 'no tensor'}"]
        return ", ".join(found + [f"its {name} is {described(value, typed)}" for name, value in own.items()])

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        """Parts say when they are entered and left; one that an error leaves stays open."""
        handles = []
        for path, part in self.module.named_modules():

            def enter(part: nn.Module, args: Any, kwargs: Any, path: str = path) -> None:
                self.open.append((path, part, (*args, *kwargs.values())))

            handles.append(part.register_forward_pre_hook(enter, with_kwargs=True))
            handles.append(part.register_forward_hook(lambda *_: self.open.pop() and None))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def look(module: nn.Module, loss: Loss, batch: Any) -> Look:
    """``loss`` of ``batch`` once more, as far as it goes."""
    seen = Look(module)
    own = {name: value.detach().requires_grad_(value.is_floating_point()) for name, value in module.named_parameters()}
    hooks = torch.autograd.graph.saved_tensors_hooks(seen.keep, lambda value: value)
    with torch.enable_grad(), seen.hooked(), hooks, seen:
        try:
            loss(lambda *args, **kwargs: called(module, own, args, kwargs), batch)
        except Exception as error:
            seen.error = error
    return seen


def described(tree: Any, typed: bool = True) -> str:
    """The shapes of the tensors in ``tree``, and their types."""
    kinds = (f" {str(leaf.dtype).removeprefix('torch.')}" if typed else "" for leaf in _tensors(tree))
    return ", ".join(f"{list(leaf.shape)}{kind}" for leaf, kind in zip(_tensors(tree), kinds, strict=True))


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]
