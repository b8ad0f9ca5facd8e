"""``evaluate``: one run, several, learners without training, pictures, and damaged or unfit runs."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from quickstudy import runs

Cli = Callable[..., Any]
FEW = ("--episodes", "6", "--way", "2")
ROW = {"learner", "tasks", "split", "way", "shot", "query", "episodes", "seed", "metric", "mean", "ci95"}
COST = {"transductive", "adapt_ms", "predict_ms", "version", "manifest", "units"}


def test_one_run_as_json_is_one_object(cli: Cli, run: Path) -> None:
    answer = cli("evaluate", "runs/small", "--json", *FEW)
    assert answer.code == 0
    row = json.loads(answer.out)
    assert row.keys() >= (ROW | COST)
    assert (row["learner"], row["tasks"], row["way"], row["episodes"]) == ("protonet", "glyphs:classes=20", 2, 6)


def test_one_episode_has_no_interval_and_is_still_json(cli: Cli, run: Path) -> None:
    answer = cli("evaluate", "small", "--json", "--episodes", "1", "--curves", "shots")
    row = json.loads(answer.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert row["ci95"] is None
    assert row["curves"]["shots"][0]["ci95"] is None


def test_several_are_compared_on_the_same_episodes(cli: Cli, run: Path) -> None:
    answer = cli("evaluate", "runs/small", "nearest", "--json", *FEW)
    both = json.loads(answer.out)
    assert len({row["manifest"] for row in both["rows"]}) == 1
    (difference,) = both["differences"]
    assert (difference["first"], difference["second"]) == ("runs/small", "nearest")
    first, second = (row["mean"] for row in both["rows"])
    assert difference["mean"] == pytest.approx(first - second, abs=1e-6)


def test_a_table_for_people(cli: Cli, run: Path) -> None:
    answer = cli("evaluate", "runs/small", "nearest", "--curves", "shots,steps", *FEW)
    assert answer.code == 0
    assert "2-way 1-shot" in answer.out
    assert "first - second, paired" in answer.out
    assert "no curve of steps" in answer.out
    assert "%" in answer.out


def test_regression_in_a_table(cli: Cli) -> None:
    answer = cli("evaluate", "nearest", "--tasks", "sinusoid", "--episodes", "4")
    assert answer.code == 0
    assert "mse" in answer.out
    assert "way" not in answer.out


def test_a_learner_that_needs_no_training(cli: Cli) -> None:
    answer = cli("evaluate", "nearest", "--tasks", "glyphs", "--json", *FEW)
    assert json.loads(answer.out)["learner"] == "nearest"


def test_a_run_comes_before_a_learner_of_the_same_name(cli: Cli, run: Path) -> None:
    shutil.copytree(run, "nearest")
    assert json.loads(cli("evaluate", "nearest", "--json", *FEW).out)["learner"] == "protonet"
    shutil.rmtree("nearest")
    Path("nearest").mkdir()
    answer = cli("evaluate", "nearest", "--tasks", "glyphs", "--json", *FEW)
    assert json.loads(answer.out)["learner"] == "nearest", "a folder that is no run does not hide the learner"


@pytest.mark.parametrize("suffix", ["png", "SVG"])
def test_a_picture(cli: Cli, run: Path, suffix: str) -> None:
    answer = cli("evaluate", "small", "nearest", "--plot", f"new/plot.{suffix}", "--curves", "shots", *FEW)
    assert answer.code == 0
    assert answer.out.splitlines()[-1] == f"new/plot.{suffix}"
    assert Path(f"new/plot.{suffix}").stat().st_size > 1000
    assert [path.name for path in Path("new").iterdir()] == [f"plot.{suffix}"]


WRONG = [
    ("", ["say which run"]),
    ("smal", ["unknown run or learner 'smal'", "small"]),
    ("neerest --tasks glyphs", ["Did you mean nearest?"]),
    ("nearest", ["--tasks"]),
    ("protonet --tasks glyphs", ["has to be trained first", "quickstudy train protonet --tasks glyphs"]),
    ("small --tasks omniglott", ["unknown task family 'omniglott'", "Did you mean omniglot?"]),
    ("small --tasks sinusoid", ["trained for classification", "sinusoid is regression"]),
    ("small --tasks glyphs:size=32", ["(1, 28, 28)", "(1, 32, 32)", "glyphs:size=28."]),
    ("small --split train --way 30", ["--way is 30", "20 classes"]),
    ("small --split tset", ["'tset'", "test"]),
    ("small --shot 0", ["--shot is 0"]),
    ("small --episodes 0", ["--episodes is 0"]),
    ("small --query 99999999999", ["--query 99999999999", "GB of inputs", "Ask for fewer"]),
    ("small --inner-steps 2", ["takes no gradient steps"]),
    ("small --curves shot", ["unknown curve 'shot'", "shots"]),
    ("small --device cuda:99", ["device 'cuda:99' is not there"]),
    ("small --plot plot.gif", ["must end in .png, .svg or .pdf"]),
    ("small --plot runs/small/run.json/plot.png --episodes 2", ["cannot write runs/small/run.json/plot.png"]),
    ("small --jsno", ["unknown flag '--jsno'", "--json"]),
]


@pytest.mark.parametrize(("line", "words"), WRONG, ids=[line for line, _ in WRONG])
def test_wrong_input_is_one_clear_error(cli: Cli, run: Path, line: str, words: list[str]) -> None:
    answer = cli("evaluate", *line.split())
    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith("error: ")
    assert all(word in answer.err for word in words), answer.err
    assert [path.name for path in Path().iterdir()] == ["runs"]


def test_runs_of_different_tasks_need_to_be_told_on_which_to_meet(cli: Cli, run: Path) -> None:
    card = json.loads((run / "run.json").read_text())
    other = Path(shutil.copytree(run, run.parent / "other"))
    (other / "run.json").write_text(json.dumps(card | {"spec": card["spec"] | {"name": "glyphs"}}))
    answer = cli("evaluate", "small", "other")
    assert answer.code == 2
    assert "different tasks (glyphs, glyphs:classes=20)" in answer.err
    assert cli("evaluate", "small", "other", "--tasks", "glyphs", *FEW).code == 0


def bare(run: Path) -> None:
    (run / runs.WEIGHTS).unlink()
    (run / runs.CHECKPOINT).unlink()


def nan(run: Path) -> None:
    path = run / "weights.safetensors"
    tensors, note = runs.read_tensors(path)
    next(iter(tensors.values())).view(-1)[0] = torch.nan
    runs.write_tensors(path, tensors, note)


def edit(run: Path, part: str, field: str, value: object) -> None:
    card = json.loads((run / "run.json").read_text())
    card[part][field] = value
    (run / "run.json").write_text(json.dumps(card))


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("unfinished", lambda run: (run / runs.WEIGHTS).unlink(), "Go on with: quickstudy train --resume runs/small"),
    ("missing weights", bare, "weights.safetensors is missing"),
    ("cut weights", lambda run: os.truncate(run / "weights.safetensors", 50), "weights.safetensors is damaged"),
    (
        "foreign weights",
        lambda run: (run / "weights.safetensors").write_text("x" * 99),
        "weights.safetensors is damaged",
    ),
    ("nan", nan, "holds numbers that are not finite"),
    ("another net", lambda run: edit(run, "config", "width", 8), "does not fit run.json"),
    ("unknown setting", lambda run: edit(run, "config", "widht", 8), "Did you mean width?"),
    ("no run.json", lambda run: (run / "run.json").unlink(), "is not a run folder"),
    ("empty run.json", lambda run: (run / "run.json").write_text("{}"), "run.json is damaged"),
    ("list", lambda run: (run / "run.json").write_text("[]"), "run.json is damaged"),
    ("binary", lambda run: (run / "run.json").write_bytes(b"\xff\xfe"), "run.json is damaged (UnicodeDecodeError"),
    ("no shape", lambda run: edit(run, "spec", "shape", None), "run.json: spec.shape is None; expected a list"),
    ("kind", lambda run: edit(run, "spec", "kind", "clasification"), "Did you mean classification?"),
    ("width", lambda run: edit(run, "config", "width", "4"), "run.json: --width is '4'; expected a whole number"),
]


@pytest.mark.parametrize(("damage", "words"), [pytest.param(act, words, id=name) for name, act, words in DAMAGE])
def test_a_damaged_run(cli: Cli, run: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(run)
    answer = cli("evaluate", "runs/small", *FEW)
    assert answer.code == 2
    assert words in answer.err


def test_a_run_of_a_newer_version(cli: Cli, run: Path) -> None:
    card = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(card | {"format": 99, "version": "9.9"}))
    answer = cli("evaluate", "runs/small")
    assert answer.code == 2
    assert "run.json: this run has format 99 (quickstudy 9.9)" in answer.err
    assert "Upgrade quickstudy" in answer.err
