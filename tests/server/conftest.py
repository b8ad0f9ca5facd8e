"""A small trained learner of drawings, and a server in this process."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from drawn import client_of, teach_pets
from fastapi.testclient import TestClient

import quickstudy as qs
from quickstudy import confidence
from quickstudy.confidence import Confidence
from quickstudy.training import TrainConfig


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a learner of drawings."""
    path = tmp_path_factory.mktemp("runs") / "drawings"
    config = TrainConfig(way=5, query=2, steps=2, validate_every=0)
    qs.train("protonet", "glyphs:classes=20", config, settings={"width": 8}, out=path)
    return path


@pytest.fixture(scope="session")
def measured(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with a made-up measurement of how far it can be trusted with 2 to 5 labels."""
    path = Path(shutil.copytree(drawings, tmp_path_factory.mktemp("measured") / "drawings"))
    known = Confidence(
        tasks="t",
        episodes=50,
        seed=0,
        ways=(2, 5),
        shots=(1, 5),
        accuracy=torch.ones(2, 2),
        temperature=torch.tensor([[4.0, 1.5], [3.0, 2.0]]),
        scores=torch.linspace(0, 1, 401).expand(2, 2, -1).contiguous(),
        typical=None,
    )
    confidence.write(known, path / confidence.FILE)
    return path


@pytest.fixture
def serving(drawings: Path, tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """Starts a server on this test's store; limits may be given."""
    started: list[TestClient] = []

    def start(**limits: Any) -> TestClient:
        client = client_of(tmp_path / "models.db", {"characters": str(drawings)}, **limits)
        client.__enter__()
        started.append(client)
        return client

    yield start
    for client in started:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serving: Callable[..., TestClient]) -> TestClient:
    return serving()


@pytest.fixture
def pets(client: TestClient) -> TestClient:
    """A server with a model of two labels, three examples."""
    teach_pets(client)
    return client
