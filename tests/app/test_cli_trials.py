"""Trial and error on the command line."""

import json
from pathlib import Path

import pytest

from quickstudy.app.cli import main


def test_trials_are_told_in_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", "trials", "--tasks", "strides:simulated=true", "--learners", "averagemap,taskgp"]
    code = main(
        [*asked, "--partitions", "0,1", "--tries", "5", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path)]
    )
    assert code == 0
    told = capsys.readouterr().out
    assert told.strip().endswith(str(tmp_path))
    rows = {
        name: json.loads((tmp_path / f"{name}-trials.json").read_text()) for name in ("averagemap", "taskgp", "random")
    }
    scores = rows["taskgp"]["scores"]
    assert scores["best of 1"]["mean"] <= scores["best of 3"]["mean"] <= scores["best of 5"]["mean"]
    assert scores["best of 5"]["mean"] <= scores["best of library"]["mean"]
    gain = rows["taskgp"]["minus"]["random"]["best of 5"]
    expected = scores["best of 5"]["mean"] - rows["random"]["scores"]["best of 5"]["mean"]
    assert gain["mean"] == pytest.approx(expected)
    assert gain["mean"] > 0
    assert f"mean over {rows['random']['grounds']} grounds" in told
    for row in rows.values():
        share = row["scores"]["best of 5"]["mean"] / row["scores"]["cem"]["mean"]
        assert row["share of cem"]["5"] == pytest.approx(share, rel=1e-12)


def test_commanded_speeds_are_tried_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", "trials", "--asked", "speeds", "--tasks", "strides:simulated=true", "--learners", "taskgp"]
    asked += ["--partitions", "0", "--tries", "4", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path)]
    assert main(asked) == 0
    rows = {name: json.loads((tmp_path / f"{name}-commanded.json").read_text()) for name in ("taskgp", "random")}
    scores = rows["taskgp"]["scores"]
    assert scores["off after 4"]["mean"] < scores["off after 0"]["mean"]
    assert rows["taskgp"]["minus"]["random"]["off after 4"]["mean"] < 0
    assert f"mean over {rows['random']['grounds']} grounds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--learners", "taskgp", "--seed", "-1"], "--seed is -1"),
        (["--learners", ","], "--learners is ','; expected learners"),
        (["--learners", "taskgp", "--tries", "9999"], "--tries is 9999, but strides:simulated=true has"),
    ],
)
def test_what_is_asked_has_to_be_there(
    flags: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["bench", "trials", "--tasks", "strides:simulated=true", "--out", str(tmp_path / "rows"), *flags]
    assert main(asked) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "rows").exists()


def test_other_tasks_have_no_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", "trials", "--tasks", "pk:simulated=true", "--learners", "grandmean", "--runs", str(tmp_path)]
    assert main(asked) == 2
    assert "has no trial and error" in capsys.readouterr().err
