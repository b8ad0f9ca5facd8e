"""The host's side of an entry's process: start it, exchange lines of JSON with it, and end it at its budget.

Of every message the processor's seconds are counted, those of all that the entry has started with them; so other work
on the machine does not make an entry slow, and more threads do not make it fast. Nor does its time by the clock go on
while it waits for a processor that others have.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from quickstudy.challenge import limits
from quickstudy.challenge.home import copy, environment_of, shown, size
from quickstudy.challenge.words import last_words
from quickstudy.errors import UserError

CAGE = Path(__file__).with_name("cage.py")
LONGEST = 2**26
"""Bytes of a line."""
UNREAD = 8
"""Lines that wait for being read; an entry that writes more has to wait."""
NOISE = 1000
"""Lines that are no JSON object, after which nobody listens any more."""
LOOK = 0.05
"""Seconds between two looks at what is used."""
WORDS = 2000
"""Last bytes of what is said on standard error."""


class EndedError(Exception):
    """The entry's process is over: it ended, or was ended at its budget. Its text says why."""

    def __init__(self, why: str, itself: bool = False) -> None:
        super().__init__(why)
        self.itself = itself
        """Whether nobody ended it."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What an entry may use."""

    cpu: float
    """Seconds of the processors in all."""
    memory: float
    """GB of all its processes together."""
    processes: int
    disk: float
    """GB in its home."""


