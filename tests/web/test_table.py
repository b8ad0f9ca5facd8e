"""A pasted table: its empty cells are answered, and the page says how far to believe them."""

import json
import subprocess
import sys

TABLE = "size;colour;kind\n" + "".join(
    f"{size + step / 10};{colour};{kind}\n"
    for step in range(5)
    for size, colour, kind in ((1, "red", "berry"), (9, "green", "melon"), (9, "red", '"big; apple"'))
)


def paste(page, text: str):
    page.get_by_label("Comma-separated values").fill(text)
    return page.locator("#panel-table .answers td")


def test_empty_cells_are_filled_in_with_an_honest_estimate_and_are_there_after_a_reload(visit):
    page = visit("table")
    paste(page, TABLE + "1.2;red;\n9.1;;\n8.8;red;\n;green;\n")
    filled = page.locator("#panel-table .filled")
    filled.nth(3).wait_for()
    answers = filled.all_inner_texts()
    assert (answers[0], answers[2], answers[3]) == ("berry", "big; apple", "melon")
    assert page.locator("#panel-table .big").inner_text().split()[0] == "100"
    page.reload()
    filled.nth(3).wait_for()
    page.get_by_label("Column to fill in").select_option("colour")
    page.wait_for_function("() => document.querySelectorAll('#panel-table .filled').length === 1")
    assert filled.inner_text() in ("red", "green")


def test_code_for_a_row_runs(visit, tmp_path):
    page = visit("table")
    paste(page, TABLE + "1.2;red;\n").first.wait_for()
    page.get_by_role("link", name="Inside").click()
    page.locator("code[data-language=Python]").wait_for()
    (tmp_path / "ask.py").write_text(page.locator("code[data-language=Python]").inner_text())
    said = subprocess.run([sys.executable, "ask.py"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "'label': 'berry'" in said
    page.get_by_role("button", name="curl", exact=True).click()
    said = subprocess.run(["sh", "-c", page.locator("code[data-language]").inner_text()], capture_output=True).stdout
    assert json.loads(said)["predictions"][0]["label"] == "berry"


def test_what_is_no_table_is_said_in_words(visit):
    page = visit("table")
    for text, words in {
        "one line": "rows below it",
        "a,a\n1,2\n": "Two columns are called a",
        "a,b\n1,2,3\n": "Row 1 has 3 cells",
        "a,b\n1,x\n2,x\n": "1 different answer",
    }.items():
        paste(page, text)
        page.locator("#panel-table .result").get_by_text(words).wait_for()


def test_columns_of_an_earlier_table_are_no_choices_for_what_is_none(visit):
    page = visit("table")
    page.get_by_role("button", name="Try the sample").click()
    page.locator("#panel-table .filled").first.wait_for()
    columns = page.get_by_label("Column to fill in")
    paste(page, TABLE + "1.2;red;\n")
    page.locator("#panel-table .filled").get_by_text("berry").wait_for()
    columns.select_option("colour")
    page.get_by_text("0 empty cells of colour").wait_for()
    paste(page, "one line")
    page.get_by_text("rows below it").wait_for()
    assert columns.locator("option").count() == 0
    paste(page, TABLE)
    page.get_by_text("0 empty cells of colour").wait_for()
    assert columns.locator("option").all_inner_texts() == ["size", "colour", "kind"]
