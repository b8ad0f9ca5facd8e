"""What the workers of one work share, and what becomes of each library."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quickstudy.bench import libraries
from quickstudy.bench.libraries import LIBRARIES, LOOP
from quickstudy.bench.process import Process, WorkerError
from quickstudy.bench.works import Work

TOLERANCE = 1e-3
"""Relative error, in float64, from which a gradient is wrong."""
ROUNDED = 0.5
"""The same in float32, where rounding alone turns a ReLU or a pooling the other way: by itself it says little."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to measure."""

    threads: int
    rounds: int = 7
    seed: int = 0
    device: str = "cpu"
    patience: float = 600.0
    """Seconds to wait for one answer."""


@dataclass
class Standing:
    """A library in one work."""

    library: str
    refused: str = ""
    """Why it has no values; empty where it has."""
    way: str = ""
    """The one that stands for it."""
    errors: dict[str, dict[str, float]] = field(default_factory=dict)
    """Of each way that is right, how far it is from the plain loop."""
    rejected: dict[str, str] = field(default_factory=dict)
    """Ways that are wrong or fail, and why."""
    repeats: int = 1
    values: list[float] = field(default_factory=list)
    """One a round: seconds, bytes, or FLOP a second as a share of the machine's best."""

    def check_any(self, right: Collection[str]) -> None:
        """Raises WorkerError, with what is known of them, if none of its ways is right."""
        if not right:
            raise WorkerError("; ".join(sorted(set(self.rejected.values()))) or "nothing to do it with")


@dataclass(frozen=True)
class Comparison:
    """What came of a work."""

    work: str
    source: str
    """Where the episodes come from."""
    settings: Settings
    standings: list[Standing]
    facts: dict[str, Any]
    """What else was measured."""


@dataclass(frozen=True)
class Contest:
    """One work: its files in ``folder``, and how its workers are started."""

    name: str
    work: Work
    folder: Path
    settings: Settings

    @property
    def episodes(self) -> Path:
        """What all libraries work on."""
        return self.folder / "episodes.safetensors"

    @property
    def reference(self) -> Path:
        """The gradients of the plain loop."""
        return self.folder / "reference.safetensors"

    def begun(self, library: str) -> Process:
        """A worker that is about to import its library. Raises WorkerError where there is none."""
        if library in LIBRARIES and not libraries.is_found(library):
            raise WorkerError("not importable (not installed)")
        given = (library, self.name, self.episodes, self.settings.seed, self.settings.threads, self.settings.device)
        return Process([sys.executable, "-m", "quickstudy.bench.worker", *map(str, given)], self.settings.patience)

    @contextlib.contextmanager
    def worker(self, library: str) -> Iterator[tuple[Process, list[str]]]:
        """A worker that has imported its library, and its ways. Raises WorkerError."""
        with self.begun(library) as one:
            yield one, opened(one)

    def is_right(self, process: Process, standing: Standing, way: str) -> bool:
        """Whether a way's gradient agrees with the plain loop's; what is wrong or fails is noted.

        The plain loop itself, which comes first, writes its own down. Raises WorkerError where the worker is gone.
        """
        try:
            if standing.library == LOOP and not self.reference.exists():
                process.ask("gradients", way=way, path=str(self.reference))
            found = process.ask("check", way=way, reference=str(self.reference), tolerance=TOLERANCE)
        except WorkerError as lost:
            if process.is_gone:
                raise
            standing.rejected[way] = str(lost)
            return False
        if not found.get("error_float32", float("inf")) <= ROUNDED:
            standing.rejected[way] = f"wrong gradient ({100 * max(found.values()):.2g} %)"
            return False
        standing.errors[way] = found
        return True


def opened(one: Process) -> list[str]:
    """The ways of a worker's library, once that is imported. Raises WorkerError."""
    answer = one.ask("open")
    if "missing" in answer:
        raise WorkerError(f"not importable ({answer['missing']})")
    ways: list[str] = answer["ways"]
    return ways
