"""Where tensors live, and how much room there is."""

import contextlib
import ctypes
import functools
import math
import os
import platform
from pathlib import Path

import torch

from quickstudy.errors import UserError

CPUINFO = Path("/proc/cpuinfo")


def pick_device(name: str) -> torch.device:
    """The device called ``name``; UserError where it is not there."""
    there = ["cpu"]
    there += ["cuda"] if torch.cuda.is_available() else []
    there += ["mps"] if torch.backends.mps.is_available() else []
    if name == "auto":
        return torch.device(there[-1])
    kind, colon, number = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in there or (colon and not (number.isdecimal() and int(number) < count)):
        raise UserError(f"device {name!r} is not there. This machine has: {', '.join(there)}.")
    return torch.device(name)


def processor() -> str:
    """The processor's name, with its family and model where Linux tells them: a virtual one says little by its name."""
    if not CPUINFO.exists():
        return platform.processor() or platform.machine()
    pairs = (line.partition(":") for line in CPUINFO.read_text().split("\n\n")[0].splitlines())
    facts = {name.strip(): value.strip() for name, _, value in pairs}
    name = facts.get("model name", platform.machine())
    return f"{name}, family {facts['cpu family']} model {facts['model']}" if "cpu family" in facts else name


def memory_bytes() -> float:
    """This machine's memory; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def room(device: torch.device) -> float:
    """Bytes of memory of ``device``."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return memory_bytes()


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@functools.cache
def keep_freed_memory() -> None:
    """Have the C library keep what is freed, up to 2 GB, for what is allocated next.

    A meta-step frees and takes the same megabytes over and over. glibc hands them back to the system each time, and
    page faults then take up to a quarter of a step on several threads. Elsewhere nothing is done.
    """
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 2**25)
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(top_pad, 2**26)
