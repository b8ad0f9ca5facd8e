"""The notebooks of the course run from top to bottom, and the chapters have their numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "docs/course/notebooks").glob("*.ipynb"))
SECONDS = 300
RUN = """
import json, sys
found = {}
for number, cell in enumerate(json.load(open(sys.argv[1], encoding="utf-8"))["cells"]):
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), found)
print(json.dumps(found["numbers"]))
"""


def test_there_is_one_for_each_chapter() -> None:
    pages = sorted(path.stem for path in (ROOT / "docs/course").glob("[0-9]-*.md"))
    assert [path.stem for path in NOTEBOOKS] == pages
    assert len(pages) == 8
    for name in pages:
        assert f"notebooks/{name}.ipynb" in (ROOT / f"docs/course/{name}.md").read_text(encoding="utf-8"), name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_has_the_form_of_version_4_and_no_outputs(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert {*book} == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in book["cells"]]
    assert len({*ids}) == len(ids)
    for cell in book["cells"]:
        wanted = {"cell_type", "id", "metadata", "source"}
        wanted |= {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert {*cell} == wanted
        assert cell["cell_type"] in ("code", "markdown")
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        assert all(line.endswith("\n") for line in cell["source"][:-1])


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_its_numbers_are_those_of_the_chapter(path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RUN, str(path)],
        cwd=path.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    page = (ROOT / f"docs/course/{path.stem}.md").read_text(encoding="utf-8")
    for name, value in json.loads(ran.stdout.splitlines()[-1]).items():
        assert value in page, (name, value)
