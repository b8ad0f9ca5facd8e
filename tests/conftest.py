"""Fixtures for every test."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def one_core_each() -> Iterator[None]:
    """Tests run side by side, and operators as small as theirs only wait for a second core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def seemingly_two_cores(one_core_each: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that how=threads has two threads to deal tasks to, on any machine."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
