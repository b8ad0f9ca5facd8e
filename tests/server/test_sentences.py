"""What a newcomer sends at first, and what is said of it."""

from collections.abc import Callable

import pytest
from drawn import example
from fastapi.testclient import TestClient

CSV = {"content-type": "text/csv"}


def said(answer: object, code: int) -> str:
    assert answer.status_code == code, answer.text  # type: ignore[attr-defined]
    return str(answer.json()["error"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/", "/v1/health"])
def test_heads_are_there(client: TestClient, path: str) -> None:
    answer = client.head(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == client.get(path).headers["content-type"]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_has_the_separator_that_it_has(client: TestClient, mark: str) -> None:
    client.post("/v1/models", json={"id": "n", "learner": "nearest"})
    table = 'w,h,kind\n1,2,"a; b"\n9,8,c\n'.replace(",", mark)
    added = client.post("/v1/models/n/examples?target=kind", content=table, headers=CSV)
    assert added.status_code == 201, added.text
    assert [one["label"] for one in added.json()["model"]["labels"]] == ["a; b", "c"]
    found = client.post("/v1/models/n/predict", content=f"w{mark}h\n8{mark}7\n", headers=CSV)
    assert found.json()["predictions"][0]["label"] == "c"


def test_more_examples_than_fit_are_counted(serving: Callable[..., TestClient]) -> None:
    client = serving(examples=4)
    client.post("/v1/models", json={"id": "n", "learner": "nearest"})
    told = [{"label": at % 2, "x": [at]} for at in range(6)]
    refused = client.post("/v1/models/n/examples", json={"examples": told})
    assert said(refused, 413) == "there would be 6 examples, and a model may have 4."


def test_pixels_without_a_pixel_and_labels_that_are_null(pets: TestClient) -> None:
    for pixels in ([[]], [], [[], []]):
        assert "no pixel" in said(pets.post("/v1/models/pets/predict", json={"pixels": pixels}), 400)
    refused = pets.post("/v1/models/pets/examples", json={"examples": [example("cat", 1), example(None, 1)]})
    assert said(refused, 400).startswith("examples.1.label is not right; expected a word or a number.")
    refused = pets.patch("/v1/models/pets/labels/cat", json={"label": None})
    assert said(refused, 400).startswith("label is not right; expected a word or a number.")
    assert pets.get("/v1/models/pets").json()["version"] == 2


def test_a_model_is_not_called_as_an_address(pets: TestClient) -> None:
    assert "another id" in said(pets.post("/v1/models", json={"id": "import"}), 409)
    content = pets.get("/v1/models/pets/export").content
    assert "another id" in said(pets.post("/v1/models/import?id=import", content=content), 409)


def test_a_label_that_takes_the_name_of_another_is_one_with_it_and_that_is_told(pets: TestClient) -> None:
    renamed = pets.patch("/v1/models/pets/labels/dog", json={"label": "cat"}).json()
    assert renamed["labels"] == [{"label": "cat", "examples": 3}]
    routes = pets.get("/openapi.json").json()["paths"]
    assert "both become one" in routes["/v1/models/{id}/labels/{label}"]["patch"]["description"]
