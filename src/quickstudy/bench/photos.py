"""How fast photographs are learnt and looked at, and in how much memory."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import quickstudy
from quickstudy.estimator import FewShotClassifier, held_out
from quickstudy.estimator.stream import judged

REPEATS = 5
SIDES = (1280, 960)
"""Of the pictures that are made, in pixels: 1.2 million."""


def make(folder: Path, count: int, seed: int) -> list[Path]:
    """``count`` JPEG files that take as long to decode as photographs do: clouds of colour, with noise."""
    from PIL import Image

    paths = []
    for number in range(count):
        draw = np.random.default_rng((seed, number))
        few = Image.fromarray(draw.integers(0, 256, (12, 16, 3), np.uint8))
        clouds = np.asarray(few.resize(SIDES, Image.Resampling.BICUBIC), np.float32)
        noisy = clouds + draw.normal(0, 6, (SIDES[1], SIDES[0], 1)).astype(np.float32)
        paths.append(folder / f"{number:05}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=85)
    return paths


def measure(paths: list[Path], weights: str, way: int, shot: int) -> dict[str, Any]:
    """A row: the first ``way * shot`` of ``paths`` are learnt as so many classes, then all are looked at.

    Seconds are those of the clock, and of the processor (``cpu``), which other work on the machine lengthens less.
    """
    labels = [number % way for number in range(way * shot)]
    learnt = FewShotClassifier(weights=weights, device="cpu")
    row: dict[str, Any] = {"pictures": len(paths), "sides": SIDES, "way": way, "shot": shot, "weights": weights}
    row |= _clocks("fit", lambda: learnt.fit(paths[: way * shot], labels))
    row |= _clocks("held_out", lambda: held_out(learnt))
    again = [_seconds(lambda: learnt.partial_fit([paths[-1]], [0]))[0] for _ in range(REPEATS)]
    row["one_more_ms"] = round(1000 * median(again), 1)
    row |= _net(learnt, min(len(paths), 64))
    few = len(paths) // 4
    row |= {f"quarter_{name}": value for name, value in _stream(learnt, paths[:few]).items()}
    row |= _stream(learnt, paths)
    return row | {
        "threads": torch.get_num_threads(),
        "processor": platform.processor() or platform.machine(),
        "version": quickstudy.__version__,
        "torch": torch.__version__,
    }


@torch.no_grad()
def _net(learnt: FewShotClassifier, count: int) -> dict[str, Any]:
    """Pictures a second that the net alone makes features of, ``count`` at a time."""
    net: Any = learnt.learner_.net
    net.remembered = None
    x = torch.rand(count, *learnt.learner_.spec.shape)
    mask = torch.ones(len(x), dtype=torch.bool)
    net(x, mask)
    clocks = [_seconds(lambda: net(x, mask)) for _ in range(REPEATS)]
    wall, cpu = (median(column) for column in zip(*clocks, strict=True))
    return {"net_per_s": round(len(x) / wall, 1), "net_per_cpu_s": round(len(x) / cpu, 1)}


def _stream(learnt: FewShotClassifier, paths: list[Path]) -> dict[str, Any]:
    """Files a second from disk to answer, and the most memory that the process has had by then."""
    wall, cpu = _seconds(lambda: sum(1 for _ in judged(learnt, paths)))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    found = {"predict_per_s": len(paths) / wall, "predict_per_cpu_s": len(paths) / cpu, "peak_mb": most / 1e6}
    return {name: round(value, 1) for name, value in found.items()}


def _clocks(what: str, run: Callable[[], Any]) -> dict[str, float]:
    wall, cpu = _seconds(run)
    return {f"{what}_ms": round(1000 * wall, 1), f"{what}_cpu_ms": round(1000 * cpu, 1)}


def _seconds(run: Callable[[], Any]) -> tuple[float, float]:
    """Of the clock and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu
