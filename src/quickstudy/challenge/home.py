"""What an entry finds around it: its home, the files that it may read, and its variables."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import quickstudy

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"),
)
"""What programs need to run at all."""


LEFT = {"__pycache__", ".git"}
"""Folders that an entry does not bring along."""


def copy(source: Path, target: Path) -> None:
    """A file, or a folder with all that is in it; links stay links, and lead nowhere from there."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*LEFT))
    else:
        shutil.copy(source, target)


def digest(files: Sequence[Path]) -> str:
    """A hash of what ``copy`` would copy, whatever folder it is in; empty without files."""
    of = hashlib.sha256()
    for file in files:
        inside = file.rglob("*") if file.is_dir() else [file]
        for path in sorted(inside):
            if LEFT & {*path.relative_to(file.parent).parts}:
                continue
            of.update(str(path.relative_to(file.parent)).encode("utf-8", "surrogateescape"))
            if path.is_symlink():
                of.update(os.readlink(path).encode("utf-8", "surrogateescape"))
            elif path.is_file():
                of.update(hashlib.sha256(path.read_bytes()).digest())
    return of.hexdigest()[:16] if files else ""


def size(folder: Path) -> int:
    """Bytes of the files below ``folder``."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(where, name)).st_size
    return total


def shown(command: Sequence[str]) -> list[str]:
    """Folders that an entry may read: the system's, this Python's, this package's, and its own program's."""
    package = Path(quickstudy.__file__).resolve().parent.parent
    wanted = [*SYSTEM, sys.prefix, sys.base_prefix, str(package)]
    program = shutil.which(command[0])
    if program and not any(Path(program).resolve().is_relative_to(one) for one in wanted):
        wanted.append(str(Path(program).resolve()))
    found = [one for one in dict.fromkeys(wanted) if os.path.lexists(one)]
    return [one for one in found if not any(inside(one, other) for other in found)]


def inside(path: str, other: str) -> bool:
    """Whether ``path`` is seen already where ``other`` is."""
    return path != other and not os.path.islink(other) and Path(path).is_relative_to(other)


def environment_of(home: Path) -> dict[str, str]:
    """The variables of an entry: none of the host's."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "USER": "entry",
        "LOGNAME": "entry",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
    }
