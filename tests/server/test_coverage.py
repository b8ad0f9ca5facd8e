"""Which labels an input may be, where it was measured how far a learner can be trusted."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from drawn import client_of, example, file, image, picture
from fastapi.testclient import TestClient

from quickstudy.estimator import FewShotClassifier
from quickstudy.server import arithmetic

SEEDS, LABELS = [1, 2, 3, 4], ["cat", "cat", "dog", "cow"]
ASKED = [picture(seed) for seed in (1, 9, 10, 11)]
INPUTS = {"inputs": [image(seed) for seed in (1, 9, 10, 11)]}


@pytest.fixture
def sure(measured: Path, drawings: Path, tmp_path: Path) -> Iterator[TestClient]:
    with client_of(tmp_path / "m.db", {"characters": str(measured), "unmeasured": str(drawings)}) as client:
        told = [example(label, seed) for label, seed in zip(LABELS, SEEDS, strict=True)]
        for name, learner in (("m", "characters"), ("u", "unmeasured")):
            client.post("/v1/models", json={"id": name, "learner": learner})
            client.post(f"/v1/models/{name}/examples", json={"examples": told})
        yield client


def test_answer_sets_are_those_of_the_estimator(sure: TestClient, measured: Path) -> None:
    same = FewShotClassifier(weights=str(measured)).fit([picture(seed) for seed in SEEDS], LABELS)
    sizes = set()
    for coverage in (0.3, 0.6, 0.66, 0.8, 0.95):
        found = sure.post("/v1/models/m/predict", json=INPUTS | {"coverage": coverage})
        assert found.status_code == 200, found.text
        sets, careful = same.answer_sets(ASKED, coverage), same.predict(ASKED, abstain=coverage)
        for one, marked, told in zip(found.json()["predictions"], sets, careful, strict=True):
            within = one["answer_set"]
            assert set(within) == set(same.classes_[marked])
            assert within == sorted(within, key=lambda label: -one["probabilities"][label])
            assert one["none_of_these"] is (len(within) == 0)
            assert (within[0] if len(within) == 1 else None) == told
            sizes.add(len(within))
    assert {0, 1, 3} <= sizes
    assert "answer_set" not in sure.post("/v1/models/m/predict", json=INPUTS).json()["predictions"][0]


def test_it_is_asked_in_every_form_and_of_one_prediction(sure: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = sure.post("/v1/models/m/predict", json=image(9) | {"coverage": 0.66}).json()["predictions"]
    asked: list[int] = []
    predictions = sure.app.state.service._predictions  # type: ignore[attr-defined]

    def counted(questions: list[arithmetic.Question]) -> object:
        asked.append(len(questions))
        return arithmetic.answer(questions)

    monkeypatch.setattr(predictions, "answer", counted)
    form = sure.post("/v1/models/m/predict?coverage=0.66", files=[("files", ("a.png", file(9)))])
    assert form.json()["predictions"] == wanted
    assert asked == [1]
    by_address = sure.post("/v1/models/m/predict?coverage=0.66", json=image(9))
    assert by_address.json()["predictions"] == wanted
    explained = sure.post("/v1/models/m/explain", json=image(9) | {"coverage": 0.66}).json()
    assert explained["prediction"] == wanted[0]


def test_what_was_not_measured_is_refused_with_a_sentence(sure: TestClient) -> None:
    def said(model: str, coverage: object, more: str = "") -> str:
        refused = sure.post(f"/v1/models/{model}/predict{more}", json=image(9) | {"coverage": coverage})
        assert refused.status_code == 400, refused.text
        return str(refused.json()["error"])

    assert "unmeasured can be trusted was not measured" in said("u", 0.9)
    assert "quickstudy calibrate RUN" in said("u", 0.9)
    for coverage in (0, 1, 90, -0.5):
        assert "expected a share between 0 and 1" in said("m", coverage)
    assert "coverage" in said("m", "0.9")
    form = sure.post("/v1/models/m/predict?coverage=most", files=[("files", ("a.png", file(9)))])
    assert form.status_code == 400
    assert "'most'; expected a share" in form.json()["error"]
    told = [example(f"more {seed}", seed) for seed in (5, 6, 7)]
    sure.post("/v1/models/m/examples", json={"examples": told})
    assert "there are 6 labels" in said("m", 0.9)
    assert "measured for 2 to 5 labels" in said("m", 0.9)
    offers = {one["name"]: one["calibrated"] for one in sure.get("/v1/learners").json()}
    assert offers == {"characters": True, "unmeasured": False, "nearest": False, "tables": True} | {
        name: False for name in offers if name == "photos"
    }


def test_numbers_learn_their_sets_too(sure: TestClient) -> None:
    """A label that is a number stays one."""
    sure.post("/v1/models", json={"id": "digits"})
    sure.post("/v1/models/digits/examples", json={"examples": [example(3, 1), example(7, 2)]})
    found = sure.post("/v1/models/digits/predict", json=image(1) | {"coverage": 0.95}).json()["predictions"][0]
    assert set(found["answer_set"]) <= {3, 7}
    assert np.isclose(sum(found["probabilities"].values()), 1)
