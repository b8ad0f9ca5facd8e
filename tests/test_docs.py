"""Pages below docs/ and scripts below examples/ run."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_snippets_of_a_page_run_one_after_the_other(page: Path, tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


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
