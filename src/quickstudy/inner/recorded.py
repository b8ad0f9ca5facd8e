"""A vectorised meta-gradient written down once, operation by operation, and then played back.

For small nets nearly all the time of a meta-step is spent on deciding what to do: Python, vmap and autograd take five
times as long as the arithmetic. Which operations they end up with depends on shapes and settings alone, so one run is
recorded as a flat list of tensor operations; chains of views in it become one view each, equal operations one. What
it depends on beside its tensors is compared before each playback (fingerprint.py).
"""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from quickstudy.devices import autocasts, on_threads
from quickstudy.errors import UserError
from quickstudy.inner import forward
from quickstudy.inner.capturing import capturable, captured
from quickstudy.inner.compiling import translated
from quickstudy.inner.interpreted import interpreted
from quickstudy.inner.simplified import simplify
from quickstudy.inner.tracing import traced

MOST = 16
"""Recordings that are kept; the oldest goes first."""
CHANGES = 4
"""Recordings for tensors of the same shapes, after which what keeps changing beside them is not recorded again."""
RECORDINGS: OrderedDict[tuple[Hashable, Hashable], Recording] = OrderedDict()
Function = Callable[..., Any]


class Recording:
    """``function(*trees)`` as it ran once, for trees of tensors of the same shapes and layouts."""

    def __init__(self, function: Function, trees: tuple[Any, ...], kept: list[Any]) -> None:
        self.kept = kept
        leaves, spec = pytree.tree_flatten(trees)
        out: list[pytree.TreeSpec] = []

        def flat(*leaves: Tensor) -> list[Tensor]:
            values, found = pytree.tree_flatten(function(*pytree.tree_unflatten(list(leaves), spec)))
            out.append(found)
            return values

        with warnings.catch_warnings(), forward.refused("a recording"):  # they bring PyTorch's tracer down
            warnings.simplefilter("ignore")
            graph, held, self.decided = traced(flat, leaves)
        simplify(graph)
        self.graph = fx.GraphModule(held, graph)
        self.out = pytree.tree_unflatten(list(range(out[-1].num_leaves)), out[-1])
        """What ``function`` gives, with the number of each tensor in its place."""
        self.plays: dict[bool, Function] = {}
        """How it is played: as it is, and translated."""
        self.threads = torch.get_num_threads() if capturable(leaves) else _threads(self.graph, leaves)

    @property
    def holds(self) -> bool:
        """Whether what decided what is done is as it was."""
        return all(value._version == version for value, version in self.decided)

    def __call__(self, leaves: list[Tensor], compiled: bool) -> Any:
        with torch.no_grad(), _limited(self.threads):
            if compiled not in self.plays:
                self.plays[compiled] = self._play(leaves, compiled)
            return _filled(self.out, self.plays[compiled](*leaves))

    def _play(self, leaves: list[Tensor], compiled: bool) -> Function:
        if not capturable(leaves):
            return translated(self.graph, leaves) if compiled else interpreted(self.graph)
        # Python plays this a few times only, and TorchScript would make kernels of its own for a GPU
        return captured(translated(self.graph, leaves) if compiled else self.graph.forward, leaves)


def replay(
    function: Function,
    trees: tuple[Any, ...],
    known: Hashable,
    kept: list[Any],
    before: Callable[[], None],
    compiled: bool = False,
) -> Any:
    """``function(*trees)``, recorded if it was not; ``known`` says what it depends on beside the tensors of ``trees``.

    With ``compiled`` the recording is translated to machine code (compiling.py), if it was not.

    ``before`` is called before anything is computed in another way than by playing a recording.
    What depends on other things in every call, an annealed rate for one, is called as it is after some recordings, and
    under autocast everything is.
    Raises UserError for a function that looks at the values of tensors to decide what to do.
    """
    if _halved():
        before()
        return function(*trees)
    leaves, key = _key(trees, known)
    recording = _kept(key)
    if recording is None:
        before()
        if sum(other == key[1] for _, other in RECORDINGS) == CHANGES:
            return function(*trees)
        try:
            recording = Recording(function, trees, kept)
        except (RuntimeError, TypeError, AttributeError, NotImplementedError) as error:
            raise UserError(
                f"this cannot be recorded ({str(error).splitlines()[0] if str(error) else type(error).__name__}). "
                f"Batch the tasks in another way: vmap, threads or loop."
            ) from error
        RECORDINGS[key] = recording
        if len(RECORDINGS) > MOST:
            RECORDINGS.popitem(last=False)
    return recording(leaves, compiled)


