"""``compare``: the page, the JSON beside it, and what is wrong before any work."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from quickstudy.app import markup, plots
from quickstudy.app.comparison_parts import pareto
from quickstudy.runs import digest
from quickstudy.tasks.vision.glyphs import Glyphs

Cli = Callable[..., Any]
FEW = ("--episodes", "4", "--way", "2", "--query", "2", "--side-episodes", "2", "--shifts", "noise")
VOID = {"meta", "br", "img"}


class Balance(HTMLParser):
    """Follows which elements are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(text: str) -> None:
    balance = Balance()
    balance.feed(text)
    assert not balance.open
    assert {"svg", "table", "section"} <= balance.seen
    assert "$" not in text
    assert not re.search(r"(src|href)=\"(?!#)|url\((?!#)|@import|<script", text), "nothing is loaded from elsewhere"
    drawn = "".join(re.findall(r"<svg.*?</svg>", text, re.S))
    assert not re.search(r"#[0-9a-f]{6}\b", drawn), "every colour is the page's"


def test_a_page_and_json_of_a_run_and_of_a_learner_without_training(cli: Cli, run: Path) -> None:
    elsewhere = ("--shift-to", "glyphs:classes=20,glyphs:classes=30")
    answer = cli("compare", "runs/small", "nearest", "--out", "new/both.html", *FEW, *elsewhere)
    assert answer.code == 0
    assert answer.out.splitlines()[-1] == "new/both.html"
    assert sorted(path.name for path in Path("new").iterdir()) == ["both.html", "both.json"]
    found = json.loads(Path("new/both.json").read_text())
    assert {row["name"] for row in found["rows"]} == {"small", "nearest"}
    text = Path("new/both.html").read_text()
    check_page(text)
    for words in (
        "small",
        "nearest",
        "runs/small",
        "2-way 1-shot",
        found["manifest"],
        "Pareto",
        "temperature",
        "both.json",
        "When the tasks are others",
        "glyphs:classes=30",
    ):
        assert words in text
    assert "1 of " in answer.err
    assert "left" in answer.err
    assert "place" in answer.out
    assert "on glyphs:classes=30: " in answer.out


def test_waves_and_one_alone_by_default_below_runs(cli: Cli, run: Path) -> None:
    shutil.rmtree(run)
    for number in (1, 2):
        answer = cli("compare", "nearest", "--tasks", "sinusoid", "--episodes", "3")
        assert answer.out.splitlines()[-1] == f"runs/comparison-sinusoid-{number}.html"
    text = Path("runs/comparison-sinusoid-2.html").read_text()
    check_page(text)
    assert "reliability" not in text
    assert json.loads(cli("list", "runs", "--json").out) == []


def test_json_on_stdout(cli: Cli, run: Path) -> None:
    answer = cli("compare", "small", "--json", *FEW)
    assert json.loads(answer.out)["rows"][0]["rank"] == [1, 1]
    assert answer.err.splitlines()[-1].endswith(".html")


WRONG = [
    ("", ["say which runs"]),
    ("smal", ["unknown run or learner 'smal'", "small"]),
    ("nearest", ["--tasks"]),
    ("small protonet", ["has to be trained first"]),
    ("small --tasks sinusoid", ["small cannot take part", "sinusoid is regression"]),
    ("small nearest --tasks glyphs:size=32", ["small cannot take part", "(1, 32, 32)"]),
    ("small --way 30 --split train", ["--way is 30"]),
    ("small --shifts blurr", ["Did you mean blur?"]),
    ("small --out page.htm", ["must end in .html"]),
    ("small --out runs/small/run.json/page.html", ["runs/small/run.json is in the way"]),
    ("small --outt page.html", ["unknown flag '--outt'", "--out"]),
]


@pytest.mark.parametrize(("line", "words"), WRONG, ids=[line for line, _ in WRONG])
def test_wrong_input_is_one_clear_error(cli: Cli, run: Path, line: str, words: list[str]) -> None:
    answer = cli("compare", *line.split())
    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith("error: ")
    assert all(word in answer.err for word in words), answer.err
    assert [path.name for path in Path().iterdir()] == ["runs"]
    assert [path.name for path in Path("runs").iterdir()] == ["small"]


@pytest.mark.parametrize("split", ["test", "val"])
def test_a_run_is_not_judged_on_what_it_was_trained_on(
    cli: Cli, run: Path, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Glyphs, "members", lambda self, asked: frozenset({"glyphs/one"} if asked == split else ()))
    card = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(card | {"members": [digest("glyphs/one")]}))
    answer = cli("compare", "small", "--out", "page.html", *FEW)
    if split == "test":
        assert answer.code == 2
        assert "was trained on" in answer.err
        monkeypatch.setattr(Glyphs, "members", lambda self, asked: elsewhere if "=30" in self.spec.name else None)
        elsewhere = frozenset({"glyphs/one"})
        answer = cli("compare", "small", "--shift-to", "glyphs:classes=30", *FEW)
        assert answer.code == 2
        assert "of the classes or units of glyphs:classes=30" in answer.err
        return
    calibration = json.loads(Path("page.json").read_text())["rows"][0]["calibration"]
    assert (calibration["temperature"], calibration["ece_after"], calibration["bins_after"]) == (None, None, [])
    check_page(Path("page.html").read_text())


def test_numbers_are_read_without_exponents() -> None:
    cases = {0.0: "0", 0.0137: "0.0137", 1.2345: "1.23", 123.4: "123", 12345.0: "12,300", 1e-7: "0.000"}
    assert {value: markup.number(value) for value in cases} == cases
    assert [markup.size(count) for count in (45, 9447, 25_600_000)] == ["45 bytes", "9.45 kB", "25.6 MB"]
    assert markup.signed("-1.0") == f"{markup.MINUS}1.0"


def test_the_front_is_what_nothing_cheaper_beats() -> None:
    points = [(1.0, 0.5), (2.0, 0.4), (3.0, 0.9), (3.0, 0.8), (9.0, 0.9)]
    assert pareto(points, higher=True) == [(1.0, 0.5), (3.0, 0.9)]
    assert pareto(points, higher=False) == [(1.0, 0.5), (2.0, 0.4)]


def test_twenty_lines_have_twenty_looks() -> None:
    looks = {(plots.colour(n), plots.MARKERS[n % len(plots.MARKERS)]) for n in range(20)}
    assert len(looks) == 20
    assert len(plots.SYMBOLS) == len(plots.MARKERS)
