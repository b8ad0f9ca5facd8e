"""Libraries that take meta-gradients: one file each, its ``ways`` as its own documentation would have them.

A library can be used in more than one way; each is checked, and the fastest that is right stands for it. A file here
gets the imported library handed in, so that nothing of it is needed before it is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any

from quickstudy.bench.job import Job, Way


@dataclass(frozen=True)
class Library:
    """Where a library comes from, and which file here uses it."""

    module: str
    """Its name in an import statement."""
    distribution: str
    """Its name on the package index."""
    uses: str
    """The file here."""
    learns: str = "maml"
    """The kind of work that it is used for."""


OURS, LOOP = "quickstudy", "loop"
LIBRARIES = {
    "higher": Library("higher", "higher", "higher"),
    "torchopt": Library("torchopt", "torchopt", "torchopt"),
    "learn2learn": Library("learn2learn", "learn2learn", "learn2learn"),
    "parallel-metalearn": Library("metalearn", "parallel-metalearn", "parallel_metalearn"),
    "iteryne": Library("iteryne", "iteryne", "iteryne"),
    "easyfsl": Library("easyfsl", "easyfsl", "easyfsl", learns="prototypes"),
}


def version(name: str) -> str | None:
    """Of what is installed; None where nothing is."""
    try:
        return metadata.version(LIBRARIES[name].distribution)
    except metadata.PackageNotFoundError:
        return None


def is_found(name: str) -> bool:
    """Whether there is something to import at all, without importing it."""
    return importlib.util.find_spec(LIBRARIES[name].module) is not None


def ways(name: str, job: Job) -> dict[str, Way]:
    """The ways in which library ``name`` can do ``job``, by what they are called. Raises ImportError."""
    used: ModuleType
    if name in (OURS, LOOP):
        used = importlib.import_module({OURS: "quickstudy.bench.ours", LOOP: "quickstudy.bench.loop"}[name])
        own: dict[str, Way] = used.ways(job)
        return own
    library: Any = importlib.import_module(LIBRARIES[name].module)
    used = importlib.import_module(f"quickstudy.bench.libraries.{LIBRARIES[name].uses}")
    theirs: dict[str, Way] = used.ways(job, library)
    return theirs
