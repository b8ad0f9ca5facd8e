"""The other side of a worker: start it, ask it line by line, and say what became of it."""

from __future__ import annotations

import json
import queue
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any


class WorkerError(Exception):
    """A worker that has ended, does not answer, or could not do what it was asked."""


class Process:
    """A worker, started by ``command``. Used in a ``with``, at whose end it is gone."""

    def __init__(self, command: Sequence[str], patience: float) -> None:
        self.patience = patience
        # as long as the process: __exit__ closes it
        self.said: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
            encoding="utf-8",
        )
        self.answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put("")

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """The answer to a request. Raises WorkerError where there is none, or it says that it failed."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            self.process.stdin.flush()
            line = self.answers.get(timeout=self.patience)
        except queue.Empty:
            self.process.kill()
            self.process.wait()
            raise WorkerError(f"no answer to {do} within {self.patience:.0f} s") from None
        except OSError:
            line = ""
        if not line:
            raise WorkerError(f"ended with code {self.process.wait()}: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise WorkerError(answer["failed"])
        return answer

    @property
    def is_gone(self) -> bool:
        """Whether it can be asked nothing more."""
        return self.process.poll() is not None

    def _last_words(self) -> str:
        self.said.seek(0)
        lines = self.said.read().strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.said):
            if stream is not None:
                stream.close()
