"""A server in a process of its own."""

import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def serve(store: Path | str, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and its URL; killed at the end if it is still there. What it logged is shown if a test fails."""
    command: Sequence[str] = [sys.executable, "-m", "quickstudy", "serve", "--port", "0", "--store", str(store), *more]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "http://" in line, "the server did not start"
            yield process, line.split()[-1]
        except BaseException:
            log.seek(0)
            print(log.read())
            raise
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(30)
