"""No test here needs data."""

import pytest

from quickstudy.bench import episodes


@pytest.fixture(autouse=True)
def no_omniglot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters are glyphs."""
    monkeypatch.setattr(episodes.omniglot_files, "held", lambda *_: None)
