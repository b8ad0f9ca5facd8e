"""Rows of a challenge made by several processes of this machine."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from quickstudy.challenge.many import Crew, Job, Made, made_there
from quickstudy.challenge.measure import Say
from quickstudy.errors import UserError

TRIES = 3
"""Times that a row is begun whose process dies, for want of memory for one."""


def by_several(count: int) -> Crew:
    """A crew of so many. UserError for less than one."""
    if count < 1:
        raise UserError(f"--parallel is {count}; expected 1 process or more, or 0 for this one alone.")

    def crew(jobs: Sequence[Job], say: Say) -> Iterator[Made]:
        left = {job.entry: job for job in jobs}
        for _ in range(TRIES):
            for made in together(list(left.values()), min(count, len(left)), say):
                del left[made.entry]
                yield made
            if not left:
                return
        yield from (Made(name, None, f"its process died {TRIES} times") for name in left)

    return crew


def together(jobs: Sequence[Job], count: int, say: Say) -> Iterator[Made]:
    """Those that are done before a process dies, which ends the others too."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=spawn, initializer=quietly_interrupted) as pool:
        futures = {pool.submit(made_there, job): job for job in jobs}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                say(f"{futures[future].entry}: a process died; once more ...")


def quietly_interrupted() -> None:
    """Ctrl-C ends a process of the crew without a word; the one that started it has the last."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
