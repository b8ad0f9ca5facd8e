"""Fixtures for every test."""

import gc
import getpass
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ENOUGH = 4 * 2**30
"""Free bytes of memory from which on temporary files are kept there."""


def pytest_configure() -> None:
    """Temporary files in memory where there is room: they are synchronised thousands of times, and disks are slow."""
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
        compiled = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}"
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(compiled))  # this is kept from one day to the next
        os.environ["TMPDIR"] = str(MEMORY)  # for the processes that tests start, too
        tempfile.tempdir = None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """No search for garbage among modules and tests: none is there, and there are nearly a million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def one_core_for_all() -> None:
    """Tests run side by side, and operators as small as theirs only wait for a second core."""
    import torch  # here, because the process that only deals the tests out needs none

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def one_core_each(one_core_for_all: None) -> Iterator[None]:
    """Also after a test that took more."""
    import torch

    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.fixture
def seemingly_two_cores(one_core_each: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that how=threads has two threads to deal tasks to, on any machine."""
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
