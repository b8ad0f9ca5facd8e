"""The demo, much shortened: what it prints, what it writes, and that its learners have learnt."""

import contextlib
import io
import re
import sys
import webbrowser
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from PIL import Image

from quickstudy.app import demo, findings, report
from quickstudy.app.ahead import Ahead
from quickstudy.app.findings import MAML, NEAREST, PROTONET, UNTRAINED, Found
from quickstudy.app.gallery import Gallery
from quickstudy.errors import UserError
from quickstudy.tasks import load as load_tasks


class Ran(NamedTuple):
    code: int
    path: Path
    out: str
    err: str
    found: Found
    browsed: list[str]
    threads: tuple[int, int]


class Page(HTMLParser):
    """Tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One run for all tests here, with its findings kept."""
    path = tmp_path_factory.mktemp("demo") / "new" / "folder"
    kept: list[Found] = []
    browsed: list[str] = []
    find = findings.find
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "find", lambda *args: kept.append(find(*args)) or kept[0])
        patch.setattr(webbrowser, "open", browsed.append)
        out, err = io.StringIO(), io.StringIO()
        before = torch.get_num_threads()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = demo.main(["--quick", "--out", str(path)])
        after = torch.get_num_threads()
    return Ran(code, path, out.getvalue(), err.getvalue(), kept[0], browsed, (before, after))


def test_succeeds_and_ends_with_the_report(ran: Ran) -> None:
    assert ran.code == 0
    assert Path(ran.out.splitlines()[-1]) == ran.path / "report.html"
    assert (ran.path / "report.html").is_file()
    assert ran.browsed == []
    assert ran.threads[0] == ran.threads[1]


def test_progress_is_plain_lines_where_there_is_no_terminal(ran: Ran) -> None:
    assert ran.err.count("ProtoNet practises") == 1 + 8
    assert ran.err.count("MAML practises on waves:") == 8
    assert "Both are judged on new tasks: 5 of 5" in ran.err
    assert "\x1b" not in ran.err + ran.out


def test_tables_have_every_row_with_intervals(ran: Ran) -> None:
    page = (ran.path / "report.html").read_text(encoding="utf-8")
    for name in (UNTRAINED, NEAREST, PROTONET):
        cells = [report.percent(score) for score in ran.found.scores[name].values()]
        assert len(cells) == 2
        assert all(re.fullmatch(r"\d+\.\d ± \d+\.\d %", cell) for cell in cells)
        assert re.search(rf"^{name} +{cells[0]} +{cells[1]}$", ran.out, re.M)
        assert all(cell in page for cell in cells)
    for name in (UNTRAINED, MAML):
        cells = [report.number(score) for score in ran.found.errors[name].values()]
        assert re.search(rf"^{name} +{' +'.join(cells)}$", ran.out, re.M)
        assert len(cells) == 5
        assert all(cell in page for cell in cells)
    assert "40 tasks, ± 95 % interval" in ran.out


def test_practice_helps(ran: Ran) -> None:
    for shot, score in ran.found.scores[PROTONET].items():
        for rival in (UNTRAINED, NEAREST):
            other = ran.found.scores[rival][shot]
            assert score.mean - score.ci95 > other.mean + other.ci95
    trained, untrained = ran.found.errors[MAML][10], ran.found.errors[UNTRAINED][10]
    assert trained.mean + trained.ci95 < untrained.mean - untrained.ci95
    assert ran.found.errors[MAML][10].mean < ran.found.errors[MAML][0].mean


