"""A command on several processes speaks with one voice: rank 0 says how it goes, and one rank how it ended."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from quickstudy import parallel
from quickstudy.errors import UserError


class StoppedError(Exception):
    """Ctrl-C was heard, and this is what there is to say: exit code 1."""


def as_one(run: Callable[[], int]) -> int:
    """``run``, and its exit code. As one of several processes this ends the process, and is heard once a machine.

    Errors of a process on its own are raised as they are.
    """
    world = parallel.world()
    try:
        if world.size == 1:
            return run()
        _leave(_among_others(run, world))
    except StoppedError as stop:
        print(stop, file=sys.stderr)
        return 1


def _among_others(run: Callable[[], int], world: parallel.World) -> int:
    try:
        with _hearing_the_end(), _quiet(not world.first):
            code = run()
    except SystemExit as stop:  # --help
        code = int(stop.code or 0)
    except (UserError, parallel.RankLostError, StoppedError, KeyboardInterrupt) as error:
        stopped = isinstance(error, StoppedError | KeyboardInterrupt)
        text = f"{error}" or "stopped" if stopped else f"error: {error}"
        code, words = world.last_word(2 if isinstance(error, UserError) else 1, text)
        if words is not None:
            print(words, file=sys.stderr)
        return code
    except BaseException as error:
        code, words = world.last_word(2, f"error: process {world.rank + 1} of {world.size} failed: {error!r}")
        if words is None:
            return code
        atexit.register(_leave, code)
        raise
    world.close()
    return code


def _leave(code: int) -> NoReturn:
    """Without taking down what gloo has built, which hangs now and then where another process went first."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextmanager
def _hearing_the_end() -> Iterator[None]:
    """torchrun ends every process with SIGTERM when one has ended: leave in order then, and from the end on no more."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise parallel.RankLostError(
            "torchrun ended this training: another of its processes is gone, or it was told to."
        )

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextmanager
def _quiet(quiet: bool) -> Iterator[None]:
    """Nothing is printed if ``quiet``."""
    if not quiet:
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield
