"""Where data and caches live: ``QUICKSTUDY_DATA`` (yours, only read), ``QUICKSTUDY_CACHE`` (ours, can be deleted)."""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from quickstudy.errors import UserError

WORTH_WATCHING = 200
"""Files or pictures; fewer are done in a moment."""


def notice(text: str) -> None:
    """One plain line for the user, on stderr so that it never mixes with output that a program reads."""
    print(text, file=sys.stderr, flush=True)


def data_folder() -> Path | None:
    """The folder that ``QUICKSTUDY_DATA`` names; None if it is not set. Raises UserError if it is no folder."""
    named = os.environ.get("QUICKSTUDY_DATA")
    if not named:
        return None
    folder = Path(named).expanduser().absolute()
    if not folder.is_dir():
        raise UserError(
            f"QUICKSTUDY_DATA is {named!r}, which is not a folder. Point it at the folder that holds your data sets, "
            "or unset it."
        )
    return folder


def find(path: str) -> Path:
    """``path`` as an absolute one: as it is, else in the folder QUICKSTUDY_DATA if it is there."""
    here = Path(path).expanduser()
    own = data_folder()
    if not here.exists() and own and (own / here).exists():
        here = own / here
    return here.absolute()


def held(name: str) -> Path:
    """The data set ``name`` of the folder QUICKSTUDY_DATA, whatever else is called so here; else as ``find``."""
    own = data_folder()
    return own / name if own and (own / name).exists() else find(name)


def cache_folder() -> Path:
    """The folder for downloads and decoded data: ``QUICKSTUDY_CACHE``, else the platform's own. It may not exist."""
    named = os.environ.get("QUICKSTUDY_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs  # here, because most runs name their cache or never need one

    return Path(platformdirs.user_cache_dir("quickstudy", appauthor=False))


def replace_file(target: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``target`` and put it in place whole, or not at all (OSError).

    A file that is replaced keeps its permissions, and a link to it stays one.
    """
    target = target.resolve() if target.is_symlink() else target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.touch()
        mode = (target if target.is_file() else temporary).stat().st_mode
        write(temporary)
        temporary.chmod(mode)  # safetensors, for one, would shut out the other users of a shared cache
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def clear_unfinished(folder: Path) -> None:
    """Remove what a process left in ``folder`` that was killed while it filled a temporary file."""
    for temporary in folder.glob(f"*.{'[0-9a-f]' * 32}.tmp"):
        temporary.unlink(missing_ok=True)


def _open_locked(path: Path) -> IO[str] | None:
    try:
        import fcntl

        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except (ImportError, OSError):
        return None
    with suppress(OSError):  # some network file systems have no locks
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """One process at a time, so that the ranks of a parallel run do not all download or decode.

    The system drops the lock with its process, so nothing stale is left. On Windows, or where the folder cannot be
    written, everyone proceeds: files are put in place whole, so that costs work, not correctness.
    """
    file = _open_locked(path)
    try:
        yield
    finally:
        if file is not None:
            file.close()


@contextmanager
def watched(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """``progress``, where there is so much to do that one would wonder."""
    if total < WORTH_WATCHING:
        yield lambda more: None
        return
    with progress(what, total) as advance:
        yield advance


@contextmanager
def progress(what: str, total: int | None, bytes_: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, one plain line elsewhere; gives the function that reports how much more is done."""
    if not sys.stderr.isatty():
        notice(what + " ...")
        yield lambda more: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    amount = DownloadColumn() if bytes_ else MofNCompleteColumn()
    with Progress(
        "{task.description}", BarColumn(), amount, TimeRemainingColumn(), console=Console(stderr=True)
    ) as bars:
        task = bars.add_task(what, total=total)
        yield lambda more: bars.advance(task, more)
