"""Rows of files of cells."""

from pathlib import Path

import pytest

from quickstudy.errors import UserError
from quickstudy.tasks.diseases import case_tables
from quickstudy.tasks.glucose import cells as glucose_cells
from quickstudy.tasks.lines import lines, separator
from quickstudy.tasks.tabular import csv_table
from quickstudy.tasks.tastes import catalogues

OPEN = {
    "cases": 'patient,disease,observed\na,x,HP:0000001\nb,x,"HP:0000002\nc,y,"HP:0000003\nd,y,HP:0000004\n',
    "glucose": 'time,glucose,carbs\n2026-01-01 00:00,100,\n2026-01-01 00:05,"101,\n2026-01-01 00:10,102,"\n',
    "doses": 'time,dose,level\n0,100,\n1,"100,\n2,,"3\n',
    "ratings": 'user,item,rating\nu,a,3\nv,"b,4\nw,c,5"\n',
}


def read(kind: str, path: Path) -> object:
    text = path.read_text()
    return {
        "cases": lambda: list(case_tables.rows(text, path)),
        "glucose": lambda: glucose_cells.table(path),
        "doses": lambda: csv_table.numbered(path, 1),
        "ratings": lambda: list(catalogues.rows_of(path, text)[1]),
    }[kind]()


@pytest.mark.parametrize("kind", OPEN)
def test_a_quotation_mark_left_open_does_not_swallow_rows(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(OPEN[kind])
    with pytest.raises(UserError, match=r"line [23]: .*quotation mark"):
        read(kind, path)


@pytest.mark.parametrize("parts", [",", ";", "\t"])
def test_cells_are_found_again(parts: str, tmp_path: Path) -> None:
    text = (
        parts.join(["a", f'"b {parts} c"', '" d ""e"""'])
        + "\r\n\r\n"
        + parts.join(["", "", ""])
        + "\n"
        + parts.join("xyz")
    )
    assert separator(text) == parts
    found = list(lines(text, tmp_path, parts))
    assert found == [(1, ["a", f"b {parts} c", 'd "e"']), (4, ["x", "y", "z"])]


def test_a_table_may_have_line_breaks_in_its_words(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text('kind,note\na,"one\ntwo"\nb,x\na,y\nb,z\n')
    assert csv_table.read(path)[1][0] == ["a", "one\ntwo"]
    with pytest.raises(UserError, match="line 2: a quotation mark opens a cell that goes on to line 3"):
        csv_table.numbered(path, 1)
