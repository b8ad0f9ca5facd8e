"""What a tree of processes uses: time of the processors, memory, how many they are; and how it is ended."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
ENDING = 5.0
"""Seconds within which killed processes are gone."""


class Used(NamedTuple):
    """What the processes below one hold now, and have used so far."""

    cpu: float
    """Seconds of the processors, those of ended children with them."""
    memory: int
    """Bytes."""
    processes: int


class Line(NamedTuple):
    """What is said of a process in /proc/PID/stat."""

    parent: int
    ended: float
    """CPU seconds of its children that it has waited for."""
    memory: int
    gone: bool


def line_of(pid: int) -> Line | None:
    """Of one process; None for one that is gone, or where the system has no /proc."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        words = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        ended = (int(words[13]) + int(words[14])) / TICK
        return Line(int(words[1]), ended, int(words[21]) * PAGE, words[0] in "ZX")
    return None


def tree(pid: int) -> dict[int, Line]:
    """``pid`` and its descendants; empty where the system does not say."""
    found: dict[int, Line] = {}
    children = listed if (PROC / f"self/task/{threading.get_native_id()}/children").is_file() else counted()
    fresh = [pid]
    while fresh:
        one = fresh.pop()
        if one not in found and (line := line_of(one)) is not None:
            found[one] = line
            fresh += children(one)
    return found


def listed(pid: int) -> list[int]:
    """The children of a process, as the system lists them, which costs little."""
    with contextlib.suppress(OSError):
        lists = [(task / "children").read_text() for task in (PROC / str(pid) / "task").iterdir()]
        return [int(one) for text in lists for one in text.split()]
    return []


def counted() -> Callable[[int], list[int]]:
    """The same where it does not: from the parents of all processes."""
    every: dict[int, list[int]] = {}
    for name in os.listdir(PROC) if PROC.is_dir() else ():
        if name.isdecimal() and (line := line_of(int(name))) is not None:
            every.setdefault(line.parent, []).append(int(name))
    return lambda pid: every.get(pid, [])


def cpu_seconds(pid: int) -> float:
    """Of the process alone, to the nanosecond; 0 for one that is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # the clock of another process, as clock_getcpuclockid has it
    except OSError:
        return 0.0


def used(pid: int) -> Used | None:
    """By ``pid`` and all below it; None where the system does not say."""
    found = tree(pid)
    if not found:
        return None
    cpu = sum(cpu_seconds(one) + line.ended for one, line in found.items())
    return Used(cpu, sum(line.memory for line in found.values()), sum(not line.gone for line in found.values()))


def waits(pid: int) -> dict[int, float]:
    """Seconds that each thread of ``pid`` and all below it has waited for a processor that others had; those of threads
    that sleep are none. Empty where the system does not say."""
    return {thread: waited for one in tree(pid) for thread, waited in waits_of(one).items()}


def waits_of(pid: int) -> dict[int, float]:
    """The same of one process alone."""
    found: dict[int, float] = {}
    with contextlib.suppress(OSError, ValueError, IndexError):
        for thread in (PROC / str(pid) / "task").iterdir():
            found[int(thread.name)] = int((thread / "schedstat").read_text().split()[1]) / 1e9
    return found


def end(pid: int) -> None:
    """Kill ``pid``, its process group and all that was ever started below it, and wait until they are gone."""
    until = time.monotonic() + ENDING
    while time.monotonic() < until:
        others = [one for one, line in tree(pid).items() if one != pid and not line.gone]
        if not others:
            break
        for one in others:
            with contextlib.suppress(OSError):
                os.kill(one, signal.SIGKILL)
        time.sleep(0.01)
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