class Process:
    """An entry's process in a home of its own, with copies of ``files``. Used in a ``with``, at whose end all is gone.

    ``isolate`` False leaves namespaces alone, as on systems that have none.
    """

    def __init__(
        self,
        command: Sequence[str],
        allowed: Allowed,
        files: Sequence[Path] = (),
        *,
        environment: Mapping[str, str] | None = None,
        isolate: bool = True,
    ) -> None:
        if os.name != "posix":
            raise UserError("entries run in processes with limits, which Windows does not have. Use Linux, or WSL.")
        self.allowed = allowed
        self.folder = Path(tempfile.mkdtemp(prefix="quickstudy-entry-")).resolve()
        self.home, root = self.folder / "home", self.folder / "root"
        self.memory = 0
        """Most bytes that were held at once."""
        self.isolation: dict[str, bool] = {"network": False, "files": False, "processes": False}
        self._noise, self._said, self._looked = 0, b"", 0.0
        self._waits: tuple[dict[int, float], dict[int, float]] = ({}, {})
        self._waited = 0.0
        """Seconds that it waited for a processor."""
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._letters: queue.Queue[bytes | None] = queue.Queue()
        try:
            for folder in (self.home, root):
                folder.mkdir()
            for file in files:
                copy(file, self.home / file.name)
            self._start(command, root, dict(environment or {}), isolate)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _start(self, command: Sequence[str], root: Path, environment: dict[str, str], isolate: bool) -> None:
        here, there = os.pipe()
        want = {
            "home": str(self.home),
            "root": str(root),
            "at": str(self.home),
            "show": shown(command),
            "told": there,
            "isolate": isolate,
            "limits": {
                "CPU": int(self.allowed.cpu) + 2,
                "DATA": int(self.allowed.memory * 1e9),
                "FSIZE": int(self.allowed.disk * 1e9),
                "CORE": 0,
            },
            "processes": self.allowed.processes,
            "environment": environment_of(self.home) | environment,
        }
        cage = [sys.executable, "-I", "-S", str(CAGE), json.dumps(want), *command]
        self.process = subprocess.Popen(
            cage,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[there],
            start_new_session=True,
            env={"PATH": os.defpath},
        )
        os.close(there)
        self._lines, self._letters = queue.Queue(UNREAD), queue.Queue()
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._listen, self._overhear, self._write)
        ]
        for thread in self._threads:
            thread.start()
        with os.fdopen(here, encoding="utf-8") as told:
            for line in told:
                self.isolation.update(json.loads(line))
        if self.isolation.pop("unfurnished", None):  # some systems give namespaces, and let nobody use them
            self._stop()
            self._start(command, root, environment, False)
            return
        if failed := self.isolation.pop("failed", None):
            self._stop()
            raise UserError(f"{command[0]} cannot be started: {failed}.")

    def _listen(self) -> None:
        stream = pipe(self.process.stdout)
        while line := stream.readline(LONGEST):
            self._lines.put(line)
            if not line.endswith(b"\n"):
                break
        self._lines.put(None)

    def _overhear(self) -> None:
        while some := os.read(pipe(self.process.stderr).fileno(), 65536):
            self._said = (self._said + some)[-WORDS:]

    def _write(self) -> None:
        stream = pipe(self.process.stdin)
        while (letter := self._letters.get()) is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.write(letter)
                stream.flush()

    def send(self, message: Mapping[str, Any]) -> None:
        """Hand over a message; it may be read later."""
        self._letters.put(json.dumps(message).encode() + b"\n")

    def receive(self, cpu: float, until: float) -> dict[str, Any]:
        """The next message. EndedError where the process ends, or ``cpu`` seconds of it in all or the time ``until``
        (of ``clock``) pass before; the process is then gone."""
        self._looked, self._waits = time.monotonic(), self._all_waits()
        while True:
            try:
                line = self._lines.get(timeout=LOOK)
            except queue.Empty:
                self._look(cpu, until)
                continue
            if line is None or (len(line) >= LONGEST and not line.endswith(b"\n")):
                self._end("it ended" if line is None else f"it wrote a line of more than {LONGEST // 2**20} MB")
            with contextlib.suppress(ValueError, RecursionError):
                message = json.loads(line or b"")
                if isinstance(message, dict):
                    self._look(cpu, until)
                    return message
            self._noise += 1
            if self._noise > NOISE:
                self._end(f"it wrote more than {NOISE} lines that are no answers")
            if time.monotonic() > self._looked + LOOK:
                self._look(cpu, until)

    @property
    def counts(self) -> bool:
        """Whether the system says what time of the processors is used."""
        return limits.used(self.process.pid) is not None

    @property
    def cpu(self) -> float:
        """Seconds of the processors until now; of the clock where the system does not say."""
        found = limits.used(self.process.pid)
        return time.monotonic() if found is None else found.cpu

    @property
    def clock(self) -> float:
        """Seconds of the clock, but for those in which it waited for a processor."""
        return time.monotonic() - self._waited

    def _wait(self) -> None:
        """Count what any one of its threads, and then of the host's, has waited since the last look."""
        now, waits = time.monotonic(), self._all_waits()
        longest = [
            max((one[thread] - old.get(thread, one[thread]) for thread in one), default=0.0)
            for one, old in zip(waits, self._waits, strict=True)
        ]
        self._waited += min(sum(longest), now - self._looked)
        self._looked, self._waits = now, waits

    def _all_waits(self) -> tuple[dict[int, float], dict[int, float]]:
        """Of the entry's threads, and of this process's own."""
        return limits.waits(self.process.pid), limits.waits_of(os.getpid())

    def _look(self, cpu: float, until: float) -> None:
        self._wait()
        found = limits.used(self.process.pid)
        if found is not None:
            self.memory = max(self.memory, found.memory)
            if found.memory > self.allowed.memory * 1e9:
                self._end(f"it held {found.memory / 1e9:.2f} GB of memory and may hold {self.allowed.memory:g}")
            if found.processes > self.allowed.processes + 3:  # the cage's own
                self._end(f"it started {found.processes - 3} processes and may have {self.allowed.processes}")
            if found.cpu > cpu:
                self._end("its time on the processors was over")
        if self.clock > until:
            self._end("its time was over")
        if size(self.home) > self.allowed.disk * 1e9:
            self._end(f"it filled its home with more than {self.allowed.disk:g} GB")

    def _end(self, why: str) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=LOOK if why == "it ended" else 0)
        code = self.process.poll()
        limits.end(self.process.pid)
        words = last_words(self._said.decode(errors="replace"))
        last = f"; its last words: {words}" if words else ""
        itself = why == "it ended"
        raise EndedError(why + (f" with code {code}" if itself and code is not None else "") + last, itself)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End whatever still runs and take its home away."""
        self._stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _stop(self) -> None:
        limits.end(self.process.pid)
        self.process.wait()
        self._letters.put(None)
        until = time.monotonic() + 1
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < until:
            with contextlib.suppress(queue.Empty):
                self._lines.get(timeout=0.01)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError, ValueError):
                pipe(stream).close()


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """One that was asked for."""
    assert stream is not None
    return stream
