"""Pages below docs/ and scripts below examples/ run.

README.md and docs/results.md are run by test_readme.py, docs/people.md by test_people.py, docs/challenge.md by
test_challenge_page.py, the course by test_course_pages.py, and what docs/server.md asks with curl by
server/test_manual.py.
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pages import PAGES, ROOT, blocks, commands, name_of, run_command, run_python, stage
from test_challenge_page import SHORT

from quickstudy.challenge import suite

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
ELSEWHERE = ("results", "people", "challenge")
STORY = 120
"""CPU seconds within which a robot's story is told, by weights that come with the package or by a run."""
WITHIN_SECONDS = ("fit-and-predict", "from-higher-and-learn2learn", "robots", "several-machines")


def example(name: str) -> ModuleType:
    """The script ``name`` below examples/, which is short."""
    (path,) = (path for path in EXAMPLES if path.stem == name)
    assert len([line for line in path.read_text().splitlines() if line.strip()]) <= 60
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def snippets() -> list[object]:
    """Pages with Python; what takes longer is run by `make test-slow`, with the commands where there are any."""
    found = []
    for page in PAGES:
        quick = name_of(page) in WITHIN_SECONDS
        if blocks(page, "python") and (quick or not commands(page)):
            found.append(pytest.param(page, marks=[] if quick else [pytest.mark.slow], id=name_of(page)))
    return found


@pytest.mark.parametrize("page", snippets())
def test_the_snippets_of_a_page_run_one_after_the_other(page: Path, tmp_path: Path) -> None:
    run_python(page, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if commands(page) and name_of(page) not in ELSEWHERE],
    ids=name_of,
)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its Python, which makes files for them, and in order, for one leaves what the next one takes."""
    stage(tmp_path)
    run_python(page, tmp_path, most=1 if name_of(page) in WITHIN_SECONDS else None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("mine", None)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    load = suite.load
    monkeypatch.setattr(suite, "load", lambda name: suite.read(SHORT, name) if name == "sprint" else load(name))
    for command in commands(page):
        if "submission.csv" in command:
            shutil.copy("sealed/public/sample_submission.csv", "submission.csv")
        begin = sum(os.times()[:4])  # of this process and of those that it has waited for, which may render
        run_command(command, tmp_path)
        if command.startswith("quickstudy robot "):
            assert sum(os.times()[:4]) - begin < STORY, command
        if command.startswith("quickstudy challenge new "):
            Path(command.split()[-1]).write_text(SHORT.replace("sprint", "mine"))


def test_learned_rates_are_learnt(capsys: pytest.CaptureFixture[str]) -> None:
    before, after = example("learned_rates").main(150)
    assert after < 0.85 * before
    assert "rates of head.weight" in capsys.readouterr().out


def test_advice_on_a_dose_is_surer_after_each_new_level(capsys: pytest.CaptureFixture[str]) -> None:
    found = example("dose_advice").main("pk:simulated=true", steps=2)
    widths = [high / low for _, low, high in found]
    assert len(found) == 4
    assert widths == sorted(widths, reverse=True)
    assert all(low < 25 < high for _, low, high in found)
    assert len({round(dose, 1) for dose, _, _ in found}) == 4
    assert "after 3 levels" in capsys.readouterr().out


def test_a_list_for_you_changes_with_what_is_rated(capsys: pytest.CaptureFixture[str]) -> None:
    lists = example("for_you").main("ratings:judge=ranking:simulated=true", steps=5)
    assert len(lists) == 5
    assert all(len(items) == 5 for items in lists)
    assert len({tuple(items) for items in lists}) > 2
    assert capsys.readouterr().out.count(" because of ") == 20


def test_a_robot_of_ones_own_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = example("own_robot").main
    first = main(history=tmp_path / "history.json", tries=4)
    more = main(history=tmp_path / "history.json", tries=9)
    assert more >= first > 0
    told = capsys.readouterr().out
    assert "best of 4 tries" in told
    assert "best of 9 tries" in told
    assert told.count("m/s, trunk") == 8  # of nine tries one was lost
