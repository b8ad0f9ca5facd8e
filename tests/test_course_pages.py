"""The chapters of the course: figures are those of the rows, links lead somewhere, code and commands run."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import blocks, commands, name_of, run_command, run_python
from test_readme import is_told

ROOT = Path(__file__).parent.parent
COURSE = ROOT / "docs/course"
PAGES = sorted(COURSE.glob("*.md"))


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_figures_are_those_of_the_rows() -> None:
    count = 0
    for page in PAGES:
        for mean, ci95, path in re.findall(
            r"\[([\d.]+) ± ([\d.]+)\]\(\.\./\.\./(results/[\w./-]+\.json)\)", text(page)
        ):
            row = json.loads((ROOT / path).read_text())
            count += 1
            if "partitions" in row:
                assert is_told(row, mean, ci95), path
            else:
                scale, digits = (100, 2) if row["metric"] == "accuracy" else (1, 3)
                told = (f"{row['mean'] * scale:.{digits}f}", f"{row['ci95'] * scale:.{digits}f}")
                assert (mean, ci95) == told, path
    assert count >= 30


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text(page)):
            assert target.startswith("https://") or (page.parent / target).exists(), (page.name, target)
        for target in re.findall(r'(?:href|src)="([^"]+)"', text(page)):
            assert (page.parent / target).exists(), (page.name, target)


def test_anchors_of_other_pages_are_headings_there() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#\s]+\.md)#([\w-]+)\)", text(page)):
            headings = re.findall(r"^#+ (.*)$", text(page.parent / target), re.M)
            known = {re.sub(r"[^\w\s-]", "", one).strip().lower().replace(" ", "-") for one in headings}
            assert anchor in known, (page.name, target, anchor)


def test_a_chapter_takes_about_ten_minutes() -> None:
    for page in PAGES:
        if page.stem != "index":
            words = len(re.sub(r"```.*?```|<[^>]+>|\]\([^)]*\)", " ", text(page), flags=re.S).split())
            assert 450 <= words <= 1300, (page.name, words)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_the_code_of_a_chapter_runs(page: Path, tmp_path: Path) -> None:
    run_python(page, tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name_of)
def test_the_commands_of_a_chapter_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in commands(page):
        run_command(command, tmp_path)


@pytest.mark.skipif(find_spec("higher") is None, reason="higher is not installed: pip install higher")
def test_the_slopes_of_higher_are_those_of_the_chapter(tmp_path: Path) -> None:
    page = COURSE / "7-maml-by-hand.md"
    (theirs,) = (block for block in blocks(page, "text") if "import higher" in block)
    same = "for p, mine in zip(net.parameters(), by_hand):\n    assert torch.allclose(p.grad, mine, atol=1e-4)\n"
    code = [*blocks(page, "python"), "net.zero_grad()\n", theirs, same]
    (tmp_path / "page.md").write_text("".join(f"```python\n{block}```\n" for block in code), encoding="utf-8")
    run_python(tmp_path / "page.md", tmp_path)