def play(trees: tuple[Any, ...], known: Hashable, compiled: bool) -> Any:
    """What ``replay`` gives if it has played this before, in the same way; None if not."""
    if _halved():
        return None
    leaves, key = _key(trees, known)
    recording = _kept(key)
    return recording(leaves, compiled) if recording is not None and compiled in recording.plays else None


def is_recorded(trees: tuple[Any, ...], known: Hashable) -> bool:
    """Whether ``replay`` would play."""
    return not _halved() and _kept(_key(trees, known)[1]) is not None


def _kept(key: tuple[Hashable, Hashable]) -> Recording | None:
    """The recording of that name, if it holds still."""
    recording = RECORDINGS.get(key)
    if recording is not None and not recording.holds:
        RECORDINGS.pop(key, None)
        return None
    return recording


def _key(trees: tuple[Any, ...], known: Hashable) -> tuple[list[Tensor], tuple[Hashable, Hashable]]:
    """The tensors of ``trees``, and what their recording is kept under."""
    leaves: list[Tensor] = []
    tree = form(trees, leaves)
    shapes = tree, tuple([(leaf.shape, leaf.stride(), leaf.dtype, leaf.device) for leaf in leaves])
    precision = torch.get_float32_matmul_precision()
    tf32 = precision != "highest" and torch.backends.cudnn.allow_tf32  # or else precise.py switches it off
    modes = torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled(), precision, tf32
    return leaves, ((known, modes), shapes)


def form(tree: Any, leaves: list[Tensor]) -> Hashable:
    """What ``tree`` is without its ``leaves``; PyTorch takes as long to say it as to play a small recording."""
    kind = type(tree)
    if kind is Tensor:
        leaves.append(tree)
        return None
    if kind is tuple or kind is list or hasattr(kind, "_fields"):
        return kind, *[form(part, leaves) for part in tree]
    if kind is dict:
        return (*tree, *[form(part, leaves) for part in tree.values()])
    found, spec = pytree.tree_flatten(tree)
    leaves += found
    return spec


def _filled(out: Any, values: Sequence[Tensor]) -> Any:
    """``out`` with each number replaced by the value of that number."""
    kind = type(out)
    if kind is int:
        return values[out]
    if kind is tuple:
        return tuple([_filled(part, values) for part in out])
    if kind is dict:
        return {name: _filled(part, values) for name, part in out.items()}
    return pytree.tree_map(values.__getitem__, out)


SMALL = 0.05
"""Seconds of one playback below which waking a second core may cost more than it gains."""


@torch.no_grad()
def _threads(play: Function, leaves: list[Tensor]) -> int:
    """The number of threads that plays fastest: all that PyTorch has, or one."""
    most = torch.get_num_threads()
    times = dict.fromkeys((most, 1), math.inf)
    for _ in range(5 if most > 1 else 0):
        for threads in times:
            with _limited(threads):
                start = time.perf_counter()
                play(*leaves)
                times[threads] = min(times[threads], time.perf_counter() - start)
        if times[most] > SMALL:
            return most
    return min(times, key=times.__getitem__)


def _limited(threads: int) -> contextlib.AbstractContextManager[None]:
    """At most so many threads within it."""
    return on_threads(min(threads, torch.get_num_threads()))


def _halved() -> bool:
    """Whether PyTorch chooses the precision of each operation, which it does not let itself be recorded doing."""
    return bool(autocasts())
