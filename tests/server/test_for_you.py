"""What one may like, over HTTP: recommendations with reasons, and a sentence for whatever is not right."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
import torch
from drawn import client_of
from fastapi.testclient import TestClient
from hypothesis import HealthCheck
from test_hostile import JSON, refused
from test_manual_page import commands

import quickstudy as qs
from quickstudy.errors import UserError
from quickstudy.server import keyring, recommender
from quickstudy.tasks import load
from quickstudy.training import TrainConfig

TASKS = "ratings:simulated=true"
URL = "/v1/for-you"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "tastes"
    few = TrainConfig(steps=40, tasks_per_step=8, query=16, validate_every=0, device="cpu")
    qs.train("ridgeratings", TASKS, few, out=path)
    return path


@pytest.fixture(scope="module")
def tastes(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    store = tmp_path_factory.mktemp("store") / "m.db"
    with client_of(store, {"films": str(run)}, requests_per_second=1e6) as client:
        yield client


def ask(client: TestClient, **ratings: float) -> dict[str, Any]:
    told = [{"item": item.strip("_"), "rating": rating} for item, rating in ratings.items()]
    answer = client.post(f"{URL}/predict", json={"ratings": told})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_best_are_those_of_the_learner_and_reasons_what_is_missing_without_a_rating(
    tastes: TestClient, run: Path
) -> None:
    told = {"_3": 5.0, "_10": 1.0, "_20": 4.5, "_31": 2.0}
    found = ask(tastes, **told)
    family, learner = load(TASKS), qs.load_run(run).learner()
    at = torch.tensor([int(item[1:]) - 1 for item in told])
    x, y = family.catalogue(), family.in_units(torch.tensor([*told.values()])).unsqueeze(-1)
    support = qs.Examples(x[at], y, torch.ones(4, dtype=torch.bool))
    with torch.no_grad():
        mean = learner.predict(learner.adapt(support), x, torch.ones(len(x), dtype=torch.bool)).mean[:, 0]
    mean[at] = -torch.inf
    best = mean.argsort(descending=True)[:10]
    assert [one["item"] for one in found["items"]] == [str(place + 1) for place in best.tolist()]
    assert [one["rating"] for one in found["items"]] == pytest.approx(family.in_stars(mean[best]).tolist(), abs=1e-4)
    assert len(found["next"]) == recommender.NEXT
    first = found["items"][0]
    reason = first["because"][0]
    rest = {name: rating for name, rating in told.items() if name != f"_{reason['item']}"}
    assert reason["rating"] == told[f"_{reason['item']}"]
    support = qs.Examples(*(leaf[torch.tensor([f"_{reason['item']}" != name for name in told])] for leaf in support))
    with torch.no_grad():
        less = learner.predict(learner.adapt(support), x[best[:1]], torch.ones(1, dtype=torch.bool)).mean[0, 0]
    assert reason["effect"] == pytest.approx(float((mean[best[0]] - less) * family.scale), abs=1e-3)
    assert ask(tastes, **rest)["items"] != found["items"]


def test_nothing_rated_is_answered_with_what_most_like_and_nothing_stays(tastes: TestClient) -> None:
    before = ask(tastes)
    family = load(TASKS)
    liked = torch.zeros(len(family.ratings.items)).index_add_(
        0, family.ratings.item, ((family.y >= 0) & family._training).float()
    )
    ranks = [int((liked > liked[int(one["item"]) - 1]).sum()) for one in before["items"]]
    assert max(ranks) < 10
    assert not any(one["because"] for one in before["items"])
    ask(tastes, _1=5.0)
    assert ask(tastes)["items"] == before["items"]


def test_items_are_found_by_beginnings_of_words_in_any_order(tastes: TestClient) -> None:
    def titles(q: str, **more: Any) -> list[str]:
        answer = tastes.get(f"{URL}/items", params={"q": q, **more})
        return [one["title"] for one in answer.json()["items"]]

    assert all(title.startswith("drama") for title in titles("DRA"))
    assert titles("12 Drámä", limit=1) == titles("drama 12", limit=1)
    assert titles("nothing of the kind") == []
    assert len(titles("", limit=50)) == 50
    assert titles("?!") == titles("")


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ('{"ratings": [{"item": "9999", "rating": 3}]}', 400, "no item '9999'"),
        ('{"ratings": [{"item": "3", "rating": 3}, {"item": "3", "rating": 4}]}', 400, "rated twice"),
        ('{"ratings": [{"item": "3", "rating": 9}]}', 400, "expected 0.5 to 5"),
        ('{"ratings": [{"item": "3", "rating": NaN}]}', 400, "JSON"),
        ('{"ratings": [{"item": "3", "rating": 1e999}]}', 400, "JSON"),
        ('{"ratings": [{"item": "\\ud800", "rating": 3}]}', 400, ""),
        ('{"ratings": [{"item": 3, "rating": 3}]}', 400, "ratings"),
        ('{"ratings": [{"item": "3"}]}', 400, "rating"),
        (json.dumps({"ratings": [{"item": "a" * 300, "rating": 3}]}), 400, "200"),
        (json.dumps({"ratings": [{"item": str(n), "rating": 3} for n in range(1, 102)]}), 413, "may have 100"),
        ("{}", 400, "ratings"),
        ("[" * 100_000, 400, ""),
        ("", 400, ""),
    ],
)
def test_what_is_not_right_is_refused_in_words(tastes: TestClient, body: str, code: int, words: str) -> None:
    answer = tastes.post(f"{URL}/predict", content=body.encode(), headers=JSON)
    assert words in refused(answer, code)
    refused(tastes.post(f"{URL}/predict", content=b"x", headers={"content-type": "text/plain"}), 415)
    refused(tastes.get(f"{URL}/items", params={"limit": 51}), 400)
    refused(tastes.get(f"{URL}/items", params={"q": "a" * 201}), 400)
    assert "already" in refused(tastes.post(f"{URL}/train"), 409)


def test_nothing_that_the_documentation_allows_makes_it_fail(tastes: TestClient) -> None:
    described = tastes.get("/openapi.json").json()
    described["paths"] = {path: what for path, what in described["paths"].items() if path.startswith(URL)}
    assert len(described["paths"]) == 4

    def check(case: Any) -> None:
        asked = requests.Request(**case.as_transport_kwargs(base_url="http://127.0.0.1")).prepare()
        answer = tastes.request(asked.method, asked.url, headers=dict(asked.headers), content=asked.body or b"")
        assert answer.status_code < 500, (case.method, case.path, answer.text)
        if answer.status_code >= 400:
            assert list(answer.json()) == ["error"]

    settings = hypothesis.settings(
        max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck]
    )
    for operation in schemathesis.openapi.from_dict(described).get_all_operations():
        settings(hypothesis.given(case=operation.ok().as_strategy())(check))()


def test_examples_of_the_manual_are_taken(tastes: TestClient) -> None:
    asked = [words for words in commands(tastes.get("/docs").text) if URL in " ".join(words)]
    assert len(asked) == 4
    for words in asked:
        if "--json" in words:
            content = words[words.index("--json") + 1]
            assert tastes.post(f"{URL}/predict", content=content, headers=JSON).status_code == 200
        elif "-X" not in words:
            assert tastes.get(words[-1]).status_code == 200


def test_one_is_trained_on_invented_people_where_there_are_no_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recommender, "RECIPE", TrainConfig(steps=20, validate_every=0, device="cpu"))
    with client_of(tmp_path / "m.db", {}) as client:
        assert client.get(URL).json() == {
            "recommender": None, "training": None, "error": None, "invented": True, "can_train": True,
        }  # fmt: skip
        assert "POST /v1/for-you/train" in refused(client.post(f"{URL}/predict", json={"ratings": []}), 409)
        refused(client.get(f"{URL}/items"), 409)
        answer = client.post(f"{URL}/train")
        assert answer.status_code == 202
        assert answer.json()["training"]["step"] >= 0
        for _ in range(600):
            state = client.get(URL).json()
            if state["training"] is None:
                break
            time.sleep(0.05)
        assert state["error"] is None
        assert state["recommender"]["invented"]
        assert state["recommender"]["scale"] == {"low": 0.5, "high": 5.0, "step": 0.5}
        assert len(ask(client, _3=5.0)["items"]) == 10


def test_who_has_a_key_may_ask_but_not_train(run: Path, tmp_path: Path) -> None:
    store = tmp_path / "m.db"
    with client_of(store, {}) as client:
        database = client.app.state.service.store.database  # type: ignore[attr-defined]
        head = {"Authorization": f"Bearer {keyring.add(database, 'anna', False, '2026-11-26T10:00:00.000Z')}"}
    with client_of(store, {"films": str(run)}) as client:
        assert client.get(URL, headers=head).json()["can_train"] is False
        assert client.post(f"{URL}/predict", json={"ratings": []}, headers=head).status_code == 200
        assert "at the machine" in refused(client.post(f"{URL}/train", headers=head), 404)
        refused(client.post(f"{URL}/predict", json={"ratings": []}), 401)


def test_a_run_of_ratings_is_no_learner_of_models_and_one_is_enough(
    tastes: TestClient, run: Path, tmp_path: Path
) -> None:
    assert "films" not in [one["name"] for one in tastes.get("/v1/learners").json()]
    assert tastes.get(URL).json()["recommender"]["name"] == "films"
    with pytest.raises(UserError, match="films and more"):
        client_of(tmp_path / "n.db", {"films": str(run), "more": str(run)})


@pytest.mark.parametrize("name", ["popularity", "puresvd", "itemmean"])
def test_learners_that_only_order_items_tell_no_ratings(name: str, tmp_path: Path) -> None:
    run = qs.train(name, TASKS, TrainConfig(device="cpu"), out=tmp_path / "run")
    found = recommender.given("films", str(run.path)).recommend([recommender.Rated("3", 5.0)])
    told = [one["rating"] for one in found["items"]]
    assert all(0.5 <= one <= 5 for one in told) if name == "itemmean" else told == [None] * 10


def test_a_saved_regressor_is_refused_with_what_to_give_instead(run: Path, tmp_path: Path) -> None:
    x = load(TASKS).catalogue().numpy()[:3]
    qs.FewShotRegressor(weights=run, device="cpu").fit(x, [0.0, 1.0, 2.0]).save(tmp_path / "me.qs")
    with pytest.raises(UserError, match="Give the folder of the run"):
        client_of(tmp_path / "m.db", {"films": str(tmp_path / "me.qs")})


def test_a_run_whose_ratings_have_gone_says_so(run: Path, tmp_path: Path) -> None:
    gone = tmp_path / "run"
    shutil.copytree(run, gone)
    card = (gone / "run.json").read_text()
    (gone / "run.json").write_text(card.replace(TASKS, f"ratings:path={tmp_path / 'none'}"))
    with client_of(tmp_path / "m.db", {"films": str(gone)}) as client:
        assert "none" in refused(client.get(URL), 400)
