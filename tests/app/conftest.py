"""The command line, run in this process, and a small run to work on."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import quickstudy as qs
from quickstudy.app.cli import main
from quickstudy.training import TrainConfig

TINY = ("--width", "4", "--way", "2", "--query", "2", "--validate-episodes", "4", "--batching", "loop")
"""Flags that make a training of pictures take moments."""


@dataclass
class Answer:
    """What a command line gave."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """``main`` in an empty folder; a traceback fails the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*args: str) -> Answer:
        capsys.readouterr()
        code = main(args)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody may change."""
    path = tmp_path_factory.mktemp("runs") / "small"
    config = TrainConfig(way=2, query=2, steps=2, validate_every=1, validate_episodes=4)
    qs.train("protonet", "glyphs:classes=20", config, settings={"width": 4}, out=path)
    return path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it below ./runs, to be damaged at will."""
    return Path(shutil.copytree(finished, tmp_path / "runs" / "small"))


@pytest.fixture
def tiny() -> tuple[str, ...]:
    return TINY
