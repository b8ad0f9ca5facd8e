"""Rows with words and gaps, for a learner of tables."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn import client_of

import quickstudy as qs
from quickstudy.estimator import FewShotClassifier
from quickstudy.server import knowledge
from quickstudy.training import TrainConfig


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "tables"
    config = TrainConfig(way=2, shot=4, query=4, steps=2, validate_every=0)
    qs.train("incontext", "tables:columns=4", config, settings={"width": 16, "layers": 1, "heads": 2}, out=path)
    return path


def test_rows_are_read_as_the_estimator_reads_them(tables: Path, drawings: Path, tmp_path: Path) -> None:
    first = pd.DataFrame({"size": [1.0, 2.5, None, 4.0], "colour": ["red", "blue", "red", None]})
    more = pd.DataFrame({"size": [3.0, 9.0], "colour": ["amber", "blue"]})
    asked = pd.DataFrame({"size": [2.0, None, 1.0], "colour": ["amber", "never met", None]})
    same = FewShotClassifier(weights=str(tables)).fit(first, ["a", "b", "a", "b"]).partial_fit(more, ["b", "c"])
    with client_of(tmp_path / "m.db", {"characters": str(drawings), "tables": str(tables)}) as client:
        client.post("/v1/models", json={"id": "t", "learner": "tables"})
        told = [{"label": label, "row": row} for label, row in zip("abab", rows(first), strict=True)]
        assert client.post("/v1/models/t/examples", json={"examples": told}).status_code == 201
        csv = {"content-type": "text/csv"}
        body = "size,kind,colour\n3,b,amber\n9,c,blue\n"
        added = client.post("/v1/models/t/examples?target=kind", content=body, headers=csv)
        assert added.status_code == 201, added.text
        found = client.post("/v1/models/t/predict", json={"inputs": [{"row": row} for row in rows(asked)]}).json()
        got = [[*one["probabilities"].values()] for one in found["predictions"]]
        np.testing.assert_allclose(got, same.predict_proba(asked), atol=1e-5)
        by_table = client.post("/v1/models/t/predict", content="size,colour\n2,amber\n,never met\n1,\n", headers=csv)
        assert [one["probabilities"] for one in by_table.json()["predictions"]] == [
            pytest.approx(one["probabilities"], abs=1e-6) for one in found["predictions"]
        ]
        for row, why in (({"shape": 1}, "shape"), ({}, "empty"), ({"size": 1e300}, "1e\\+300")):
            refused = client.post("/v1/models/t/predict", json={"row": row})
            assert refused.status_code == 400
            with pytest.raises(AssertionError, match=why):
                raise AssertionError(refused.json()["error"])
        (tmp_path / "t.qs").write_bytes(client.get("/v1/models/t/export").content)
        loaded = FewShotClassifier.load(tmp_path / "t.qs")
        np.testing.assert_allclose(loaded.predict_proba(asked), same.predict_proba(asked), atol=1e-5)
        moved = client.post("/v1/models/import?id=u", content=(tmp_path / "t.qs").read_bytes())
        assert moved.status_code == 201, moved.text
        again = client.post("/v1/models/u/predict", json={"inputs": [{"row": row} for row in rows(asked)]}).json()
        np.testing.assert_allclose([[*one["probabilities"].values()] for one in again["predictions"]], got, atol=1e-5)
        assert client.get("/v1/models/t/estimate").status_code == 200
        assert client.get("/v1/models/t/map").status_code == 200
        assert client.post("/v1/models/t/explain", json={"row": rows(asked)[0]}).status_code == 200


def test_large_states_are_found_anew_and_not_written_down(
    drawings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pd.DataFrame({"size": [1.0, 2.5, None, 4.0], "colour": ["red", "blue", "red", None]})
    asked = {"inputs": [{"row": {"size": 2.0, "colour": "blue"}}, {"row": {"size": None, "colour": "red"}}]}
    told = {"examples": [{"label": label, "row": row} for label, row in zip("abab", rows(first), strict=True)]}
    found, stored = [], []
    for most in (10**9, 1000):
        monkeypatch.setattr(knowledge, "MOST_STORED", most)
        for begins in (True, False):
            with client_of(tmp_path / f"{most}.db", {"characters": str(drawings)}) as client:
                if begins:
                    client.post("/v1/models", json={"id": "t", "learner": "tables"})
                    assert client.post("/v1/models/t/examples", json=told).status_code == 201
                found.append(client.post("/v1/models/t/predict", json=asked).json()["predictions"])
        with sqlite3.connect(tmp_path / f"{most}.db") as store:
            stored.append(store.execute("select count(*) from states").fetchone()[0])
    assert stored == [1, 0]
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            assert one["probabilities"] == pytest.approx(same["probabilities"], abs=1e-6)


def rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()} for row in frame.to_dict("records")
    ]
