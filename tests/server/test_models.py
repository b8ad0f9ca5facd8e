"""Making, changing, asking and moving models over HTTP."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import client_of, example, file, image, picture
from fastapi.testclient import TestClient

from quickstudy import runs
from quickstudy.estimator import FewShotClassifier


def probabilities(client: TestClient, model: str, given: dict[str, Any]) -> dict[str, float]:
    answer = client.post(f"/v1/models/{model}/predict", json=given)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"][0]["probabilities"]


def test_a_model_answers_what_the_estimator_answers(pets: TestClient, drawings: Path) -> None:
    same = FewShotClassifier(weights=str(drawings)).fit([picture(1), picture(2), picture(3)], ["cat", "cat", "dog"])
    wanted = same.predict_proba([picture(4), picture(5)])
    found = pets.post("/v1/models/pets/predict", json={"inputs": [image(4), image(5)]}).json()
    assert [list(one["probabilities"]) for one in found["predictions"]] == [["cat", "dog"]] * 2
    got = [[*one["probabilities"].values()] for one in found["predictions"]]
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    assert [one["label"] for one in found["predictions"]] == list(same.predict([picture(4), picture(5)]))
    assert found["version"] == 2


def test_the_same_picture_in_every_form_has_the_same_answer(pets: TestClient) -> None:
    wanted = probabilities(pets, "pets", image(7))
    pixels = {"pixels": (picture(7) / 255).tolist()}
    assert probabilities(pets, "pets", pixels) == pytest.approx(wanted, abs=1e-6)
    assert probabilities(pets, "pets", {"image": "data:image/png;base64," + image(7)["image"]}) == wanted
    sent = pets.post("/v1/models/pets/predict", files=[("files", ("a.png", file(7)))]).json()
    assert sent["predictions"][0]["probabilities"] == pytest.approx(wanted, abs=1e-6)


def test_what_is_unlearnt_is_as_if_it_had_never_been_met(pets: TestClient) -> None:
    before = probabilities(pets, "pets", image(9))
    added = pets.post("/v1/models/pets/examples", json={"examples": [example("cow", 5), example("dog", 6)]}).json()
    assert added["model"]["labels"][1] == {"label": "cow", "examples": 1}
    assert set(probabilities(pets, "pets", image(9))) == {"cat", "cow", "dog"}
    assert pets.delete("/v1/models/pets/labels/cow").json()["examples"] == 4
    assert pets.delete(f"/v1/models/pets/examples/{added['ids'][1]}").json()["examples"] == 3
    assert probabilities(pets, "pets", image(9)) == pytest.approx(before, abs=1e-6)
    again = pets.post("/v1/models/pets/examples", json={"examples": [example("cow", 5)]}).json()
    assert not set(again["ids"]) & set(added["ids"])  # a number is never given twice


def test_a_label_is_renamed_and_two_become_one(pets: TestClient) -> None:
    renamed = pets.patch("/v1/models/pets/labels/cat", json={"label": "big/cat ü"}).json()
    assert [one["label"] for one in renamed["labels"]] == ["big/cat ü", "dog"]
    merged = pets.patch("/v1/models/pets/labels/big%2Fcat%20%C3%BC", json={"label": "dog"}).json()
    assert merged["labels"] == [{"label": "dog", "examples": 3}]
    assert probabilities(pets, "pets", image(9)) == {"dog": 1.0}


def test_labels_keep_their_type(client: TestClient) -> None:
    client.post("/v1/models", json={"id": "digits"})
    told = {"examples": [example(3, 1), example(2.5, 2), example(1.0, 3)]}
    made = client.post("/v1/models/digits/examples", json=told).json()["model"]
    assert made["labels"] == [{"label": label, "examples": 1} for label in (1, 2.5, 3)]
    found = client.post("/v1/models/digits/predict", json=image(2)).json()["predictions"][0]
    assert list(found["probabilities"]) == ["1", "2.5", "3"]
    assert found["label"] == 2.5
    mixed = client.post("/v1/models/digits/examples", json={"examples": [example("three", 4)]})
    assert mixed.status_code == 400
    assert "one kind" in mixed.json()["error"]
    by_form = client.post("/v1/models/digits/examples", data={"label": "3"}, files=[("f", file(5))]).json()
    assert by_form["model"]["labels"][-1] == {"label": 3, "examples": 2}
    assert client.delete("/v1/models/digits/labels/2.5").json()["examples"] == 3


def test_examples_are_listed_and_shown_as_the_learner_sees_them(pets: TestClient) -> None:
    first = pets.get("/v1/models/pets/examples?limit=2").json()
    rest = pets.get(f"/v1/models/pets/examples?limit=2&after={first['next']}").json()
    assert [one["label"] for one in first["examples"] + rest["examples"]] == ["cat", "cat", "dog"]
    assert rest["next"] is None
    only = pets.get("/v1/models/pets/examples?label=dog").json()["examples"]
    assert [one["id"] for one in only] == ["3"]
    shown = pets.get("/v1/models/pets/examples/3/image")
    assert shown.headers["content-type"] == "image/png"
    assert shown.content.startswith(b"\x89PNG")


def test_models_are_listed_page_by_page(client: TestClient) -> None:
    for number in range(5):
        client.post("/v1/models", json={"id": f"m{number}"})
    first = client.get("/v1/models?limit=3").json()
    rest = client.get(f"/v1/models?limit=3&after={first['next']}").json()
    assert [one["id"] for one in first["models"] + rest["models"]] == [f"m{number}" for number in range(5)]
    assert rest["next"] is None
    assert client.delete("/v1/models/m1").status_code == 204
    assert client.get("/v1/models/m1").status_code == 404


def test_probabilities_are_as_sure_as_was_measured(measured: Path, drawings: Path, tmp_path: Path) -> None:
    seeds, labels = [1, 2, 3, 4], ["cat", "cat", "dog", "cow"]
    drawn = [picture(seed) for seed in seeds]
    same, plain = (FewShotClassifier(weights=str(place)).fit(drawn, labels) for place in (measured, drawings))
    with client_of(tmp_path / "m.db", {"characters": str(measured)}) as client:
        client.post("/v1/models", json={"id": "m"})
        told = [example(label, seed) for label, seed in zip(labels, seeds, strict=True)]
        client.post("/v1/models/m/examples", json={"examples": told})
        found = [*probabilities(client, "m", image(9)).values()]
        (tmp_path / "m.qs").write_bytes(client.get("/v1/models/m/export").content)
    np.testing.assert_allclose(found, same.predict_proba([picture(9)])[0], atol=1e-5)
    assert np.abs(found - plain.predict_proba([picture(9)])[0]).max() > 1e-3
    moved = FewShotClassifier.load(tmp_path / "m.qs").predict_proba([picture(9)])[0]
    np.testing.assert_allclose(found, moved, atol=1e-5)


def test_a_model_that_is_made_again_knows_nothing_of_the_one_before(pets: TestClient) -> None:
    probabilities(pets, "pets", image(1))
    pets.delete("/v1/models/pets")
    pets.post("/v1/models", json={"id": "pets"})
    refused = pets.post("/v1/models/pets/predict", json=image(1))
    assert refused.status_code == 409
    assert "no examples yet" in refused.json()["error"]


def test_an_explanation_names_the_example_that_is_the_input(pets: TestClient) -> None:
    found = pets.post("/v1/models/pets/explain", json=image(3)).json()
    assert found["nearest"][0] == {"id": "3", "label": "dog", "distance": pytest.approx(0, abs=1e-4)}
    assert found["classes"][0]["label"] == found["prediction"]["label"] == "dog"
    assert [one["score"] for one in found["classes"]] == sorted((o["score"] for o in found["classes"]), reverse=True)


def test_an_estimate_predicts_each_example_from_the_others(client: TestClient) -> None:
    client.post("/v1/models", json={"id": "n", "learner": "nearest"})
    told = [{"label": label, "x": [x, 0.0]} for label, x in (("a", 0), ("a", 1), ("b", 10), ("b", 11), ("b", 0.6))]
    client.post("/v1/models/n/examples", json={"examples": told})
    found = client.get("/v1/models/n/estimate").json()
    assert found["labels"] == ["a", "b"]
    assert found["confusion"] == [[0, 2], [1, 2]]  # the b beside the a's is nearest to both of them
    assert found["accuracy"] == pytest.approx(0.4)
    assert found["weakest"] == "a"


def test_an_estimate_of_pictures_is_the_estimators(pets: TestClient, drawings: Path) -> None:
    from quickstudy.estimator import held_out

    pets.post("/v1/models/pets/examples", json={"examples": [example("dog", 8), example("cat", 9)]})
    same = FewShotClassifier(weights=str(drawings))
    same.fit([picture(seed) for seed in (1, 2, 3, 8, 9)], ["cat", "cat", "dog", "dog", "cat"])
    assert pets.get("/v1/models/pets/estimate").json()["accuracy"] == pytest.approx(held_out(same).accuracy)


def test_the_map_keeps_distances_of_examples_on_a_plane(client: TestClient) -> None:
    client.post("/v1/models", json={"id": "n", "learner": "nearest"})
    points = {"a": (0.0, 0.0), "b": (3.0, 0.0), "c": (0.0, 4.0)}
    told = [{"label": label, "x": [5.0, *at]} for label, at in points.items()]
    client.post("/v1/models/n/examples", json={"examples": told})
    found = client.get("/v1/models/n/map").json()
    at = {one["label"]: np.array(one["at"]) for one in found["examples"]}
    for one, other, distance in (("a", "b", 3), ("a", "c", 4), ("b", "c", 5)):
        assert np.linalg.norm(at[one] - at[other]) == pytest.approx(distance, abs=1e-5)
    assert found["classes"][0] == {"label": "a", "at": pytest.approx(at["a"].tolist())}


def test_a_model_moves_by_its_file(pets: TestClient, tmp_path: Path) -> None:
    wanted = probabilities(pets, "pets", image(9))
    content = pets.get("/v1/models/pets/export").content
    (tmp_path / "pets.qs").write_bytes(content)
    loaded = FewShotClassifier.load(tmp_path / "pets.qs")
    np.testing.assert_allclose(loaded.predict_proba([picture(9)])[0], [*wanted.values()], atol=1e-5)
    loaded.partial_fit([picture(10)], ["cow"]).save(tmp_path / "more.qs")
    made = pets.post("/v1/models/import?id=more", content=(tmp_path / "more.qs").read_bytes())
    assert made.status_code == 201, made.text
    assert [one["label"] for one in made.json()["labels"]] == ["cat", "cow", "dog"]
    got = probabilities(pets, "more", image(9))
    np.testing.assert_allclose([*got.values()], loaded.predict_proba([picture(9)])[0], atol=1e-5)


def test_nothing_but_examples_is_taken_from_a_file(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "n.qs"
    FewShotClassifier("nearest", weights=None).fit([[0.0, 1.0], [1.0, 0.0]], ["a", "b"]).save(path)
    assert client.post("/v1/models/import?id=n", content=path.read_bytes()).status_code == 201
    tensors, note = runs.read_tensors(path)
    for change in ({"learner": "antigravity:fly"}, {"config": {"k": 3}}, {"learner": "protonet"}):
        runs.write_tensors(path, tensors, note | change)
        refused = client.post("/v1/models/import", content=path.read_bytes())
        assert refused.status_code == 400
        assert "none of those that are served" in refused.json()["error"]
    assert "antigravity" not in sys.modules
    for change in ({"classes": {"labels": ["a", 1]}}, {"classes": {"labels": ["a"]}}, {"names": ["x"]}, {"levels": 3}):
        runs.write_tensors(path, tensors, note | change)
        assert client.post("/v1/models/import", content=path.read_bytes()).status_code == 400, change
    far = tensors | {"examples": torch.full((2, 2), torch.inf)}
    runs.write_tensors(path, far, note)
    assert client.post("/v1/models/import", content=path.read_bytes()).status_code == 400


@pytest.mark.parametrize("damage", ["cut", "zeros", "noise", "nothing"])
def test_a_damaged_file_is_refused(pets: TestClient, damage: str) -> None:
    content = pets.get("/v1/models/pets/export").content
    body = {
        "cut": content[: len(content) // 2],
        "zeros": bytes(1000),
        "noise": np.random.default_rng(0).bytes(5000),
        "nothing": b"",
    }[damage]
    refused = pets.post("/v1/models/import", content=body)
    assert refused.status_code == 400
    assert "file" in refused.json()["error"]


def test_tables_of_numbers(client: TestClient) -> None:
    client.post("/v1/models", json={"id": "n", "learner": "nearest"})
    csv = {"content-type": "text/csv"}
    added = client.post("/v1/models/n/examples?target=kind", content="w,h,kind\n1,2,0\n9,8,1\n", headers=csv)
    assert added.json()["model"]["labels"] == [{"label": 0, "examples": 1}, {"label": 1, "examples": 1}]
    found = client.post("/v1/models/n/predict", content="w,h\n1.2,2\n7,7\n", headers=csv).json()
    assert [one["label"] for one in found["predictions"]] == [0, 1]
    for body, why in (
        ("w,h\n1,x\n", "numbers"),
        ("w,h\n1\n", "cells"),
        ("w,w\n1,2\n", "name"),
        ("w,h\n", "no rows"),
        ("w\n1\n", "expected 2"),
    ):
        refused = client.post("/v1/models/n/predict", content=body, headers=csv)
        assert refused.status_code == 400, body
        assert why in refused.json()["error"], refused.text


def test_an_example_is_refused_whole(pets: TestClient) -> None:
    told = {"examples": [example("cow", 4), {"label": "cow", "image": "AAAA"}]}
    assert pets.post("/v1/models/pets/examples", json=told).status_code == 400
    assert pets.get("/v1/models/pets").json()["examples"] == 3


def test_after_a_restart_everything_is_there(pets: TestClient, serving: Callable[..., TestClient]) -> None:
    wanted = probabilities(pets, "pets", image(9))
    again = serving()
    assert probabilities(again, "pets", image(9)) == pytest.approx(wanted, abs=1e-6)


def test_other_weights_under_the_same_name_learn_anew(pets: TestClient, tmp_path: Path) -> None:
    import quickstudy as qs
    from quickstudy.training import TrainConfig

    path = tmp_path / "other"
    config = TrainConfig(way=5, query=2, steps=1, validate_every=0, seed=7)
    qs.train("protonet", "glyphs:classes=20", config, settings={"width": 8}, out=path)
    same = FewShotClassifier(weights=str(path)).fit([picture(1), picture(2), picture(3)], ["cat", "cat", "dog"])
    with client_of(tmp_path / "models.db", {"characters": str(path)}) as other:
        found = [*probabilities(other, "pets", image(9)).values()]
    np.testing.assert_allclose(found, same.predict_proba([picture(9)])[0], atol=1e-5)
