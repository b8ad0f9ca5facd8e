"""A recording as one launch of a CUDA GPU, which otherwise waits for Python to name each of its operations.

The operations are captured once, on memory of their own, as a CUDA graph; a playback copies its tensors there, launches
the graph, and copies the answer out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Play = Callable[..., Sequence[Tensor]]
WARM = 3
"""Playbacks before the capture, in which libraries set up what they need and choose their kernels."""


def capturable(leaves: Sequence[Tensor]) -> bool:
    """Whether all is on one CUDA GPU, and no tensor overlaps itself."""
    devices = {leaf.device for leaf in leaves}
    whole = all(0 not in leaf.stride() or leaf.numel() <= 1 for leaf in leaves)
    return len(devices) == 1 and next(iter(devices)).type == "cuda" and whole


@torch.no_grad()
def captured(play: Play, leaves: Sequence[Tensor]) -> Play:
    """What computes the same as ``play`` for tensors like ``leaves``, on their GPU.

    Random numbers go on from those of the GPU. Where an operation cannot be captured, one that waits for the GPU for
    instance, it is ``play`` itself.
    """
    device = leaves[0].device
    given = [torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device=device) for leaf in leaves]
    _copy(given, leaves)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.device(device), torch.random.fork_rng([device]):
            aside = torch.cuda.Stream(device)
            aside.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(aside):
                for _ in range(WARM):
                    play(*given)
            torch.cuda.current_stream(device).wait_stream(aside)
        with torch.cuda.device(device), torch.cuda.graph(graph):
            out = list(play(*given))
    except RuntimeError:
        torch.cuda.synchronize(device)
        return play

    return Launch(graph, given, out, play)


@dataclass(frozen=True)
class Launch:
    """A playback by one launch, and what its kernels find in memory: all has to live as long as the launch."""

    graph: torch.cuda.CUDAGraph
    given: list[Tensor]
    out: list[Tensor]
    play: Play
    """What was captured: constants, and kernels that were compiled for it, are its own."""

    def __call__(self, *leaves: Tensor) -> list[Tensor]:
        _copy(self.given, leaves)
        self.graph.replay()
        answer = [torch.empty_like(value) for value in self.out]
        _copy(answer, self.out)
        return answer


def _copy(to: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """All at once where their types are alike, which takes one kernel and not one for each."""
    torch._foreach_copy_(list(to), list(values))
