"""Reading pictures beside the event loop: on threads, or in processes.

Most of what is done to a drawing is Python between short calls of numpy. On threads that stops everything else of the
server; in processes it does not, and a picture that breaks its reader breaks no more than that.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from quickstudy.server.refusals import RefusedError

T = TypeVar("T")


class Decoders:
    """``processes`` that read pictures, or as many threads as there are cores where that is 0."""

    def __init__(self, processes: int, threads: int) -> None:
        self.processes = processes
        self.threads = ThreadPoolExecutor(max(threads, 2), "decoder")
        self._pool = self._started() if processes else None

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """``work`` of a module's top level; RefusedError where it took its process with it."""
        pool: Executor = self._pool or self.threads
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, partial(work, *args))
        except BrokenExecutor as error:
            if pool is self._pool:
                self._pool = self._started()
            raise RefusedError("a picture broke what reads pictures. Send others, or this one alone.") from error

    def close(self) -> None:
        """Let what is under way end."""
        for pool in (self._pool, self.threads):
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        """Each process is a copy of one that has loaded everything, where the system can copy processes."""
        context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
        if sys.platform != "win32":
            context.set_forkserver_preload(["quickstudy.server.inputs"])
        pool = ProcessPoolExecutor(self.processes, context, _settle)
        for _ in range(self.processes):
            pool.submit(os.getpid)  # so that they are there before they are needed
        return pool


def _settle() -> None:
    """Ctrl-C is for the server, which ends its decoders; they also go when it is killed."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