def test_report_needs_nothing_beside_it(ran: Ran) -> None:
    text = (ran.path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import|<script|<link|\$[a-z{]", text)
    page = Page(text)
    for tag, attributes in page.tags:
        assert "href" not in attributes
        for name in ("src", "srcset"):
            assert (attributes.get(name) or "data:image/png;base64,").startswith("data:image/png;base64,"), tag
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 11
    assert all(len(image["alt"] or "") > 20 for image in images)
    assert dict(page.tags)["html"] == {"lang": "en"}
    assert [tag for tag, _ in page.tags if re.fullmatch("h[1-3]", tag)][:2] == ["h1", "h2"]


def test_pictures_are_real(ran: Ran) -> None:
    files = sorted(ran.path.glob("*.png"))
    assert len(files) == 12
    for file in files:
        with Image.open(file) as picture:
            picture.load()
            assert min(picture.size) > 300
            assert len(picture.convert("L").getcolors() or []) > 8
    banner = ran.path / "banner.png"
    with Image.open(banner) as picture:
        assert picture.size == (1600, 600)
    assert banner.stat().st_size < 150_000


def test_episodes_shown_are_those_that_are_judged(ran: Ran) -> None:
    """Finely drawn, a character is the one that the net has seen."""
    shown = ran.found.after[1]
    index = torch.tensor([1])
    task = load_tasks("glyphs").sample("test", index, way=5, shot=1, query=1, seed=ran.found.seed)
    coarse = torch.nn.functional.avg_pool2d(shown.support.unsqueeze(1), 3)
    assert torch.corrcoef(torch.stack([coarse.flatten(), task.support.x.flatten()]))[0, 1] > 0.9
    assert ran.found.after[0].support.equal(ran.found.before.support)
    wrong = [int((one.guess != torch.arange(5).unsqueeze(-1)).sum()) for one in (ran.found.hardest, *ran.found.after)]
    assert wrong[0] == max(wrong)


def test_open_shows_the_report(ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browsed: list[str] = []
    monkeypatch.setattr(findings, "find", lambda *args: ran.found)
    monkeypatch.setattr(demo, "draw", lambda *args: Gallery([], [], [], []))
    monkeypatch.setattr(webbrowser, "open", browsed.append)
    assert demo.main(["--quick", "--open", "--out", str(tmp_path)]) == 0
    assert browsed == [(tmp_path / "report.html").resolve().as_uri()]


def test_report_escapes(ran: Ran) -> None:
    text = report.compose(ran.found, Gallery([], [], [], []), Path("<b>&$x"), 1.0, 2.0)
    assert "<b>&$x" not in text
    assert "&lt;b&gt;&amp;$x" in text


@pytest.mark.parametrize("kind", ["full", "file", "below a file"])
def test_folders_that_cannot_be_used(kind: str, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    out = {"full": tmp_path, "file": taken, "below a file": taken / "new"}[kind]
    with pytest.raises(UserError, match="--out"):
        demo.main(["--out", str(out)])
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert taken.read_text() == "mine"


@pytest.mark.parametrize(
    "arguments", [["--seed", "-1"], ["--seed", "x"], ["--fast"], ["somewhere"], [f"--seed={2**70}"]]
)
def test_bad_flags(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        demo.main(arguments)
    assert not list(tmp_path.iterdir())


def test_folder_is_the_next_that_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert demo.make_folder(None) == Path("runs/demo-1")
    assert demo.make_folder(None) == Path("runs/demo-2")
    assert demo.make_folder(Path("runs/demo-1")) == Path("runs/demo-1")


def test_progress_is_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with demo.progress() as show:
        show("Practice", 1, 2, "")
        show("Practice", 2, 2, "all right")
    assert "Practice" in terminal.getvalue()
    assert "all right" in terminal.getvalue()


def test_drawn_ahead_are_the_same_episodes() -> None:
    family = load_tasks("glyphs")
    counts = {"way": 3, "shot": 2, "query": 1, "seed": 5}
    index = torch.tensor([5, 2, 9])
    ours, theirs = (each.sample("train", index, **counts) for each in (Ahead(family, block=4), family))
    assert ours.support.x.equal(theirs.support.x)
    assert ours.query.x.equal(theirs.query.x)
    assert ours.key.equal(theirs.key)
