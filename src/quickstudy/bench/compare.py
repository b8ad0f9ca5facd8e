"""One work, done by every library in turn: which of its ways are right, which of those is best, and how good it is."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from quickstudy.bench import episodes
from quickstudy.bench.contest import Comparison, Contest, Settings, Standing, opened
from quickstudy.bench.libraries import LIBRARIES, LOOP, OURS
from quickstudy.bench.process import Process, WorkerError
from quickstudy.bench.works import WORKS
from quickstudy.inner import choosing

WORTH_A_SECOND_LOOK = 1.5
"""A way that is so many times slower than another is not measured again before one is chosen."""
MEMORY_ROUNDS = 3
"""Memory hardly varies, and every measurement of it needs a process."""

Say = Callable[[str], None]


def compare(name: str, against: Sequence[str], settings: Settings, say: Say) -> Comparison:
    """Measure work ``name`` with this library, the plain loop, and those of ``against`` that do such work.

    Raises WorkerError if the plain loop cannot do it, for nothing can be checked then.
    """
    work = WORKS[name]
    rivals = [one for one in against if LIBRARIES[one].learns == work.learns and work.measure != "share"]
    with tempfile.TemporaryDirectory() as folder:
        contest = Contest(name, work, Path(folder), settings)
        episodes.write(work, settings.seed, contest.episodes)
        standings = [Standing(library) for library in (LOOP, OURS, *rivals)]
        facts = memory(contest, standings, say) if work.measure == "bytes" else seconds(contest, standings, say)
    return Comparison(name, episodes.source(work), settings, standings, facts)


def seconds(contest: Contest, standings: Sequence[Standing], say: Say) -> dict[str, Any]:
    """Time every library, in turn; all their processes live side by side, and all but one wait."""
    with ExitStack() as stack:
        processes: dict[str, Process] = {}
        for standing in standings:  # all begin before the first is asked, for imports take long
            try:
                processes[standing.library] = stack.enter_context(contest.begun(standing.library))
            except WorkerError as lost:
                refuse(standing, lost)
        for standing in [one for one in standings if one.library in processes]:
            say(f"{contest.name}: {standing.library} ...")
            try:
                process = processes[standing.library]
                choose(contest, process, standing, opened(process))
            except WorkerError as lost:
                refuse(standing, lost)
        rates: list[dict[str, float]] = []
        for number in range(contest.settings.rounds):
            say(f"{contest.name}: round {number + 1} of {contest.settings.rounds} ...")
            for standing in turned(standings, number):
                with tried(standing):
                    asked = {"way": standing.way, "repeats": standing.repeats}
                    standing.values.append(processes[standing.library].ask("time", **asked)["seconds"])
            if contest.work.measure == "share":
                rates.append(processes[LOOP].ask("peak")["rates"])
        return shares(standings, processes[LOOP].ask("flops")["flops"], rates) if rates else {}


def choose(contest: Contest, process: Process, standing: Standing, ways: Sequence[str]) -> None:
    """Set the fastest way that is right. Raises WorkerError where there is none."""
    right = [way for way in ways if contest.is_right(process, standing, way)]
    standing.check_any(right)
    looks = {way: process.ask("repeats", way=way) for way in right}
    times = {way: look["seconds"] for way, look in looks.items()}
    worth = [way for way in right if times[way] <= WORTH_A_SECOND_LOOK * min(times.values())]
    for way in worth if len(worth) > 1 else []:
        times[way] = min(times[way], process.ask("time", way=way, repeats=looks[way]["repeats"])["seconds"])
    standing.way = min(right, key=times.__getitem__)
    standing.repeats = looks[standing.way]["repeats"]


def memory(contest: Contest, standings: Sequence[Standing], say: Say) -> dict[str, Any]:
    """The memory of every library, each time in a fresh process; the way that needs least stands for it."""
    for standing in standings:
        say(f"{contest.name}: {standing.library} ...")
        try:
            with contest.worker(standing.library) as (_, ways):
                pass
            needs = {way: need for way in ways if (need := once(contest, standing, way)) is not None}
            standing.check_any(needs)
        except WorkerError as lost:
            refuse(standing, lost)
            continue
        standing.way = min(needs, key=needs.__getitem__)
        standing.values.append(needs[standing.way])
    for number in range(1, min(contest.settings.rounds, MEMORY_ROUNDS)):
        say(f"{contest.name}: round {number + 1} ...")
        for standing in turned(standings, number):
            with tried(standing), contest.worker(standing.library) as (process, _):
                standing.values.append(process.ask("memory", way=standing.way)["bytes"])
    return {}


def once(contest: Contest, standing: Standing, way: str) -> float | None:
    """Bytes that a way needs; None if it is not right, which is looked at afterwards, for that needs memory too."""
    try:
        with contest.worker(standing.library) as (process, _):
            need: float = process.ask("memory", way=way)["bytes"]
            return need if contest.is_right(process, standing, way) else None
    except WorkerError as lost:
        standing.rejected[way] = str(lost)
        return None


def shares(standings: Sequence[Standing], flops: int, rates: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Turn seconds into shares of the best rate that this machine has shown in any round."""
    best = {name: max(one[name] for one in rates) for name in rates[0]}
    for standing in standings:
        standing.values = [flops / took / max(best.values()) for took in standing.values]
    return {"flops": flops, "best_flops_per_second": best}


def turned(standings: Sequence[Standing], number: int) -> list[Standing]:
    """Those with values, another one first in every round."""
    return choosing.turned([standing for standing in standings if not standing.refused], number)


@contextlib.contextmanager
def tried(standing: Standing) -> Iterator[None]:
    """A library that is lost on the way is out, with all its values."""
    try:
        yield
    except WorkerError as lost:
        refuse(standing, lost)


def refuse(standing: Standing, lost: WorkerError) -> None:
    """A library that is lost is out; raises ``lost`` again where it is the plain loop, with which all are compared."""
    standing.refused = str(lost)
    standing.values.clear()
    if standing.library == LOOP:
        raise lost
