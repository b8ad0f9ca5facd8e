"""Whatever is sent, the answer is a sentence, and never that the server failed."""

import base64
import io
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from drawn import client_of, file, image, teach_pets
from fastapi.testclient import TestClient
from hypothesis import HealthCheck
from PIL import Image

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def untouched(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One server for all that is refused or only asked: its model ``pets`` is as it was taught."""
    with client_of(tmp_path_factory.mktemp("untouched") / "models.db", {"characters": str(drawings)}) as client:
        teach_pets(client)
        yield client
        assert client.get("/v1/models/pets").json()["version"] == 2


def refused(answer: Any, *codes: int) -> str:
    """The sentence of an answer that has to be one of ``codes``."""
    assert answer.status_code in codes, (answer.status_code, answer.text[:300])
    body = answer.json()
    assert list(body) == ["error"]
    assert len(body["error"]) < 600
    return str(body["error"])


def bomb(width: int, height: int) -> bytes:
    """A PNG of many pixels in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "codes"),
    [
        ("bomb", bomb(30_000, 30_000), (413,)),
        ("large", bomb(7_000, 7_000), (413,)),
        ("cut", file(1, 280)[:150], (400,)),
        ("promises more", bomb(2_000, 2_000), (400,)),
        ("text", b"hello", (400,)),
        ("empty", b"", (400,)),
        ("svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', (400,)),
        ("eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", (400,)),
    ],
)
def test_pictures_that_are_none(untouched: TestClient, name: str, content: bytes, codes: tuple[int, ...]) -> None:
    encoded = {"image": base64.b64encode(content).decode()}
    said = refused(untouched.post("/v1/models/pets/predict", json=encoded), *codes)
    assert "picture" in said
    refused(untouched.post("/v1/models/pets/examples", json={"examples": [{"label": "cat"} | encoded]}), *codes)
    refused(untouched.post("/v1/models/pets/predict", files=[("f", content)]), *codes)
    assert untouched.get("/v1/models/pets").json()["examples"] == 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "YCbCr"])
def test_pictures_of_every_mode_are_read(untouched: TestClient, mode: str) -> None:
    out = io.BytesIO()
    kind = "TIFF" if mode in ("CMYK", "YCbCr", "I") else "PNG"
    Image.new(mode, (40, 30)).save(out, kind)
    answer = untouched.post("/v1/models/pets/predict", files=[("f", out.getvalue())])
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        '"x"',
        "{",
        "[" * 100_000,
        '{"image":' * 5_000,
        '{"pixels": ' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"image": 3}',
        '{"image": "@@"}',
        '{"image": "é"}',
        '{"image": "AAAA", "x": [1]}',
        "{}",
        '{"pixels": []}',
        '{"pixels": [[]]}',
        '{"pixels": [[0, 1], [0]]}',
        '{"pixels": [[0, [1]]]}',
        '{"pixels": [[[0, 0], [0, 0]], [[0, 0], [0, 0]]]}',
        '{"pixels": [[2]]}',
        '{"pixels": [[-1]]}',
        '{"pixels": [[NaN]]}',
        '{"pixels": [[Infinity]]}',
        '{"pixels": [[1e999]]}',
        '{"pixels": [["0"]]}',
        '{"pixels": [[true]]}',
        '{"x": [1, 2]}',
        '{"row": {"a": 1}}',
        '{"inputs": []}',
        '{"inputs": [{}]}',
        '{"inputs": null}',
        '{"inputs": [{"x": [1]}], "x": [1]}',
        '{"surprise": 1}',
        '{"image": "\\ud800"}',
        "\ufeff{}",
        "\x00",
    ],
)
def test_bodies_that_are_no_input(untouched: TestClient, body: str) -> None:
    for path in ("predict", "explain"):
        refused(untouched.post(f"/v1/models/pets/{path}", content=body.encode(), headers=JSON), 400, 413)


@pytest.mark.parametrize(
    "label",
    ["null", "true", '""', '" "', "[]", "{}", "1e400", "NaN", "1e300", '"a\\u0000"', '"\\ud800"', '"\\n"', "9" * 5000],
)
def test_labels_that_are_none(untouched: TestClient, label: str) -> None:
    told = f'{{"examples": [{{"label": {label}, "image": "{image(1)["image"]}"}}]}}'
    refused(untouched.post("/v1/models/pets/examples", content=told, headers=JSON), 400)
    refused(untouched.patch("/v1/models/pets/labels/cat", content=f'{{"label": {label}}}', headers=JSON), 400)
    assert untouched.get("/v1/models/pets").json()["version"] == 2


@pytest.mark.parametrize("label", ["👩‍👩‍👧", "ظ", "a/b?c#d", "..", "100 %", "' OR 1=1 --", "<script>"])
def test_labels_that_are_odd_are_the_users(pets: TestClient, label: str) -> None:
    from urllib.parse import quote

    told = {"examples": [{"label": label} | image(4)]}
    assert pets.post("/v1/models/pets/examples", json=told).status_code == 201
    assert label in pets.post("/v1/models/pets/predict", json=image(4)).json()["predictions"][0]["probabilities"]
    if label != "..":  # which clients take for a step up
        path = f"/v1/models/pets/labels/{quote(label, safe='')}"
        assert pets.patch(path, json={"label": "plain"}).status_code == 200


