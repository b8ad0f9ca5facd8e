"""Time and memory of one way."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import sys
import time
from pathlib import Path

import torch

from quickstudy.bench.job import Way
from quickstudy.devices import synchronise

AT_LEAST = 0.1
"""Seconds that a measurement lasts: a small work is repeated inside it."""
WARM = 40
"""Calls of a small work before it is timed."""
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def timed(way: Way, repeats: int, device: torch.device) -> float:
    """Mean seconds of ``repeats`` meta-gradients in a row."""
    gc.collect()
    synchronise(device)
    start = time.perf_counter()
    for _ in range(repeats):
        way()
    synchronise(device)
    return (time.perf_counter() - start) / repeats


def repeats_of(way: Way, device: torch.device) -> tuple[int, float]:
    """How many meta-gradients last ``AT_LEAST``, and how long one seems to take, warmed up if it takes little."""
    seconds = timed(way, 1, device)
    if seconds < AT_LEAST:
        timed(way, WARM, device)  # what a library does once, on the way, is not what a training is made of
        seconds = timed(way, WARM, device)
    return max(1, math.ceil(AT_LEAST / max(seconds, 1e-6))), seconds


def growth(way: Way, device: torch.device) -> int:
    """Bytes by which the peak of memory rises, over what is held before, while ``way`` runs once.

    Of the process, or of the allocator of a GPU. Where the system cannot forget an earlier peak, growth below that is
    not seen; Linux can.
    """
    gc.collect()
    if device.type == "cuda":
        synchronise(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        way()
        synchronise(device)
        return int(torch.cuda.max_memory_allocated(device) - before)
    before = forget_peak()
    way()
    return peak() - before


def forget_peak() -> int:
    """Give freed memory back and let the peak start anew; bytes that are held now."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc's
    try:
        CLEAR.write_text("5")
        return _status("VmRSS")
    except OSError:
        return peak()


def peak() -> int:
    """Bytes of memory that this process held at most."""
    try:
        return _status("VmHWM")
    except OSError:
        import resource  # absent on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])
