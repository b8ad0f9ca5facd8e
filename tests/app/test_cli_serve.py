"""``quickstudy serve`` and ``quickstudy keys``."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def started(*args: str) -> tuple["subprocess.Popen[str]", str]:
    """A server, and its URL."""
    command = [sys.executable, "-m", "quickstudy", "serve", "--port", "0", *args]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if "http://" not in line:
        process.kill()
        raise AssertionError(process.communicate())
    return process, line.split()[-1]


def ask(url: str, body: Any = None, **headers: str) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def answers_first(process: "subprocess.Popen[str]", how: signal.Signals, url: str, store: Path, **headers: str) -> None:
    """Stopped while it learns, a server answers and says nothing more."""
    ask(f"{url}/v1/models", {"id": "n", "learner": "nearest"}, **headers)
    told = {"examples": [{"label": at % 2, "x": [at] * 50} for at in range(200)]}
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(ask(f"{url}/v1/models/n/examples", told, **headers)))
    asking.start()
    time.sleep(0.05)
    process.send_signal(how)
    asking.join(20)
    assert process.wait(20) == 0
    assert found[0]["model"]["examples"] == 200
    assert process.stderr is not None
    assert process.stderr.read() == f"models are kept in {store}\n"


def test_it_stops_when_it_is_told_to_and_answers_first(finished: Path, tmp_path: Path) -> None:
    process, url = started("--store", str(tmp_path / "m.db"), "--weights", f"characters={finished}")
    with process:
        answers_first(process, signal.SIGTERM, url, tmp_path / "m.db")


def test_a_port_that_is_taken_is_said_to_be(cli: Callable[..., Any], finished: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        answer = cli("serve", "--port", port, "--store", "m.db", "--weights", f"characters={finished}")
    assert answer.code == 2
    assert f"127.0.0.1:{port}" in answer.err
    assert "--port 0" in answer.err


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--port", "70000"), "0 to 65535"),
        (("--weights", "birds"), "NAME=PATH"),
        (("--weights", "birds=nowhere"), "nowhere"),
        (("--weights", "nearest=x"), "another name"),
        (("--host", "0.0.0.0"), "keys add"),
        (("--examples", "0"), "--examples"),
        (("--store", "."), "is a folder"),
        (("--host", "no such host"), "cannot listen"),
    ],
)
def test_what_is_not_right_is_said(cli: Callable[..., Any], finished: Path, args: tuple[str, ...], why: str) -> None:
    more = () if "--store" in args else ("--store", "m.db")
    port = () if "--port" in args else ("--port", "0")
    answer = cli("serve", *args, *more, *port, "--weights", f"characters={finished}")
    assert answer.code == 2
    assert why in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert not Path("m.db").exists()


def test_keys_are_made_listed_and_removed(cli: Callable[..., Any]) -> None:
    made = cli("keys", "add", "anna", "--store", "m.db")
    assert made.code == 0
    token = made.out.strip()
    assert token.startswith("qs_")
    assert token.encode() not in Path("m.db").read_bytes()
    assert cli("keys", "add", "anna", "--store", "m.db").code == 2
    assert cli("keys", "add", "a b", "--store", "m.db").code == 2
    assert [key["name"] for key in json.loads(cli("keys", "list", "--json", "--store", "m.db").out)["keys"]] == ["anna"]
    assert "removed anna" in cli("keys", "remove", "anna", "--store", "m.db").out
    assert "unknown key" in cli("keys", "remove", "anna", "--store", "m.db").err
    assert "unknown action" in cli("keys", "drop").err
    assert cli("keys").code == 2


@pytest.mark.parametrize("action", [("list",), ("list", "--json"), ("remove", "anna")])
def test_looking_for_keys_makes_no_store(cli: Callable[..., Any], action: tuple[str, ...]) -> None:
    answer = cli("keys", *action, "--store", "new/m.db")
    assert answer.code == 2
    assert str(Path("new/m.db").absolute()) in answer.err
    assert not Path("new").exists()


def test_a_key_opens_a_server_for_others_until_ctrl_c(cli: Callable[..., Any], finished: Path, tmp_path: Path) -> None:
    token = cli("keys", "add", "anna", "--store", "m.db").out.strip()
    process, url = started(
        "--store", str(tmp_path / "m.db"), "--weights", f"characters={finished}", "--host", "0.0.0.0"
    )
    with process:
        url = url.replace("0.0.0.0", "127.0.0.1")
        assert ask(f"{url}/v1/models", Authorization=f"Bearer {token}") == {"models": [], "next": None}
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(f"{url}/v1/models")
        answers_first(process, signal.SIGINT, url, tmp_path / "m.db", Authorization=f"Bearer {token}")


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from quickstudy.app.cli import main; main(['serve', '--help']); assert 'torch' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "--store" in ran.stdout
