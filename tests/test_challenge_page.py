"""The commands of docs/challenge.md run, one after the other, on a challenge that is smaller than a sprint."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from few import few_tasks

from quickstudy.app.cli import main
from quickstudy.challenge import suite

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/challenge.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines() if line.strip()]
SHORT = few_tasks("sprint")


@pytest.mark.slow
def test_the_commands_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples/challenge", "examples/challenge")
    load = suite.load
    monkeypatch.setattr(suite, "load", lambda name: suite.read(SHORT, name) if name == "sprint" else load(name))
    assert len(COMMANDS) == 10
    for command in COMMANDS:
        if "submission.csv" in command:
            shutil.copy("sealed/public/sample_submission.csv", "submission.csv")
        assert command.startswith("quickstudy "), command
        command += " --learners nearest" if "bench run" in command else ""
        assert main(shlex.split(command)[1:]) == 0, (command, capsys.readouterr().err)
    rows = {path.stem: json.loads(path.read_text()) for path in Path("runs/challenge/sprint").iterdir()}
    assert {name: row["form"] for name, row in rows.items()} == {
        "nearest": "name",
        "mean": "file",
        "prototypes": "metadl",
        "neighbours": "program",
    }
    for name, row in rows.items():
        (block,) = row["blocks"]
        assert (block["answered"], block["ended"], block["wrong"]) == (5, None, []), name
        assert block["inductive"] == "inductive"
        assert [point["at"] for point in block["curve"]["points"]] == [1, 2]
        assert (row["seed"], row["tasks"]) == (0, 5)
    same = rows["nearest"], rows["neighbours"]
    assert same[0]["blocks"][0]["scores"] == same[1]["blocks"][0]["scores"], "one method in two ways"
    assert same[0]["blocks"][0]["manifest"] == rows["mean"]["blocks"][0]["manifest"]
    assert {path.name for path in Path("leaderboard").iterdir()} >= {"index.html", "index.json", "entries", "badges"}
    told = capsys.readouterr().out
    assert "reproduced: runs/challenge/sprint/nearest.json" in told
    assert "nearest and neighbours cannot be told apart" in told or "neighbours and nearest cannot" in told
    assert told.rstrip().endswith("0.000 ± 0.000")
    assert set(json.loads(Path("runs/challenge/sealed/anna.json").read_text())) <= {*rows["mean"]}
