"""The chapters of the course: figures are those of the rows, links lead somewhere. test_docs.py runs their code."""

import json
import re
from pathlib import Path

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
