"""The verb, and who is shown the runs of the machine."""

import socket
from types import SimpleNamespace

import pytest

from quickstudy.app.cli import main
from quickstudy.errors import UserError
from quickstudy.server import local_runs, running


def asked(keyless: bool, local: bool, runs: str = "runs"):
    settings = SimpleNamespace(local=local, runs=runs)
    service = SimpleNamespace(keyring=SimpleNamespace(keyless=keyless), settings=settings)
    return SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(service=service)))


@pytest.mark.parametrize(("keyless", "local"), [(False, True), (True, False), (False, False)])
def test_runs_are_shown_to_nobody_where_there_are_keys_or_strangers(keyless, local):
    request = asked(keyless, local)
    assert local_runs.all_runs(request, local_runs._local(request))["local"] is False
    with pytest.raises(UserError, match="where there are no keys"):
        local_runs._folder(request)


def test_a_folder_that_is_not_there_has_no_runs(tmp_path):
    request = asked(True, True, str(tmp_path / "none"))
    assert local_runs.all_runs(request, True)["runs"] == []


def test_a_damaged_run_says_why_and_hides_no_other(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{")
    rows = local_runs.all_runs(asked(True, True, str(tmp_path)), True)["runs"]
    assert [row["state"] for row in rows] == ["damaged"] * 2
    assert "run.json" in rows[0]["error"]


def test_a_port_that_is_taken_or_is_none_is_said_in_words(capsys, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["play", "--no-browser", "--port", port, "--store", str(tmp_path / "m.db")]) == 2
    assert "cannot listen" in capsys.readouterr().err
    assert main(["play", "--port", "70000"]) == 2
    assert "expected 0 to 65535" in capsys.readouterr().err


def test_it_says_where_models_are_kept(monkeypatch, capsys, tmp_path):
    def begun(app, listening, ready):
        ready()
        listening.close()
        app.state.service.close()

    monkeypatch.setattr(running, "run", begun)
    assert main(["play", "--no-browser", "--port", "0", "--store", str(tmp_path / "m.db")]) == 0
    said = capsys.readouterr()
    assert said.err == f"models are kept in {tmp_path / 'm.db'}\n"
    assert said.out.startswith("quickstudy plays at http://127.0.0.1:")
