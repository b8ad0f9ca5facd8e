"""``quickstudy challenge``: hold one, enter it in each of its ways, and rank."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples/challenge"
TINY = """
name = "tiny"
training = 9.0
cpu = 5.0
wall = 60.0
examples = [1, 2]

[[tasks]]
family = "glyphs:classes=20"
ways = [2, 3]
query = 2
episodes = 5
"""
Cli = Callable[..., Any]


def test_entries_of_each_form_take_part_and_are_ranked(cli: Cli, tmp_path: Path, run: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    program = f"python3 {EXAMPLES / 'nearest.py'}"
    (tmp_path / "broken").mkdir()
    entries = (str(EXAMPLES / "mean.py"), str(EXAMPLES / "prototypes"), program, str(run), str(tmp_path / "broken"))
    answer = cli("challenge", "run", "tiny.toml", *entries, "--json")
    assert answer.code == 2, answer.err
    assert "broken has neither model.py nor run.json" in answer.err
    rows = json.loads(answer.out)
    assert {row["form"] for row in rows.values()} == {"file", "metadl", "program", "run"}
    for name, row in rows.items():
        (block,) = row["blocks"]
        assert (block["answered"], block["ended"], block["wrong"]) == (5, None, []), name
        assert block["inductive"] == "inductive"
        assert [point["at"] for point in block["curve"]["points"]] == [1, 2]
        assert row["seed"] == 0
        assert row["tasks"] == 5
    assert rows["nearest"]["blocks"][0]["manifest"] == rows["mean"]["blocks"][0]["manifest"]
    again = cli("challenge", "run", "tiny.toml", program, "--json")
    assert again.code == 0
    assert again.err == "", "what is there is not made again"
    assert json.loads(again.out)["nearest"] == rows["nearest"]
    ranking = cli("challenge", "rank", "runs/challenge/tiny", "--json")
    assert ranking.code == 0, ranking.err
    assert {one["entry"] for one in json.loads(ranking.out)["ranks"]} == {"mean", "prototypes", "nearest", "small"}
    table = cli("challenge", "rank", "runs/challenge/tiny", "--by", "examples")
    assert "cannot be told apart" in table.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "There are: new, check, run, rank, seal, score"),
        (("runn",), "unknown part of challenge 'runn'. Did you mean run"),
        (("run", "sprint"), "say who takes part"),
        (("run", "sprnt", "nearest"), "unknown challenge 'sprnt'. Did you mean sprint"),
        (("run", "no.toml", "nearest"), "the challenge no.toml cannot be read"),
        (("run", "sprint", "nearest", "knn", "--name", "x"), "Run them one by one"),
        (("check", "sprin"), "Did you mean sprint or scripts?"),
        (("new", "mine.txt"), "must end in .toml"),
        (("rank", "nothing.json"), "nothing.json is no row of a challenge"),
        (("rank", "."), ". has no rows"),
    ],
)
def test_what_is_not_right_is_said_in_one_line(cli: Cli, args: tuple[str, ...], said: str) -> None:
    answer = cli("challenge", *args)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_a_challenge_of_ones_own_is_a_file_of_ten_lines(cli: Cli, tmp_path: Path) -> None:
    made = cli("challenge", "new", "mine.toml")
    assert made.out == "mine.toml\n"
    lines = [line for line in (tmp_path / "mine.toml").read_text().splitlines() if line.strip()]
    assert len(lines) == 10
    assert cli("challenge", "new", "mine.toml").code == 2
    told = cli("challenge", "check", "mine.toml")
    assert told.code == 0, told.err
    assert "glyphs: 50 tasks, 2-10-way, 1-5 shots, 5 queries, by accuracy" in told.out
    assert "sprint" in cli("challenge", "check").out


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("mine.py", "x = (", "mine.py, line 1: this is no Python"),
        (
            "mine.py",
            "import nothing_of_the_kind\n",
            "mine.py, line 1: ModuleNotFoundError: No module named 'nothing_of",
        ),
        ("my-own.py", "x = 1\n", "cannot be imported under that name"),
    ],
)
def test_a_file_that_cannot_take_part_is_named_with_its_line(
    cli: Cli, tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / name).write_text(text)
    answer = cli("challenge", "run", "tiny.toml", name)
    assert answer.code == 2
    assert said in answer.err
    assert not (tmp_path / "runs/challenge").exists()
