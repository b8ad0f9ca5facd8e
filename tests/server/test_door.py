"""Who comes in: keys, names of this machine, rates, sizes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn import example, image
from fastapi.testclient import TestClient

from quickstudy.errors import UserError
from quickstudy.server import keyring
from quickstudy.server.app import make_app
from quickstudy.server.door import Rates
from quickstudy.server.refusals import TooManyError
from quickstudy.server.settings import Settings

NOW = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8420", "LOCALHOST:1", "127.0.0.9"])
def test_names_of_this_machine_are_served(client: TestClient, host: str) -> None:
    assert client.get("/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "", "10.0.0.1", "[::2]", "a b"]
)
def test_other_names_are_not(client: TestClient, host: str) -> None:
    for path in ("/v1/models", "/v1/models/pets/predict", "/", "/docs", "/v1/health"):
        refused = client.post(path, headers={"host": host}, json={})
        assert refused.status_code == 403
        assert "localhost" in refused.json()["error"]


def test_pages_of_other_sites_are_not(client: TestClient) -> None:
    for origin in ("http://evil.com", "null", "http://localhost:3000", "https://127.0.0.1"):
        refused = client.post("/v1/models", json={"id": "x"}, headers={"origin": origin})
        assert refused.status_code == 403, origin
    assert client.post("/v1/models", json={"id": "x"}, headers={"origin": "http://127.0.0.1"}).status_code == 201


def test_each_key_sees_its_own_models(serving: Callable[..., TestClient], pets: TestClient, tmp_path: Path) -> None:
    database = pets.app.state.service.store.database  # type: ignore[attr-defined]
    heads = [{"Authorization": f"Bearer {keyring.add(database, name, False, NOW)}"} for name in ("anna", "bert")]
    client = serving()
    assert client.get("/v1/models").status_code == 401
    assert "Bearer" in client.get("/v1/models").headers["www-authenticate"]
    for wrong in ("Bearer qs_no", "Basic abc", "Bearer", "Bearer " + "x" * 5000):
        assert client.get("/v1/models", headers={"Authorization": wrong}).status_code == 401
    assert client.get("/v1/health").status_code == 200
    assert client.get("/v1/metrics").status_code == 401
    anna, bert = heads
    evil = anna | {"host": "models.example.com", "origin": "http://elsewhere.example.com"}
    assert client.post("/v1/models", json={"id": "mine"}, headers=evil).status_code == 201
    told = {"examples": [example("a", 1)]}
    assert client.post("/v1/models/mine/examples", json=told, headers=anna).status_code == 201
    assert client.get("/v1/models", headers=bert).json()["models"] == []
    asked: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/predict", image(1)),
        ("POST", "/explain", image(1)),
        ("POST", "/examples", told),
        ("GET", "/examples", None),
        ("GET", "/examples/1/image", None),
        ("DELETE", "/examples/1", None),
        ("PATCH", "/labels/a", {"label": "b"}),
        ("DELETE", "/labels/a", None),
        ("GET", "/export", None),
        ("GET", "/estimate", None),
        ("GET", "/map", None),
    ]
    for method, path, body in asked:
        answer = client.request(method, f"/v1/models/mine{path}", json=body, headers=bert)
        assert answer.status_code == 404, (method, path)
        assert "there is no model mine" in answer.json()["error"]
    assert client.post("/v1/models", json={"id": "mine"}, headers=bert).status_code == 201
    assert client.get("/v1/models/mine", headers=anna).json()["examples"] == 1


def test_without_keys_a_server_for_others_does_not_start(drawings: Path, tmp_path: Path) -> None:
    settings = Settings(store=str(tmp_path / "m.db"), weights={"characters": str(drawings)}, host="0.0.0.0")
    with pytest.raises(UserError, match="keys add"):
        make_app(settings)


def test_a_key_that_is_removed_opens_nothing(
    serving: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "FRESH_S", 0.0)
    client = serving()
    database = client.app.state.service.store.database  # type: ignore[attr-defined]
    head = {"Authorization": f"Bearer {keyring.add(database, 'anna', False, NOW)}"}
    assert client.post("/v1/models", json={"id": "m"}, headers=head).status_code == 201
    assert client.get("/v1/models").status_code == 401
    keyring.remove(database, "anna", and_models=False)
    assert client.get("/v1/models", headers=head).status_code == 401
    assert client.get("/v1/models").status_code == 401


def test_requests_that_come_too_fast_are_refused(serving: Callable[..., TestClient]) -> None:
    client = serving(requests_per_second=2)
    codes = [client.get("/v1/models").status_code for _ in range(12)]
    assert codes[:4] == [200] * 4
    assert codes[-1] == 429
    assert client.get("/v1/models").headers["retry-after"] == "1"


def test_rates_fill_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("quickstudy.server.door.time.monotonic", lambda: now)
    rates = Rates(10)
    for _ in range(20):
        rates.check(1)
    with pytest.raises(TooManyError):
        rates.check(1)
    rates.check(2)
    now += 0.35
    for _ in range(3):
        rates.check(1)
    with pytest.raises(TooManyError):
        rates.check(1)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(serving: Callable[..., TestClient]) -> None:
    client = serving(body_mb=0.01)
    client.post("/v1/models", json={"id": "m"})

    def endless() -> Any:
        for _ in range(10_000):
            yield b"x" * 1000

    json = {"content-type": "application/json"}
    for path in ("/v1/models/m/predict", "/v1/models/m/examples"):
        assert client.post(path, content=b"x" * 20_000, headers=json).status_code == 413
        refused = client.post(path, content=endless(), headers=json)
        assert refused.status_code == 413
        assert "10,000 bytes" in refused.json()["error"]
        form = client.post(path, files=[("f", b"x" * 20_000)], data={"label": "a"})
        assert form.status_code == 413


def test_the_page_cannot_be_left(client: TestClient) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        assert client.get(path).status_code == 404


def test_what_was_asked_is_counted(pets: TestClient) -> None:
    for _ in range(3):
        pets.post("/v1/models/pets/predict", json=image(1))
    pets.get("/v1/models/no")
    lines = pets.get("/v1/metrics").text.splitlines()
    assert 'quickstudy_requests_total{method="POST",route="/v1/models/{id}/predict",status="200"} 3' in lines
    assert 'quickstudy_requests_total{method="GET",route="/v1/models/{id}",status="404"} 1' in lines
    assert "quickstudy_models 1" in lines
    assert "quickstudy_examples 3" in lines
