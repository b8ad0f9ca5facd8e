"""Where tensors live, and how much room there is."""

import contextlib
import ctypes
import functools
import math
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from quickstudy.errors import UserError

CPUINFO, STATM = Path("/proc/cpuinfo"), Path("/proc/self/statm")


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


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> float:
    """This machine's memory; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf


class Room(NamedTuple):
    """Memory that there is."""

    bytes: float
    whose: str
    """Who says that it is no more, and a verb: the memory follows."""


def room(device: torch.device) -> Room:
    """The memory of ``device``; on a CPU no more than this process may still take."""
    if device.type == "cuda":
        return Room(float(torch.cuda.get_device_properties(device).total_memory), "the GPU has")
    machine, own = memory_bytes(), left_by_limit()
    if own < machine:
        return Room(own, "this process's own limit (RLIMIT_DATA) leaves it")
    return Room(machine, "the machine has")


def left_by_limit() -> float:
    """Bytes that this process may still take by its own limit of data (``ulimit -d``); infinite where it has none."""
    most = own_limit()
    return most if most == math.inf else float(max(most - used_bytes() + freed_bytes(), 0))


def own_limit() -> float:
    """Bytes of data that this process may hold; infinite where nobody said."""
    try:
        import resource
    except ImportError:  # Windows
        return math.inf
    most, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return math.inf if most == resource.RLIM_INFINITY else float(most)


def used_bytes() -> int:
    """What this process holds, 0 where the system does not say: its data, or what of it and its libraries is resident
    where that is more, for who sets the one limit may watch the other."""
    with contextlib.suppress(OSError):
        pages = STATM.read_text().split()
        return max(int(pages[1]), int(pages[5])) * int(os.sysconf("SC_PAGE_SIZE"))
    return 0


class _Mallinfo(ctypes.Structure):
    """What mallinfo2 gives."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in (*"abcdefgh", "fordblks", "keepcost"))
    """Ten numbers, of which the ninth is that of bytes that are free."""


def freed_bytes() -> int:
    """Bytes that the C library keeps for what is allocated next, where it is glibc 2.33 or newer; 0 elsewhere."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return 0
    ask.restype = _Mallinfo
    return int(ask().fordblks)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextlib.contextmanager
def on_threads(count: int) -> Iterator[None]:
    """With so many threads of PyTorch's within it."""
    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def autocasts() -> list[tuple[str, torch.dtype]]:
    """Kinds of devices on which PyTorch chooses the precision of each operation in this thread, and the lower one."""
    return [(kind, torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]


TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Numbers of glibc's settings."""


@functools.cache
def keep_freed_memory() -> None:
    """Have the C library keep what is freed, up to 2 GB, for what is allocated next.

    A meta-step frees and takes the same megabytes over and over. glibc hands them back to the system each time, and
    page faults then take up to a quarter of a step on several threads. Elsewhere nothing is done.
    """
    _set_allocator({MMAP_THRESHOLD: 2**25, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**26})


def mind_own_limit() -> None:
    """Have the C library hand back what is freed, once this process holds half of what it may.

    Where every meta-step has tasks of another size, what one frees does not fit the next, and what is kept of it grows
    to several times what is ever in use.
    """
    if (most := own_limit()) < math.inf and used_bytes() > most / 2:
        _hand_back()


@functools.cache
def _hand_back() -> None:
    _set_allocator({MMAP_THRESHOLD: 2**20, TRIM_THRESHOLD: 2**20, TOP_PAD: 2**20})
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _set_allocator(settings: dict[int, int]) -> None:
    """The C library's own settings, in this order, where it is glibc."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for setting, value in settings.items():
            mallopt(setting, value)
