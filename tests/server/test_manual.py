"""What docs/server.md shows runs as it stands there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from drawn import file
from process import serve

import quickstudy as qs

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text(encoding="utf-8")
HERE = "http://127.0.0.1:8420"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.S)


def test_the_examples_run(tmp_path: Path, measured: Path) -> None:
    for seed, name in enumerate(("a.png", "b.png", "new.png")):
        (tmp_path / name).write_bytes(file(seed))
    (with_curl,) = (block for block in blocks("sh") if "curl" in block)
    with_python = "\n".join(blocks("py"))
    few = qs.TrainConfig(steps=5, tasks_per_step=2, query=4, validate_every=0, device="cpu")
    films = qs.train("ridgeratings", "ratings:simulated=true", few, out=tmp_path / "films").path
    weights = ("--weights", f"characters={measured}", "--weights", f"films={films}")
    with serve(tmp_path / "m.db", *weights, "--decoders", "1") as (_, url):
        ran = subprocess.run(
            [sys.executable, "-c", with_python.replace(HERE, url)], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        iris, film = ran.stdout.splitlines()
        assert iris.split() == ["setosa", "2"]
        assert "horror 3" in film
        if shutil.which("curl") is None:
            pytest.skip("there is no curl on this machine; what Python asks was answered")
        commands = with_curl.replace(HERE, url).splitlines()
        script = commands[0] + "\n" + "\n".join(f"{command} && echo" for command in commands[1:])
        shown = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in shown.stdout.splitlines() if line.strip()]
    assert len(answers) == len(commands) - 2, shown  # all but the one that sets URL and the one that writes a file
    assert not any("error" in answer for answer in answers), answers
    assert set(answers[3]["predictions"][0]["probabilities"]) == {"alif", "ba"}
    assert {"answer_set", "none_of_these"} <= set(answers[4]["predictions"][0])
    assert answers[-1]["labels"] == [{"label": "beh", "examples": 1}]
    assert (tmp_path / "letters.qs").stat().st_size > 1000


def test_commands_and_flags_of_the_page_exist() -> None:
    from quickstudy.app.bench_serve import Flags as Bench
    from quickstudy.app.flags import names
    from quickstudy.app.keys import ACTIONS
    from quickstudy.app.serve import Flags

    known = names(Flags) | names(Bench) | {"--and-models", "--adopt", "--json", "--data-binary"}
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= known
    assert set(re.findall(r"quickstudy keys (\w+)", PAGE)) == set(ACTIONS)
