"""``quickstudy challenge``: hold one, enter it in each of its ways, and rank."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from few import few_tasks

EXAMPLES = Path(__file__).parent.parent.parent / "examples/challenge"
TINY = few_tasks("tiny")
Cli = Callable[..., Any]


def test_a_bad_entry_is_named_and_the_others_go_on(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    program = f"python3 {EXAMPLES / 'nearest.py'}"
    (tmp_path / "broken").mkdir()
    answer = cli("challenge", "run", "tiny.toml", str(tmp_path / "broken"), program, "--json")
    assert answer.code == 2, answer.err
    assert "broken has neither model.py nor run.json" in answer.err
    (row,) = json.loads(answer.out).values()
    assert (row["form"], row["blocks"][0]["answered"]) == ("program", 5)
    again = cli("challenge", "run", "tiny.toml", program, "--json")
    assert again.code == 0
    assert again.err == "", "what is there is not made again"
    assert json.loads(again.out)["nearest"] == row
    clash = cli("challenge", "run", "tiny.toml", "nearest", "--json")
    assert (clash.code, json.loads(clash.out or "{}")) == (2, {})
    assert "runs/challenge/tiny/nearest.json is the row of another entry, 'python3 " in clash.err
    assert json.loads((tmp_path / "runs/challenge/tiny/nearest.json").read_text()) == row
    other = cli("challenge", "run", "tiny.toml", program, "--seed", "3", "--name", "other", "--json")
    assert other.code == 0
    ranking = cli("challenge", "rank", "runs/challenge/tiny", "runs/challenge/tiny-3")
    assert ranking.code == 2
    assert "these rows are of different tasks: nearest of tiny (" in ranking.err
    assert f"; other of tiny ({row['suite']}, seed 3" in ranking.err
    (tmp_path / "runs/challenge/tiny/package.json").write_text('{"version": "99.0"}')
    ranking = cli("challenge", "rank", "runs/challenge/tiny")
    assert (ranking.code, "nearest" in ranking.out) == (2, True)
    assert ranking.err.startswith("error: runs/challenge/tiny/package.json is a JSON file, and no row of a challenge.")
    ranking = cli("challenge", "rank", "runs/challenge/tiny/nearest.json", "--json")
    assert json.loads(ranking.out)["ranks"][0]["rank"] == [1, 1]


def test_an_entry_that_has_changed_is_run_again_and_one_that_has_not_is_not(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "mine.py").write_text((EXAMPLES / "nearest.py").read_text())
    args = ("challenge", "run", "tiny.toml", "python3 mine.py", "--json")
    first = json.loads(cli(*args).out)["mine"]
    assert first["score"]["mean"] > 0.1
    assert json.loads(cli(*args).out)["mine"] == first
    text = (tmp_path / "mine.py").read_text()
    (tmp_path / "mine.py").write_text(text.replace('{"labels": nearest}', '{"labels": [0 for _ in nearest]}'))
    verified = cli("leaderboard", "verify", "runs/challenge/tiny/mine.json")
    assert (verified.code, "the files of mine are others by now" in verified.err) == (2, True)
    second = json.loads(cli(*args).out)["mine"]
    assert second["score"]["mean"] == pytest.approx(0.0, abs=1e-6)
    assert second["files"] != first["files"]


def test_a_run_takes_part(cli: Cli, tmp_path: Path, run: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    answer = cli("challenge", "run", "tiny.toml", str(run), "--json")
    assert answer.code == 0, answer.err
    (row,) = json.loads(answer.out).values()
    assert (row["form"], row["blocks"][0]["answered"], row["blocks"][0]["inductive"]) == ("run", 5, "inductive")


def test_answers_to_sealed_tasks_stand_beside_a_learner_that_was_asked_the_same(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    sealed = cli("challenge", "seal", "tiny.toml", "--out", "sealed", "--train-tasks", "1", "--seed", "3")
    assert "quickstudy challenge run tiny.toml nearest --seed 3" in sealed.err
    assert cli("challenge", "run", "tiny.toml", "nearest", "--seed", "3").code == 0
    solution = [line.split(",") for line in (tmp_path / "sealed/private/solution.csv").read_text().splitlines()[1:]]
    tables = {"anna": lambda true: "0", "ben": lambda true: true, "carl": lambda true: str(1 - min(int(true), 1))}
    for name, answer in tables.items():
        lines = ["id,answer", *(f"{id},{answer(true)}" for id, true, *_ in solution)]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
        flags = ("--solution", "sealed/private/solution.csv", "--row", f"runs/challenge/tiny-3/{name}.json")
        assert cli("challenge", "score", f"{name}.csv", *flags).code == 0
    ranking = cli("challenge", "rank", "runs/challenge/tiny-3")
    assert ranking.code == 0, ranking.err
    assert ranking.out.splitlines()[1].split() == ["1", "ben", "1.000", "±", "0.000", "-", "-"]
    assert [line.split()[1] for line in ranking.out.splitlines()[2:5]] == ["nearest", "anna", "carl"]
    by_time = cli("challenge", "rank", "runs/challenge/tiny-3", "--by", "time").out
    assert "ben has no place: it is a table of answers, which says nothing of times" in by_time
    (tmp_path / "runs/challenge/tiny-3/nearest.json").unlink()  # whose times may have drifted
    assert cli("leaderboard", "build", "runs/challenge", "--out", "board").code == 0
    assert "A table of answers to sealed tasks." in (tmp_path / "board/entries/ben.html").read_text()
    assert "drifted" not in (tmp_path / "board/index.html").read_text()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "There are: new, check, run, rank, seal, score"),
        (("runn",), "unknown part of challenge 'runn'. Did you mean run"),
        (("run", "sprint"), "say who takes part"),
        (("run", "sprnt", "nearest"), "unknown challenge 'sprnt'. Did you mean sprint"),
        (("run", "no.toml", "nearest"), "the challenge no.toml cannot be read"),
        (("run", "sprint", "nearest", "knn", "--name", "x"), "Run them one by one"),
        (("run", "sprint", "node gone.js"), "the entry 'node gone.js' has no program: gone.js is not there"),
        (("run", "sprint", "neerest"), "nor a program that is here. Did you mean nearest?"),
        (("check", "sprin"), "Did you mean sprint or scripts?"),
        (("new", "mine.txt"), "must end in .toml"),
        (("check", "no.toml"), "the challenge no.toml cannot be read (No such file or directory)."),
        (("rank", "nothing.json"), "error: nothing.json is no row of a challenge (No such file or directory)."),
        (("rank", "."), ". has no rows"),
        (("score", "mine.csv", "--solution", "s.csv"), "s.csv cannot be read as a table (No such file or directory)."),
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
