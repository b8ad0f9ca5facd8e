"""What this machine can do at best: the rates of one convolution and of one matrix product, on the threads in use."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from quickstudy.bench import loop
from quickstudy.bench.job import Job
from quickstudy.bench.measure import repeats_of, timed

IMAGES, CHANNELS, SIDE = 128, 64, 14
"""A 3x3 convolution from 64 to 64 channels, where a Conv4 does most of its work."""
MATRIX = 2048


def rates(device: torch.device) -> dict[str, float]:
    """FLOP a second of a convolution forwards, of its two gradients, and of a product of float32 matrices."""
    x = torch.randn(IMAGES, CHANNELS, SIDE, SIDE, device=device)
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3, device=device)
    a, b = torch.randn(2, MATRIX, MATRIX, device=device)
    once = 2 * IMAGES * SIDE**2 * CHANNELS**2 * 9

    def gradients() -> object:
        return torch.ops.aten.convolution_backward(
            x, x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, False]
        )

    return {
        "convolution": once / fastest(lambda: torch.conv2d(x, weight, padding=1), device),
        "its gradients": 2 * once / fastest(gradients, device),
        "matrix product": 2 * MATRIX**3 / fastest(lambda: a @ b, device),
    }


def fastest(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of three measurements."""

    def way() -> list[torch.Tensor]:
        run()
        return []

    way()
    repeats, _ = repeats_of(way, device)
    return min(timed(way, repeats, device) for _ in range(3))


def flops(job: Job) -> int:
    """Of one meta-gradient, counted over the plain loop: convolutions and matrix products, nothing else."""
    with FlopCounterMode(display=False) as counter:
        loop.maml(job)
    return int(counter.get_total_flops())
