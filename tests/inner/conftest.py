"""Fixtures for the inner loop."""

from collections.abc import Iterator

import pytest

from quickstudy.inner import calls, recorded


@pytest.fixture
def nothing_recorded() -> Iterator[None]:
    """No recording of another test, nor what is known of its calls."""
    recorded.RECORDINGS.clear()
    calls.forget()
    yield
    recorded.RECORDINGS.clear()
