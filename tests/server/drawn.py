"""Pictures drawn from a seed, in every form that is sent, and a client of a server in this process."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from quickstudy.server.app import make_app
from quickstudy.server.limits import Limits
from quickstudy.server.settings import Settings

SIDE = 28


def picture(seed: int, side: int = SIDE) -> np.ndarray[Any, Any]:
    """[side, side] uint8, another for each seed."""
    drawn = np.random.default_rng(seed).integers(0, 2, (4, 4), dtype=np.uint8) * 255
    return np.kron(drawn, np.ones((side // 4, side // 4), np.uint8))


def file(seed: int, side: int = SIDE) -> bytes:
    """The same as a PNG file."""
    out = io.BytesIO()
    Image.fromarray(picture(seed, side)).save(out, "PNG")
    return out.getvalue()


def image(seed: int) -> dict[str, str]:
    """The same as an input."""
    return {"image": base64.b64encode(file(seed)).decode()}


def example(label: Any, seed: int) -> dict[str, Any]:
    """The same with a label."""
    return {"label": label} | image(seed)


def client_of(store: Path | str, weights: dict[str, str], **more: Any) -> TestClient:
    """A client of a server of its own, under a name of this machine."""
    limits = Limits(**more)
    app = make_app(Settings(store=str(store), weights=weights, threads=1, limits=limits))
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


def teach_pets(client: TestClient) -> None:
    """A model of two labels, three examples: its version is 2."""
    assert client.post("/v1/models", json={"id": "pets"}).status_code == 201
    told = {"examples": [example("cat", 1), example("cat", 2), example("dog", 3)]}
    assert client.post("/v1/models/pets/examples", json=told).status_code == 201
