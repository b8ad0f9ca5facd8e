"""Whether a meta-gradient fits into the memory that there is, known before it is taken (peak.py)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.utils import _pytree as pytree

from quickstudy.devices import room
from quickstudy.errors import UserError
from quickstudy.inner.peak import peak_bytes
from quickstudy.inner.trees import size

SURE = 5_000
"""Times its inputs and parameters that a task never takes in an inner step: what fits even so is not looked at."""
BESIDE = 2.0
"""Times what its tensors take that a computation takes on a CPU: convolutions lay them out once more, and not all that
was freed is of use for what comes. For 20-way tasks of Omniglot, one by one, 1.3 to 1.9 times were measured."""
AHEAD = 64_000_000
"""Bytes that a process takes in time beside its computations: stacks of threads, what is freed in pieces too small for
what comes. 44 million were measured."""
Shapes = tuple[tuple[Any, ...], ...]
PEAKS: dict[Hashable, dict[Shapes, int | None]] = {}
"""Bytes of the tasks that are looked at together, by what they depend on beside their shapes, and by those."""


def check(
    module: nn.Module,
    batch: Any,
    compute: Callable[[nn.Module, Any], object],
    at_once: int,
    together: int,
    ways: dict[str, int],
    ahead: bool,
) -> None:
    """UserError if ``at_once`` of the tasks in ``batch`` [T] would not fit into the memory of their device.

    ``compute(module, batch)`` is what is done with the first ``together`` of them, as many times at once as that makes
    ``at_once``. There are other ``ways`` to batch them, each with its number at once. What looks at numbers cannot be
    gone through without them, and is let pass. ``ahead`` of many calls, ``AHEAD`` bytes are to stay free, unless tasks
    are taken one by one anyway.
    """
    tasks, leaves = size(batch), [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor)]
    state = [*module.parameters(), *module.buffers()]
    device = (state or leaves)[0].device
    there, whose = room(device)
    there -= AHEAD if ahead and at_once > 1 else 0
    one_task = sum(leaf.nbytes for leaf in leaves) / tasks + sum(value.nbytes for value in state)
    if at_once * SURE * one_task < there:
        return
    rest = tasks * sum(value.nbytes for value in module.parameters() if value.requires_grad)
    times = (BESIDE if device.type == "cpu" else 1.0) * at_once / together
    some = pytree.tree_map(lambda leaf: leaf[:together], batch)
    needed = 0.0
    for peak in peaks(module, some, compute, together):
        needed = rest + times * (peak or 0)
        if peak is None or needed <= there:
            return
    each = (needed - rest) / at_once
    fits = int((there - rest) // max(each, 1))
    fitting = [f"{way} ({number} at once)" for way, number in ways.items() if number <= min(fits, at_once - 1)]
    if fits > 0:
        advice = f"{fits} at once would fit: hand over {fits} a call and take the mean"
        advice += f", or batch them as {' or '.join(fitting)}" if fitting else ""
    elif together > 1:
        advice = "not even one at once would fit in a vectorised call: batch them as threads or loop"
    else:
        advice = "not even one at once would fit: take fewer inner steps, a smaller net or fewer examples"
    raise UserError(
        f"{at_once} of {tasks} tasks at once take about {needed / 1e9:.1f} GB, {each / 1e9:.2f} GB each, and {whose} "
        f"{there / 1e9:.1f} GB. {advice}; or take gradient=recomputed, which keeps next to nothing of a step."
    )


def peaks(
    module: nn.Module, batch: Any, compute: Callable[[nn.Module, Any], object], together: int
) -> Iterator[int | None]:
    """Bytes that are not less than what ``compute(module, batch)`` takes, ever nearer to it: those of larger tasks that
    were looked at before come first, for a look takes as long as some meta-steps."""
    settings = ("steps", "gradient", "config")
    leaves = [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor)]
    parts = tuple((type(part), *(repr(getattr(part, name, None)) for name in settings)) for part in module.modules())
    state = tuple((value.shape, value.dtype) for value in [*module.parameters(), *module.buffers()])
    known = PEAKS.setdefault((parts, state, tuple(leaf.dtype for leaf in leaves), together), {})
    shapes = tuple(tuple(leaf.shape) for leaf in leaves)
    if shapes not in known:
        yield from (peak for other, peak in known.items() if peak is not None and holds(other, shapes))
        known[shapes] = peak_bytes(compute, module, batch)
    yield known[shapes]


def holds(other: Shapes, shapes: Shapes) -> bool:
    """Whether tensors of shapes ``other`` are in no direction shorter."""
    return all(
        len(one) == len(two) and all(a >= b for a, b in zip(one, two, strict=True))
        for one, two in zip(other, shapes, strict=True)
    )
