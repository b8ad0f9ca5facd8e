"""A server that is killed while it learns has every example that it acknowledged."""

import http.client
import json
import random
import signal
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from process import serve

WRITERS, SECONDS = 4, 0.6


def ask(url: str, path: str, body: Any = None) -> Any:
    """JSON of the answer; raises OSError where there is none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def add_until_it_dies(url: str, writer: int, acknowledged: dict[int, list[float]]) -> None:
    """Examples that the server said it has, by the number that it gave them."""
    number = 0
    while True:
        at = number % 48  # near enough to 0 that neighbours are told apart in float32
        told = {"label": f"label {at % 3}", "x": [float(writer), float(at)]}
        try:
            answer = ask(url, f"/v1/models/m{writer % 2}/examples", {"examples": [told]})
        except (OSError, http.client.HTTPException, ValueError):  # killed before, or while it answered
            return
        acknowledged[int(answer["ids"][0])] = told["x"]  # type: ignore[assignment]
        number += 1


def survives(kills: int, store: Path, weights: Path) -> None:
    """Kill a server so many times while examples are added to two models; look after each."""
    known: list[dict[int, list[float]]] = [{} for _ in range(WRITERS)]
    draw = random.Random(0)
    for kill in range(kills):
        with serve(store, "--weights", f"characters={weights}", "--examples", "1000000", "--decoders", "0") as (
            process,
            url,
        ):
            if kill == 0:
                for name in ("m0", "m1"):
                    ask(url, "/v1/models", {"id": name, "learner": "nearest"})
            check(url, known)
            writers = [
                threading.Thread(target=add_until_it_dies, args=(url, writer, known[writer]))
                for writer in range(WRITERS)
            ]
            before = sum(map(len, known))
            for thread in writers:
                thread.start()
            time.sleep(SECONDS * draw.uniform(0.3, 1))
            process.send_signal(signal.SIGKILL)
            for thread in writers:
                thread.join(30)
            assert sum(map(len, known)) > before
    with serve(store, "--weights", f"characters={weights}", "--decoders", "0") as (_, url):
        check(url, known)


def check(url: str, known: list[dict[int, list[float]]]) -> None:
    """Every acknowledged example is there with its label, and answers for itself; the counts are right."""
    for name in (0, 1):
        expected = {number: x for writer in range(name, WRITERS, 2) for number, x in known[writer].items()}
        found: dict[int, str] = {}
        after = "0"
        while after is not None:
            page = ask(url, f"/v1/models/m{name}/examples?limit=1000&after={after}")
            found |= {int(one["id"]): one["label"] for one in page["examples"]}
            after = page["next"]
        for number, (_, at) in expected.items():
            assert found[number] == f"label {int(at) % 3}"
        model = ask(url, f"/v1/models/m{name}")
        assert model["examples"] == len(found) == sum(one["examples"] for one in model["labels"])
        for _, (writer, at) in list(expected.items())[-3:]:
            answer = ask(url, f"/v1/models/m{name}/predict", {"x": [writer, at]})
            assert answer["predictions"][0]["label"] == f"label {int(at) % 3}"


@pytest.mark.slow
def test_two_kills_lose_nothing(tmp_path: Path, drawings: Path) -> None:
    survives(2, tmp_path / "m.db", drawings)


@pytest.mark.slow
def test_fifty_kills_lose_nothing(tmp_path: Path, drawings: Path) -> None:
    survives(50, tmp_path / "m.db", drawings)
