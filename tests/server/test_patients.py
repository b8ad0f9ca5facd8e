"""Patients in terms of an ontology over HTTP."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import client_of

import quickstudy as qs
from quickstudy import confidence
from quickstudy.app.predict_cases import as_json
from quickstudy.confidence import Confidence
from quickstudy.estimator import FewShotClassifier
from quickstudy.estimator.differential import RESEARCH, differential

PATIENTS = {
    "a": [["HP:9000040", "HP:9000061"], ["HP:9000040", "HP:9000099"]],
    "b": [["HP:9000070", "Invented finding 85"], ["HP:9000071", "HP:9000085"]],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "idf"
    qs.train("idf", "phenotypes:simulated=true", out=path)
    return path


def test_patients_are_learnt_and_told_as_by_the_estimator(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    labels = [label for label, every in PATIENTS.items() for _ in every]
    lists = [one for every in PATIENTS.values() for one in every]
    asked = [{"observed": ["HP:9000040"], "excluded": ["HP:9000070"]}, {"observed": ["HP:9000085"]}]
    same = FewShotClassifier(weights=str(run), device="cpu").fit(lists, labels)
    with client_of(tmp_path / "m.db", {"rare": str(run)}) as client:
        about = {one["name"]: one for one in client.get("/v1/learners").json()}
        assert (about["rare"]["input"], about["rare"]["learner"]) == ("terms", "idf")
        client.post("/v1/models", json={"id": "r", "learner": "rare"})
        told = [{"label": label, "terms": {"observed": own}} for label, own in zip(labels, lists, strict=True)]
        added = client.post("/v1/models/r/examples", json={"examples": told})
        assert added.status_code == 201, added.text
        found = client.post("/v1/models/r/predict", json={"inputs": [{"terms": one} for one in asked]})
        assert found.status_code == 200, found.text
        got = [[*one["probabilities"].values()] for one in found.json()["predictions"]]
        np.testing.assert_allclose(got, same.predict_proba(asked), atol=1e-5)
        for terms, why in (
            ({"observed": ["HP:1"]}, "the term 'HP:1' is unknown"),
            ({"observed": []}, "no observed term"),
            (
                {"observed": ["HP:9000040"], "excluded": ["HP:9000040"]},
                "'HP:9000040' is excluded, and 'HP:9000040' obs",
            ),
            ({"observed": ["HP:9000040"] * 100_000}, "a patient may have"),
        ):
            refused = client.post("/v1/models/r/predict", json={"terms": terms})
            assert refused.status_code in (400, 413)
            assert why in refused.json()["error"]
        assert client.post("/v1/models/r/predict", json={"x": [1.0]}).status_code == 400
        assert client.get("/v1/models/r/estimate").status_code == 200
        assert client.post("/v1/models/r/explain", json={"terms": asked[0]}).status_code == 200
        (tmp_path / "r.qs").write_bytes(client.get("/v1/models/r/export").content)
        np.testing.assert_allclose(FewShotClassifier.load(tmp_path / "r.qs").predict_proba(asked), got, atol=1e-5)
        moved = client.post("/v1/models/import?id=s", content=(tmp_path / "r.qs").read_bytes())
        assert moved.status_code == 201, moved.text


def test_a_patient_is_explained_as_predict_does(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    known = Confidence(
        tasks="t",
        episodes=50,
        seed=0,
        ways=(2, 5),
        shots=(1, 5),
        accuracy=torch.ones(2, 2),
        temperature=torch.full((2, 2), 2.0),
        scores=torch.linspace(0, 1, 401).expand(2, 2, -1).contiguous(),
        typical=None,
    )
    confidence.write(known, run / confidence.FILE)
    labels = [label for label, every in PATIENTS.items() for _ in every]
    lists = [one for every in PATIENTS.values() for one in every]
    same = FewShotClassifier(weights=str(run), device="cpu").fit(lists, labels)
    asked = {"observed": ["HP:9000040", "HP:9000085"], "excluded": ["HP:9000070"]}
    (row,) = same._reader.read([asked], same, False)
    same.names_ = np.array(["1", "2", "3", "4"])
    wanted = as_json("", differential(same, row, same.threshold(0.7)), same.threshold(0.7))
    with client_of(tmp_path / "m.db", {"rare": str(run)}) as client:
        client.post("/v1/models", json={"id": "r", "learner": "rare"})
        told = [{"label": label, "terms": {"observed": own}} for label, own in zip(labels, lists, strict=True)]
        client.post("/v1/models/r/examples", json={"examples": told})
        answer = client.post("/v1/models/r/explain", json={"terms": asked, "coverage": 0.7})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        plain = client.post("/v1/models/r/explain", json={"terms": asked}).json()
        many = {"observed": [name.partition(" ")[0] for name in same._reader.names[1:]]}
        monkeypatch.setattr("quickstudy.server.differentials.MOST", 2)
        refused = client.post("/v1/models/r/explain", json={"terms": many})
    assert found["note"] == RESEARCH == wanted["note"]
    assert json.loads(json.dumps(found["diseases"]), parse_float=short) == json.loads(
        json.dumps(wanted["diseases"]), parse_float=short
    )
    first = found["diseases"][0]
    assert first["for"]
    assert first["alike"][0]["case"] in same.names_
    assert found["prediction"]["answer_set"] == wanted["answer_set"]
    assert found["prediction"]["none_of_these"] == wanted["none_of_these"]
    assert plain["diseases"] == found["diseases"]
    assert "answer_set" not in plain["prediction"]
    assert refused.status_code == 413
    assert "predict answers all" in refused.json()["error"]


def short(text: str) -> float:
    """A number as far as two ways of computing it agree."""
    return round(float(text), 4)
