"""One training a folder: a file that is locked as long as its process lives.

The lock is the operating system's, so it ends with the process, however that ended; nothing stale is left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quickstudy.errors import UserError

NAME = "training.lock"
TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
"""What a system says of a lock that another process holds."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold ``folder``, which is made if it is not there; afterwards the lock and an empty folder are removed.

    Raises UserError where another training holds it, or where it cannot be written.
    """
    made = [one for one in (folder, *folder.parents) if not os.path.exists(one)]
    handle: int | None = None
    try:
        handle = _take(folder / NAME)
        yield
    finally:
        if handle is not None:
            _give_back(handle, folder / NAME)
        for one in made:
            with contextlib.suppress(OSError):
                one.rmdir()


def _take(path: Path) -> int:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            advice = "Choose another folder, or make room and try again."
            raise UserError(f"cannot write {path.parent}: {error}. {advice}") from error
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in TAKEN:
                os.close(handle)
                raise UserError(
                    f"{path.parent} is in use: another training goes on there. Wait for its end or stop it, or train "
                    f"into another folder (--out)."
                ) from error
            # some network file systems have no locks: everyone proceeds
        if _is_still(handle, path):
            return handle
        os.close(handle)  # whoever held it removed the file in between: this lock is of a file that is gone


def _is_still(handle: int, path: Path) -> bool:
    """Whether ``path`` is the file that was opened."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


def _give_back(handle: int, path: Path) -> None:
    if sys.platform == "win32":  # which removes no file that is open
        os.close(handle)
    with contextlib.suppress(OSError):
        path.unlink()
    if sys.platform != "win32":
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
