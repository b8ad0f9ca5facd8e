"""A recording translated to machine code by PyTorch's own compiler, which needs one for C++ on a CPU.

It merges neighbouring operations and calls the rest without Python: another factor of two to five where tensors are
small. Translating takes half a minute, and some seconds when the same was translated on this machine before.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx

from quickstudy.errors import UserError

Play = Callable[..., Sequence[Tensor]]


@torch.no_grad()
def translated(graph: fx.GraphModule, leaves: Sequence[Tensor]) -> Play:
    """What computes the same as ``graph`` for tensors like ``leaves``.

    Raises UserError where there is no compiler, or its code computes something else.
    """
    from torch import _inductor  # takes seconds

    # random numbers are those that would be drawn without it; on a CPU, Python is left out altogether
    on_cpu = all(leaf.device.type == "cpu" for leaf in leaves)
    expected = _seeded(graph, leaves)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options = {"fallback_random": True, "cpp_wrapper": on_cpu}
            # torch.compile would look at every tensor once more in each call, which takes as long as the arithmetic
            for node in graph.graph.nodes:
                node.meta.pop("val", None)  # what the recorder noted of each value, in a way that the compiler has not
            play: Play = _inductor.compile(graph, list(leaves), options=options)
            found = _seeded(play, leaves)
    except Exception as error:  # of any kind: mistakes of the compiler itself too leave the recording as it is
        raise UserError(
            f"this cannot be compiled ({str(error).splitlines()[0] if str(error) else type(error).__name__}). Is there "
            f"a C++ compiler (g++ or clang++, and Python's headers)? Without one take recorded, or another way of "
            f"batching."
        ) from error
    if not all(map(_alike, found, expected)):
        raise UserError(
            "PyTorch's compiler made code that computes something else here. Take recorded, or another way of batching."
        )
    return play


def _seeded(play: Play, leaves: Sequence[Tensor]) -> Sequence[Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return play(*leaves)


def _alike(found: Tensor, expected: Tensor) -> bool:
    """Within rounding, which grows over the operations."""
    if not expected.is_floating_point():
        return torch.equal(found, expected)
    tolerance = torch.finfo(expected.dtype).eps ** 0.5
    largest = float(expected.abs().nan_to_num(0.0, 0.0, 0.0).max()) if expected.numel() else 0.0
    return torch.allclose(found, expected, rtol=tolerance, atol=tolerance * largest, equal_nan=True)