@pytest.mark.parametrize(
    "id", ["..", "../x", "a/b", ".hidden", "-x", "", "a" * 65, "ü", "a b", "a\x00", "a\n", "%2e%2e"]
)
def test_ids_that_are_none(untouched: TestClient, id: str) -> None:
    refused(untouched.post("/v1/models", json={"id": id}), 400)
    refused(untouched.post("/v1/models/import", params={"id": id}, content=b"x"), 400)
    if id not in ("", "..", "../x"):
        from urllib.parse import quote

        refused(untouched.get(f"/v1/models/{quote(id, safe='')}"), 400, 404)


def test_bodies_of_other_kinds(untouched: TestClient) -> None:
    for kind in ("text/plain", "application/xml", "image/png", "application/x-www-form-urlencoded", "a" * 500):
        for path in ("predict", "examples"):
            refused(untouched.post(f"/v1/models/pets/{path}", content=b"x", headers={"content-type": kind}), 415)
    for boundary in ("", "; boundary=", "; boundary=x", "; boundary=" + "x" * 300):
        head = {"content-type": f"multipart/form-data{boundary}"}
        refused(untouched.post("/v1/models/pets/predict", content=b"--x\r\n\r\nhello", headers=head), 400)
    refused(untouched.post("/v1/models/pets/predict", content=b"a\n1\n", headers={"content-type": "text/csv"}), 415)
    form = untouched.post("/v1/models/pets/examples", files=[("f", file(1))], data={"label": "x", "more": "y"})
    assert "more" in refused(form, 400)
    assert "label" in refused(untouched.post("/v1/models/pets/examples", files=[("f", file(1))]), 400)


def test_more_than_is_taken(serving: Callable[..., TestClient]) -> None:
    client = serving(inputs=3, classes=2, examples=4, models=2, label_characters=5, columns=3)
    for id in ("a", "b"):
        client.post("/v1/models", json={"id": id, "learner": "nearest"})
    assert "may have 2" in refused(client.post("/v1/models", json={"id": "c"}), 413)

    def add(*labels: str, width: int = 2) -> Any:
        told = [{"label": label, "x": [at] * width} for at, label in enumerate(labels)]
        return client.post("/v1/models/a/examples", json={"examples": told})

    refused(add("x", "y", "x", "y"), 413)
    refused(add("x", "y", "z"), 413)
    refused(add("x", width=4), 413)
    refused(add("longer"), 400)
    assert add("x", "y", "x").status_code == 201
    refused(add("x", "y"), 413)
    refused(client.post("/v1/models/a/predict", json={"inputs": [{"x": [1, 2]}] * 4}), 413)
    refused(client.post("/v1/models/a/predict", json={"x": [1, 2, 3]}), 400)
    assert client.get("/v1/models/a").json()["examples"] == 3


def test_numbers_that_are_too_large_for_arithmetic(client: TestClient) -> None:
    client.post("/v1/models", json={"id": "n", "learner": "nearest"})
    told = [{"label": label, "x": [x, x]} for label, x in (("a", 1e12), ("b", -1e12), ("b", 1e-300))]
    assert client.post("/v1/models/n/examples", json={"examples": told}).status_code == 201
    for path in ("predict", "explain"):
        assert client.post(f"/v1/models/n/{path}", json={"x": [1e12, -1e12]}).status_code == 200
        refused(client.post(f"/v1/models/n/{path}", json={"x": [1e13, 0]}), 400)
    assert client.get("/v1/models/n/map").status_code == 200
    assert client.get("/v1/models/n/estimate").status_code == 200


def test_nothing_that_the_documentation_allows_makes_the_server_fail(serving: Callable[..., TestClient]) -> None:
    client = serving(requests_per_second=1e6, models=1000)
    learnt = {
        "pets": ("characters", [{"label": "cat"} | image(1), {"label": 'd"og'} | image(2)]),
        "n": ("nearest", [{"label": 1, "x": [0, 1]}, {"label": 2, "x": [1, 0]}]),
    }
    described = client.get("/openapi.json").json()
    theirs = ("/v1/watch", "/v1/runs", "/v1/for-you")  # tests of their own look at these
    described["paths"] = {path: what for path, what in described["paths"].items() if not path.startswith(theirs)}
    seen: Counter[int] = Counter()

    def check(case: Any) -> None:
        if "id" in (case.path_parameters or {}) and sum(seen.values()) % 4:
            case.path_parameters["id"] = ("pets", "n")[sum(seen.values()) % 2]
        asked = requests.Request(**case.as_transport_kwargs(base_url="http://127.0.0.1")).prepare()
        answer = client.request(asked.method, asked.url, headers=dict(asked.headers), content=asked.body or b"")
        seen[answer.status_code] += 1
        assert answer.status_code < 500, (case.method, case.path, answer.text)
        if answer.status_code >= 400:
            assert list(answer.json()) == ["error"]

    settings = hypothesis.settings(
        max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck]
    )
    for operation in schemathesis.openapi.from_dict(described).get_all_operations():
        for name, (learner, told) in learnt.items():
            client.post("/v1/models", json={"id": name, "learner": learner})
            client.post(f"/v1/models/{name}/examples", json={"examples": told})
        settings(hypothesis.given(case=operation.ok().as_strategy())(check))()
    assert seen[200] > 50, seen
    assert {201, 204, 400, 404} <= set(seen)
