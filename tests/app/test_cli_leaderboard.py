"""``quickstudy leaderboard``: rows as pages, with ties said, and rows made again."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from board import SUITE, evaluation, row, write
from few import few_tasks

from quickstudy.app import board_plots
from quickstudy.app.board_collect import collect
from quickstudy.app.board_families import labels, words
from quickstudy.app.board_plots import Curve, Dot
from quickstudy.app.board_tables import tables
from quickstudy.challenge.verify import judged, same

Cli = Callable[..., Any]
EASY = [0.9, 0.8, 0.95, 0.85, 0.9, 0.92, 0.8, 0.88, 0.9, 0.91, 0.9, 0.93]
HARD = [score - 0.3 for score in EASY]
TWIN = [score + 0.01 * (-1) ** number for number, score in enumerate(HARD)]
TINY = few_tasks("tiny")


class Links(HTMLParser):
    """What a page refers to, and the ids that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.targets += [told[name] or "" for name in ("href", "src") if name in told]
        self.ids += [told["id"] or ""] if "id" in told else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rows of three entries, one that breaks the rules, and two evaluations."""
    cheat = row("cheat", [1.0] * 12, breaks_the_rules=True)
    write(tmp_path / "rows", [row("protonet", EASY, 30.0), row("nearest", HARD), row("maml", TWIN), cheat])
    write(tmp_path / "rows/ladder", [evaluation("knn", 0.5, 0.02), evaluation("linear", 0.53, 0.02)])
    return tmp_path / "rows"


def test_pages_have_every_row_their_json_beside_them_and_no_broken_link(cli: Cli, tmp_path: Path, folder: Path) -> None:
    (folder / "package.json").write_text('{"name": "foreign", "version": "99.0"}')
    (folder / "broken.json").write_text("{")
    answer = cli("leaderboard", "build", "rows", "--out", "board")
    assert (answer.code, answer.out) == (2, "board/index.html\n"), "the others go on"
    assert "error: rows/package.json is a JSON file, and no row" in answer.err
    assert "error: rows/broken.json is no JSON file that can be read" in answer.err
    assert answer.err.count("Take it out of rows.") == 2
    pages = sorted((tmp_path / "board").rglob("*.html"))
    assert len(pages) == 7
    for page in pages:
        text = page.read_text()
        found = Links(text)
        assert page.with_suffix(".json").is_file()
        assert len({*found.ids}) == len(found.ids)
        assert "http" not in re.sub(r"http://www.w3.org\S*", "", text)
        for target in found.targets:
            path, _, place = target.partition("#")
            if target.startswith("data:"):
                continue
            file = (page.parent / path).resolve() if path else page
            assert file.is_file(), target
            assert not place or place in Links(file.read_text()).ids, target
    told = json.loads((tmp_path / "board/index.json").read_text())
    small, glyphs = told["tables"]
    ranks = {one["entry"]: one["rank"] for one in small["rows"]}
    assert ranks == {"protonet": [1, 1], "nearest": [2, 3], "maml": [2, 3], "cheat": None}
    assert [one["entry"] for one in small["rows"]][::3] == ["protonet", "cheat"]
    assert [one["rank"] for one in glyphs["rows"]] == [[1, 2], [1, 2]]
    assert "1–3 is what they leave open" in (tmp_path / "board/index.html").read_text()  # noqa: RUF001 - as it is written
    whole = json.loads((tmp_path / "board/entries/maml.json").read_text())
    assert whole["rows"][0]["row"] == json.loads((folder / "maml.json").read_text())


def test_a_page_of_an_entry_cites_configures_repeats_and_shows_its_worst_tasks(
    cli: Cli, tmp_path: Path, folder: Path
) -> None:
    (tmp_path / "small.toml").write_text(SUITE)
    assert cli("leaderboard", "build", "rows", "--out", "board").code == 0
    text = (tmp_path / "board/entries/protonet.html").read_text()
    assert "Snell, Swersky, Zemel (2017)" in text
    assert "<dt>backbone</dt><dd>conv4</dd>" in text
    assert "quickstudy challenge run small.toml protonet --seed 0" in text
    assert "quickstudy leaderboard verify rows/protonet.json" in text
    assert text.count("data:image/png;base64,") == 2, "glyphs are drawn as pictures"
    assert "glyphs:classes=20, task 1: " in text, "0.8 is the lowest score"
    assert text.count('class="asked"') == 2 * 4, "functions as curves"
    assert text.count("score by seconds of a standard machine: ") == 2, "a curve over time for each family"
    badge = (tmp_path / "board/badges/protonet-small.svg").read_text()
    assert "small: 1 of 3" in badge
    (tmp_path / "small.toml").write_text(SUITE.replace("episodes = 12", "episodes = 13"))
    assert cli("leaderboard", "build", "rows", "--out", "board").code == 0
    assert "The challenge small is another by now" in (tmp_path / "board/entries/protonet.html").read_text()


def test_a_learner_of_one_kind_is_marked_and_compared_on_its_kind(cli: Cli, tmp_path: Path) -> None:
    rows = [row("nearest", HARD), row("maml", TWIN), row("best", [1.0] * 12, alone="glyphs"), row("cnp", EASY)]
    write(tmp_path / "rows", rows)
    assert cli("leaderboard", "build", "rows", "--out", "board").code == 0
    (table,) = json.loads((tmp_path / "board/index.json").read_text())["tables"]
    told = {one["entry"]: one["families"] for one in table["rows"]}
    assert [part["tasks"] for part in told["best"]] == ["glyphs:classes=20", "functions"]
    assert [(part["takes_part"], part["rank"]) for part in told["best"]] == [(True, [1, 1]), (False, None)]
    assert [part["rank"] for part in told["cnp"]] == [[2, 2], [1, 1]]
    assert [part["rank"] for part in told["maml"]] == [[3, 4], [2, 3]], "of four on glyphs, of three on functions"
    assert told["cnp"][0]["score"] == {"mean": pytest.approx(sum(EASY) / 12), "ci95": 0.1}
    page = (tmp_path / "board/index.html").read_text()
    (line,) = [one for one in page.split("<tr") if 'href="entries/best.html"' in one]
    assert "<small>1 of 2 families</small>" in line
    assert 'data-family="glyphs"' in line
    assert "1.000<small>place 1</small>" in line
    assert page.count("of 2 families") == 1
    assert page.count('class="dot part" data-entry="best"') == 2, "a ring in both plots"
    assert "On the Pareto front: cnp." in page
    badges = {path.name for path in (tmp_path / "board/badges").iterdir()}
    assert {"best-small.svg", "best-small-glyphs.svg", "cnp-small.svg"} <= badges
    assert not badges & {"best-small-functions.svg", "cnp-small-glyphs.svg"}
    assert "small: glyphs: 1 of 4" in (tmp_path / "board/badges/best-small-glyphs.svg").read_text()
    entry = (tmp_path / "board/entries/best.html").read_text()
    assert "it does images alone<" in entry, "the first sentence of why it has no answers"
    lines = cli("challenge", "rank", "rows").out.splitlines()
    assert [line.split()[1] for line in lines[1:5]] == ["cnp", "maml", "nearest", "best"]
    assert lines[4].endswith("1 of 2: glyphs:classes=20")
    told = json.loads(cli("challenge", "rank", "rows", "--family", "glyphs", "--json").out)
    assert {one["entry"]: one["rank"] for one in told["ranks"]} == {
        "best": [1, 1],
        "cnp": [2, 2],
        "maml": [3, 4],
        "nearest": [3, 4],
    }
    lines = cli("challenge", "rank", "rows", "--family", "functions").out.splitlines()
    assert "best" not in {line.split()[1] for line in lines[1:4]}
    answer = cli("challenge", "rank", "rows", "--family", "glyhps")
    assert (answer.code, "unknown family of small 'glyhps'. Did you mean glyphs" in answer.err) == (2, True)


def test_families_are_named_as_short_as_tells_them_apart() -> None:
    assert labels(["omniglot:classes=alphabets", "glyphs"]) == ["omniglot", "glyphs"]
    assert labels(["glyphs:size=28", "glyphs"]) == ["glyphs:size=28", "glyphs"]
    assert labels(["glyphs", "glyphs"]) == ["glyphs 1", "glyphs 2"]
    assert words("omniglot:size=32,glyphs+warp") == {"omniglot", "glyphs"}


def test_names_at_the_ends_of_lines_do_not_lie_on_each_other() -> None:
    lines = [Curve(f"{name}", at, [(1, 0.1, 0.0), (20, 0.9, 0.0)]) for at, name in enumerate("abcdefg")]
    drawn = board_plots.curves([*lines, Curve("of a very long name", 7, [(1, 0.0, 0.0)])], "examples", "score")
    places = sorted(float(found) for found in re.findall(r'class="end" x="[\d.]+" y="([\d.]+)"', drawn))
    assert len(places) == 8
    assert all(b - a >= board_plots.LINE - 0.2 for a, b in pairwise(places))
    assert places[-1] <= board_plots.HEIGHT - board_plots.BOTTOM + 5
    assert "of a very long na\N{HORIZONTAL ELLIPSIS}<" in drawn


def test_a_board_is_renewed_and_nothing_else_is_written_over(cli: Cli, tmp_path: Path, folder: Path) -> None:
    assert cli("leaderboard", "build", "rows", "--out", "board").code == 0
    (folder / "cheat.json").unlink()
    answer = cli("leaderboard", "build", ".", "--out", "board")
    assert answer.code == 0
    assert "board/" not in answer.err, "its own numbers are no rows, and nobody needs to be told"
    assert not (tmp_path / "board/entries/cheat.html").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").write_text("dear diary")
    answer = cli("leaderboard", "build", "rows", "--out", "mine")
    assert (answer.code, answer.err) == (2, "error: mine is there, and is no leaderboard. Choose another --out.\n")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["diary.txt"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": "99.0"}, "future.json is of quickstudy 99.0, and this is"),
        ({"format": 3}, "future.json is a row of format 3 (quickstudy 0.1.0), and this is"),
        ({"format": 1}, "future.json is a row of format 1, whose scale was another than that of format 2. Make it"),
    ],
)
def test_a_row_of_another_version_is_refused_and_the_others_go_on(
    cli: Cli, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    write(tmp_path / "rows", [row("future", EASY, **changed)])
    for verb in (("leaderboard", "build"), ("leaderboard", "verify"), ("challenge", "rank")):
        answer = cli(*verb, "rows/future.json" if "verify" in verb else "rows")
        assert answer.code == 2
        assert answer.err.startswith(f"error: rows/{said}")
        assert answer.err.count("\n") == 1
    assert not (tmp_path / "leaderboard").exists()
    write(tmp_path / "rows", [row("nearest", HARD)])
    for verb in (("leaderboard", "build"), ("challenge", "rank")):
        answer = cli(*verb, "rows")
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert said in answer.err
    (table,) = json.loads((tmp_path / "leaderboard/index.json").read_text())["tables"]
    assert [one["entry"] for one in table["rows"]] == ["nearest"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "say what, for example quickstudy leaderboard build"),
        (("biuld",), "Did you mean build"),
        (("build", "nowhere"), "nowhere is not there"),
        (("build", "."), "there are no rows in ."),
        (("build", "foreign.json"), "foreign.json is a JSON file, and no row"),
        (("build", "list.json"), "list.json is a JSON file, and no row"),
        (("verify",), "say which rows"),
        (("verify", "foreign.json"), "error: foreign.json is a JSON file, and no row"),
        (("verify", "gone.json"), "error: gone.json is no JSON file that can be read (No such file or directory)."),
    ],
)
def test_what_is_not_right_is_said(cli: Cli, tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    if args[-1:] != (".",):
        (tmp_path / "foreign.json").write_text("{}")
        (tmp_path / "list.json").write_text("[]")
    answer = cli("leaderboard", *args)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_a_strangers_words_are_words_on_the_page(cli: Cli, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    strange = row(evil, EASY, command=f"quickstudy challenge run {evil}", form="program")
    for block in strange["blocks"]:
        block["about"] = {"learner": evil, "config": {evil: evil}}
        block["ended"] = evil
    write(tmp_path / "rows", [strange | {"entry": "strange"}])
    (tmp_path / "rows/strange.json").write_text(json.dumps(strange))
    assert cli("leaderboard", "build", "rows", "--out", "board").code == 0
    for page in (tmp_path / "board").rglob("*.html"):
        assert "<script>alert" not in page.read_text()


def test_equal_names_of_one_table_are_told_apart(tmp_path: Path) -> None:
    for folder, mean in (("h100", 0.5), ("cpu", 0.4)):
        write(tmp_path / folder, [evaluation("knn", mean, 0.01)])
    (table,) = tables(collect([tmp_path]))
    assert [one.name for one in table.rows] == ["knn (h100)", "knn (cpu)"]
    assert table.ranks == [(1, 1), (2, 2)]


def test_less_is_better_where_the_metric_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, [evaluation(name, mean, 0.1, metric="mse") for name, mean in (("a", 3.0), ("b", 1.0), ("c", 1.05))])
    (table,) = tables(collect([tmp_path]))
    assert [one.name for one in table.rows] == ["b", "c", "a"]
    assert table.ranks == [(1, 2), (1, 2), (3, 3)]


def test_the_front_has_those_whom_nobody_cheaper_beats() -> None:
    dots = [Dot(name, name, cost, score) for name, cost, score in (("a", 1, 0.2), ("b", 2, 0.1), ("c", 3, 0.9))]
    assert [dot.name for dot in board_plots.pareto(dots, higher=True)] == ["a", "c"]
    assert [dot.name for dot in board_plots.pareto(dots, higher=False)] == ["a", "b"]
    assert "On the Pareto front: a, c." in board_plots.front(dots, "s", "score", higher=True)
    for low, high in ((0.1, 0.11), (-3.0, 7000.0), (0.0, 0.0)):
        assert board_plots.front([Dot("a", "a", 5, low), Dot("b", "b", 5, high)], "s", "score", higher=True)


def test_a_verdict_is_by_the_row_s_own_interval() -> None:
    cells = {"score": {"mean": 0.5, "ci95": 0.1}, "area_by_examples": {"mean": 0.4, "ci95": 0.1}}
    names = ("score", "area_by_examples")
    assert judged(cells, cells, 0, 9, names).verdict == "reproduced"
    near = cells | {"score": {"mean": 0.59, "ci95": 0.1}}
    assert judged(cells, near, 1, 9, names).verdict == "within interval"
    far = cells | {"area_by_examples": {"mean": 0.2, "ci95": 0.1}}
    found = judged(cells, far, 2, 9, names)
    assert found.verdict == "not reproduced"
    assert "area by examples 0.4000 ± 0.1000 then, 0.2000 now" in found.why
    assert same(None, None)
    assert not same(None, 0.5)
    assert same(1000.0, 1000.5)


@pytest.mark.slow
def test_a_row_comes_out_again_and_a_changed_one_does_not(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    assert cli("challenge", "run", "tiny.toml", "nearest", "--out", "rows").code == 0
    path = tmp_path / "rows/nearest.json"
    told = json.loads(path.read_text())
    told["blocks"][0]["scores"][0] -= 0.5
    (tmp_path / "rows/boast.json").write_text(json.dumps(told | {"score": {"mean": 2.0, "ci95": 0.1}}))
    (tmp_path / "rows/old.json").write_text(json.dumps(told | {"version": "0.0.1"}))
    (tmp_path / "rows/bare.json").write_text(json.dumps({**told, "command": ""}))
    answer = cli("leaderboard", "verify", "rows/nearest.json", "rows/boast.json")
    assert answer.code == 1, answer.err
    assert answer.out.splitlines()[0] == "reproduced: rows/nearest.json: all 5 tasks have the scores that they had"
    assert answer.out.splitlines()[1].startswith("not reproduced: rows/boast.json: 1 of 5 tasks have another score")
    answer = cli("leaderboard", "verify", "rows/old.json", "rows/bare.json")
    assert answer.code == 2
    assert "rows/old.json: it is of quickstudy 0.0.1, and this is" in answer.err
    assert "rows/bare.json: the row has no command that makes it" in answer.err
    (tmp_path / "tiny.toml").write_text(TINY.replace("episodes = 5", "episodes = 6"))
    answer = cli("leaderboard", "verify", "rows/nearest.json")
    assert answer.code == 2
    assert "the challenge tiny is another by now" in answer.err


@pytest.mark.slow
def test_a_learner_is_trained_again_for_as_many_steps(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY.replace("training = 3.0", "training = 13.0"))
    assert cli("challenge", "run", "tiny.toml", "protonet", "--out", "rows").code == 0
    about = json.loads((tmp_path / "rows/protonet.json").read_text())["blocks"][0]["about"]
    assert about["steps"] > 1
    answer = cli("leaderboard", "verify", "rows/protonet.json", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["rows/protonet.json"]["verdict"] == "reproduced"


def test_a_row_of_evaluate_is_judged_by_its_run(cli: Cli, tmp_path: Path, run: Path) -> None:
    flags = ("--way", "2", "--query", "2", "--episodes", "10", "--json")
    for name, what in (("trained", (str(run),)), ("nearest", ("nearest", "--tasks", "glyphs:classes=20"))):
        (tmp_path / f"{name}.json").write_text(cli("evaluate", *what, *flags).out)
    answer = cli("leaderboard", "verify", "trained.json", "nearest.json")
    assert answer.code == 0, answer.err
    assert answer.out.count("reproduced: ") == 2
    told = json.loads((tmp_path / "trained.json").read_text())
    (tmp_path / "trained.json").write_text(json.dumps(told | {"mean": told["mean"] - 0.9, "ci95": 0.01}))
    assert cli("leaderboard", "verify", "trained.json").code == 1
    (tmp_path / "trained.json").write_text(json.dumps(told | {"run": "runs/gone"}))
    answer = cli("leaderboard", "verify", "trained.json")
    assert (answer.code, "its run runs/gone is not here" in answer.err) == (2, True)
