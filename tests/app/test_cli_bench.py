"""``quickstudy bench``: what it refuses, and what it prints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from quickstudy.app import bench_speed
from quickstudy.bench.contest import Settings
from quickstudy.learners import baselinepp
from quickstudy.runs import read_tensors

ROW: dict[str, Any] = {
    "work": "sine-1",
    "measure": "seconds",
    "ratio": {"median": 2.0, "min": 1.5, "max": 2.5},
    "best": "iteryne",
    "ratio_to_loop": None,
    "libraries": {
        "quickstudy": {"way": "auto", "seconds": {"median": 0.01, "min": 0.01, "max": 0.02}},
        "loop": {"refused": "RuntimeError: three"},
        "iteryne": {
            "way": "MAML",
            "seconds": {"median": 0.02, "min": 0.02, "max": 0.03},
            "rejected": {"vmap": "wrong"},
        },
        "learn2learn": {"refused": "not importable (not installed)"},
    },
    "machine": {"cpu": "a processor", "threads": 2, "device": "cpu"},
    "versions": {"iteryne": "0.1.0", "learn2learn": None},
}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would have been measured; ``ROW`` comes of it."""
    asked: list[tuple[Any, ...]] = []

    def measure(name: str, against: list[str], settings: Settings, folder: Path) -> dict[str, Any]:
        asked.append((name, against, settings))
        return {**ROW, "work": name}

    monkeypatch.setattr(bench_speed, "measured", measure)
    return asked


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "quickstudy bench speed"),
        (("sped",), "unknown benchmark 'sped'. Did you mean speed?"),
        (("ladder", "--learners", "protonets"), "unknown learner 'protonets'. Did you mean protonet "),
        (("ladder", "--tasks", "sinusoid", "--at", "5w1s"), "expected for example --at 5s,10s"),
        (("ladder", "--tasks", "glyphs", "--at", "5w"), "expected for example --at 5w1s,20w1s"),
        (("speed", "--works", "sine"), "unknown work 'sine'. Did you mean sine-"),
        (("speed", "--against", "torchop"), "unknown library 'torchop'. Did you mean torchopt?"),
        (("speed", "--rounds", "0"), "--rounds is 0"),
        (("speed", "--threads", "-1"), "--threads -1"),
        (("speed", "--device", "abacus"), "device 'abacus' is not there"),
        (("speed", "--round", "3"), "unknown flag '--round'"),
    ],
)
def test_what_is_not_right_is_said(cli: Callable[..., Any], args: tuple[str, ...], said: str) -> None:
    answer = cli("bench", *args)
    assert answer.code == 2
    assert said in answer.err


def test_the_table_says_what_counts_and_what_does_not(cli: Callable[..., Any], measured: list[Any]) -> None:
    answer = cli("bench", "speed", "--works", "sine-1", "--threads", "3", "--rounds", "9")
    assert answer.code == 0
    (found,) = measured
    assert found[0] == "sine-1"
    assert found[2] == Settings(threads=3, rounds=9)
    assert "sine-1  10 ms       iteryne     20 ms  2.00 (1.50-2.50)  -" in answer.out
    assert "learn2learn: not importable (not installed)" in answer.out
    assert "sine-1, iteryne (vmap): wrong" in answer.out
    assert answer.out.rstrip().endswith(str(Path("runs/speed/speed.svg")))


def test_json_is_one_object(cli: Callable[..., Any], measured: list[Any]) -> None:
    answer = cli("bench", "speed", "--works", "sine-1,sine-5", "--against", "higher", "--json")
    assert answer.code == 0
    assert list(json.loads(answer.out)) == ["sine-1", "sine-5"]
    assert [found[1] for found in measured] == [["higher"], ["higher"]]


def test_a_ladder_makes_only_what_is_missing(cli: Callable[..., Any], tmp_path: Path) -> None:
    command = (
        "bench",
        "ladder",
        "--tasks",
        "glyphs:classes=20",
        "--learners",
        "nearest,protonet,cnp",
        "--at",
        "3w1s,4w2s",
    )
    command += ("--budget", "0.5", "--width", "4", "--episodes", "20", "--query", "2")
    command += ("--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "rows"))
    answer = cli(*command)
    assert answer.code == 0, answer.err
    rows = {path.name: json.loads(path.read_text()) for path in (tmp_path / "rows").iterdir()}
    assert set(rows) == {f"{name}-{at}.json" for name in ("nearest", "protonet") for at in ("3w1s", "4w2s")}
    assert {row["manifest"] for name, row in rows.items() if "3w1s" in name} == {rows["nearest-3w1s.json"]["manifest"]}
    assert rows["protonet-4w2s.json"]["training"]["budget"] == 0.5
    assert "cnp has no row: cnp does not do classification" in answer.out
    (tmp_path / "rows" / "protonet-4w2s.json").unlink()
    answer = cli(*command, "--json")
    again = json.loads(answer.out)
    assert "training into" not in answer.err
    assert again["protonet-4w2s"]["mean"] == rows["protonet-4w2s.json"]["mean"]
    assert "protonet 3w1s" not in answer.err
    assert "protonet 4w2s" in answer.err


def test_learners_of_a_ladder_share_a_pre_training(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselinepp, "STEPS", 3)  # of its head in each episode of a validation: a hundred take long
    command = ("bench", "ladder", "--tasks", "glyphs:classes=20", "--learners", "knn,baselinepp,simpleshot")
    command += ("--at", "3w2s", "--budget", "0.5", "--width", "4", "--episodes", "10", "--query", "2", "--json")
    answer = cli(*command, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "rows"))
    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)
    steps = {name: row["training"]["steps"] > 0 for name, row in rows.items()}
    assert steps == {"knn-3w2s": True, "baselinepp-3w2s": True, "simpleshot-3w2s": False}
    assert rows["simpleshot-3w2s"]["training"]["init"] == str(tmp_path / "runs" / "knn")
    first, second, own = (
        read_tensors(tmp_path / "runs" / name / "weights.safetensors")[0]
        for name in ("knn", "simpleshot", "baselinepp")
    )
    net = [name for name in first if name.startswith("net.")]
    assert all(torch.equal(first[name], second[name]) for name in net)
    assert not all(torch.equal(first[name], own[name]) for name in net)
    assert second["mean"].any(), "what is found without gradients is found for each"


def test_a_ladder_of_regression_leaves_nets_as_their_learners_have_them(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    command = ("bench", "ladder", "--tasks", "functions", "--learners", "cnp", "--at", "5s", "--budget", "0.3")
    answer = cli(
        *command, "--episodes", "10", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "rows"), "--json"
    )
    assert answer.code == 0, answer.err
    row = json.loads(answer.out)["cnp-5s"]
    assert row["training"]["config"]["width"] == 128
    assert 0 < row["oracle"] < row["mean"]
