"""A PostgreSQL server of the test's own, where the machine has one installed."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def programs() -> Path | None:
    """The folder of initdb and postgres."""
    for place in (shutil.which("initdb"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))):
        if place is not None:
            folder = Path(place).resolve().parent
            if (folder / "postgres").exists():
                return folder
    return None


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The URL of an empty database; the test is skipped where none can be started."""
    folder = programs()
    if folder is None:
        pytest.skip("there is no initdb on this machine, so nothing is tried on PostgreSQL")
    user = _other_user() if os.geteuid() == 0 else None
    if os.geteuid() == 0 and user is None:
        pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")
    with tempfile.TemporaryDirectory(prefix="qs-pg-", dir="/tmp") as place:
        os.chmod(place, 0o755)
        data = Path(place) / "data"
        data.mkdir(mode=0o700)
        if user is not None:
            os.chown(data, user.pw_uid, user.pw_gid)
        as_user = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        made = subprocess.run(
            [folder / "initdb", "-D", data, "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **as_user,
        )
        assert made.returncode == 0, made.stderr
        port = _free_port()
        command = [folder / "postgres", "-D", data, "-p", str(port), "-k", data, "-c", "listen_addresses=127.0.0.1"]
        log = (Path(place) / "log").open("w")
        with log, subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **as_user) as process:
            try:
                _wait(port, process, Path(place) / "log")
                yield f"postgresql://tester@127.0.0.1:{port}/postgres"
            finally:
                process.terminate()
                process.wait(30)


def _other_user() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import psycopg

    for _ in range(200):
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"postgresql://tester@127.0.0.1:{port}/postgres", connect_timeout=1).close()
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    raise AssertionError(f"PostgreSQL does not answer: {log.read_text()}")
