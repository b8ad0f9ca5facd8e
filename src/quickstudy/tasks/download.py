"""Fetching a file over HTTP: streamed, resumed where it was cut off, checked, and put in place whole."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from quickstudy.errors import UserError
from quickstudy.tasks.places import notice, progress

ATTEMPTS = 4
BACKOFF = 1.0
"""Seconds before the second attempt; doubled before each further one."""
TIMEOUT = 30.0
_BLOCK = 1 << 18
_AGAIN = {408, 429, 500, 502, 503, 504}
"""Answers of a server that may be over in a moment."""
_MOVE = "Set QUICKSTUDY_CACHE to a folder with room that can be written."


def fetch(
    url: str, target: Path, *, md5: str = "", sha256: str = "", size: int | None = None, advice: str = ""
) -> None:
    """Download ``url`` to the file ``target`` unless it is there already.

    One of ``md5`` and ``sha256`` (hexadecimal) must be given; ``size`` is in bytes, where it is known beforehand. What
    arrives is kept in ``target`` + ``.part``, so that the next call, too, continues where this one was cut off.
    ``advice`` says what to do where there is no network. Raises UserError if the file is not to be had, is not the one
    expected, or has no room.
    """
    if not (md5 or sha256):
        raise ValueError("fetch needs a checksum")
    if target.exists():
        return
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _attempts(url, part, size, advice)
        _verify(url, part, md5=md5, sha256=sha256)
        os.replace(part, target)
    except OSError as error:
        what = "no disk space in the cache" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "cannot write the cache"
        raise UserError(f"{what}: {url} was to be stored as {target} ({error}). {_MOVE}") from error


def _attempts(url: str, part: Path, size: int | None, advice: str) -> None:
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            pause = BACKOFF * 2 ** (attempt - 1)
            notice(f"{reason}; trying again in {pause:g} s.")
            time.sleep(pause)
        try:
            _receive(url, part, size)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in _AGAIN:
                raise UserError(f"{url} cannot be downloaded: the server answers {error}. {advice}") from error
            reason = str(error)
        except _CutOffError as error:
            reason = str(error)
    raise UserError(
        f"{url} cannot be downloaded after {ATTEMPTS} attempts: {reason}. Check the network and try again (what "
        f"arrived is kept). {advice}"
    )


class _CutOffError(Exception):
    """The connection failed or was cut off; another attempt may go better."""


def _receive(url: str, part: Path, size: int | None) -> None:
    """One attempt: append to ``part`` what it lacks. Raises _CutOffError, HTTPError; OSError only for the file."""
    held = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "quickstudy"}
    if held:
        headers["Range"] = f"bytes={held}-"
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # the range cannot be satisfied: nothing is left to send
            raise
        error.close()
        if error.headers.get("Content-Range") == f"bytes */{held}":
            return
        part.unlink(missing_ok=True)
        raise _CutOffError(f"{part} did not fit the file and was deleted") from error
    except (OSError, http.client.HTTPException) as error:  # URLError, refused, reset and timed out are OSErrors
        raise _CutOffError(str(error)) from error
    with answer:
        held = _continued(answer, part, held)
        total = size if answer.length is None else held + answer.length
        if total is not None:
            _check_room(url, part, total - held)
        _store(url, answer, part, held, total)


def _continued(answer: http.client.HTTPResponse, part: Path, held: int) -> int:
    """How many of the ``held`` bytes the answer goes on from: 0 if the server knows no ranges and sends all again."""
    if answer.status != 206:
        return 0
    if str(answer.headers.get("Content-Range")).startswith(f"bytes {held}-"):
        return held
    part.unlink(missing_ok=True)
    raise _CutOffError("the server sent another range than was asked for")


def _check_room(url: str, part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise UserError(
            f"no disk space in the cache: {url} needs {needed / 1e6:.1f} MB more, {part.parent} has {free / 1e6:.1f} "
            f"MB. {_MOVE}"
        )


def _store(url: str, answer: http.client.HTTPResponse, part: Path, held: int, total: int | None) -> None:
    with progress(f"Downloading {url}", total, bytes_=True) as advance, part.open("ab" if held else "wb") as file:
        advance(held)
        while True:
            try:
                block = answer.read(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise _CutOffError(f"the connection was cut off after {held} bytes ({error})") from error
            if not block:
                break
            file.write(block)
            held += len(block)
            advance(len(block))
        file.flush()
        os.fsync(file.fileno())
    if total is not None and held < total:
        raise _CutOffError(f"the connection was cut off after {held} of {total} bytes")


def _verify(url: str, part: Path, *, md5: str, sha256: str) -> None:
    name, expected = ("sha256", sha256) if sha256 else ("md5", md5)
    digest = hashlib.new(name, usedforsecurity=False)
    with part.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    if (found := digest.hexdigest()) != expected.lower():
        part.unlink()
        raise UserError(
            f"what came from {url} is not the expected file and was deleted: {name} {found}, expected {expected}. "
            "Try again; if it stays so, a proxy changes the file or its source was replaced."
        )
