"""A pasted table: its empty cells are answered, and the page says how far to believe them."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from quickstudy.estimator import source
from quickstudy.server.limits import Limits

TABLE = "size;colour;kind\n" + "".join(
    f"{size + step / 10};{colour};{kind}\n"
    for step in range(5)
    for size, colour, kind in ((1, "red", "berry"), (9, "green", "melon"), (9, "red", '"big; apple"'))
)


def paste(page, text: str):
    area = page.get_by_label("Comma-separated values")
    if len(text) < 5000:
        area.fill(text)
    else:  # Chromium takes seconds to type thousands of lines
        area.evaluate("(area, text) => { area.value = text; area.dispatchEvent(new Event('input')); }", text)
    return page.locator("#panel-table .answers td")


def answers(page) -> list[str]:
    """What cells were filled with, without how sure that is."""
    words: list[str] = page.locator("#panel-table .filled").evaluate_all(
        "(all) => all.map((one) => one.firstChild.data)"
    )
    return words


def wide(columns: int, kinds: int) -> str:
    """A table with three rows of each kind, of which the first number says which, and a row to be answered."""
    rows = [[kind] + [0] * (columns - 1) + [f"kind {kind}"] for kind in range(kinds) for _ in range(3)]
    lines = [[f"c{at}" for at in range(columns)] + ["kind"], *rows, [1] + [0] * (columns - 1) + [""]]
    return "\n".join(",".join(map(str, line)) for line in lines)


def told(page) -> list:
    """The bodies of what is posted from now on, each with the last part of its address."""
    found: list = []
    page.on("request", lambda one: one.method == "POST" and found.append((one.url.split("/")[-1], one.post_data_json)))
    return found


def test_empty_cells_are_filled_in_with_an_honest_estimate_and_are_there_after_a_reload(visit):
    page = visit("table")
    paste(page, TABLE + "1.2;red;\n9.1;;\n8.8;red;\n;green;\n")
    filled = page.locator("#panel-table .filled")
    filled.nth(3).wait_for()
    found = answers(page)
    assert (found[0], found[2], found[3]) == ("berry", "big; apple", "melon")
    assert page.locator("#panel-table .big").inner_text().split()[0] == "100"
    page.reload()
    filled.nth(3).wait_for()
    page.get_by_label("Column to fill in").select_option("colour")
    page.wait_for_function("() => document.querySelectorAll('#panel-table .filled').length === 1")
    assert answers(page)[0] in ("red", "green")


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


def test_answers_of_an_earlier_table_are_marked_at_once_and_come_back_never(visit):
    page, held = visit("table"), []
    result = page.locator("#panel-table .result")
    paste(page, TABLE + "1.2;red;\n")
    page.locator("#panel-table .filled").get_by_text("berry").wait_for()
    assert result.get_attribute("aria-busy") == "false"
    page.route("**/estimate", lambda route: held.append(route), times=1)
    with page.expect_request("**/estimate"):
        paste(page, TABLE + "9.2;red;\n")
    assert result.get_attribute("aria-busy") == "true"
    assert page.locator("#panel-table .busy").is_visible()
    paste(page, TABLE + "9.2;green;\n")  # while the one before is not answered yet
    assert result.get_attribute("aria-busy") == "true"
    page.locator("#panel-table .filled").get_by_text("melon").wait_for()
    assert result.get_attribute("aria-busy") == "false"
    held[0].fulfill(json={"accuracy": 0.123, "low95": 0, "high95": 1})
    page.wait_for_timeout(300)
    assert answers(page) == ["melon"]
    assert page.locator("#panel-table .big").inner_text().split()[0] != "12"


@pytest.mark.parametrize(
    ("columns", "kinds", "words"),
    [
        (70, 2, "tables has room for 64 columns, and there are 70 to learn from. So nearest answers."),
        (2, 22, "tables tells up to 20 answers apart, and here are 22. So nearest answers."),
    ],
)
def test_what_tables_has_no_room_for_nearest_answers(visit, columns, kinds, words):
    page = visit("table")
    paste(page, wide(columns, kinds))
    page.get_by_text(words).wait_for()
    assert answers(page) == ["kind 1"]
    assert page.get_by_label("Learner").input_value() == "nearest"
    paste(page, TABLE + "1.2;red;\n")  # what is chosen stays chosen
    page.locator("#panel-table .filled").get_by_text("berry").wait_for()
    assert page.get_by_label("Learner").input_value() == "tables"


def test_what_would_be_refused_is_not_sent(visit):
    page = visit("table")
    posted = told(page)
    long = "x" * 201
    refused = {
        TABLE + f"1;red;{long}\n": "The column kind has a name or word of 201 characters; expected up to 200.",
        wide(3, 201): "201 different answers, and a model tells up to 200 apart",
        "a,kind\n" + "1,x\n2,y\n" * 1001: "The answer is known in 2,002 rows, and a model learns from up to 2,000.",
    }
    for text, words in refused.items():
        paste(page, text)
        page.locator("#panel-table .result").get_by_text(words).wait_for()
    assert not posted
    for odd in (f"1;{long};\n", "1e13;red;\n"):  # one of which is a word: nearest sends no words
        paste(page, TABLE + odd)
        page.locator("#panel-table .result").get_by_text("So nearest answers.").wait_for()


def test_the_page_knows_the_limits_of_the_server(visit):
    page = visit("table")
    classes, most = page.evaluate("import('/static/js/room.js').then(({ CLASSES, MOST }) => [CLASSES, MOST])")
    limits = asdict(Limits())
    assert classes == {"tables": source.CLASSES}
    assert {name: limits[name] for name in ("columns", "classes", "examples")} == {
        name: most[name] for name in ("columns", "classes", "examples")
    }
    assert most["characters"] == limits["label_characters"]


@pytest.mark.parametrize("between", [";", "\t"])
def test_decimal_commas_are_numbers_and_gaps_have_many_words(visit, between):
    page = visit("table")
    posted = told(page)
    lines = ["size;edge;kind", "0,5;round;NA", "0,75;-;NA", "?;N/A;None", "3,5;odd;None", "no;null;None", "1e1;odd;?"]
    lines[1:1] = ["2,125;;NA"] * 6
    paste(page, "\n".join(lines).replace(";", between))
    page.get_by_text("1 word among the numbers of size counts as a gap.").wait_for()
    examples = next(body["examples"] for where, body in posted if where == "examples")
    assert [one["row"]["size"] for one in examples] == [2.125] * 6 + [0.5, 0.75, None, 3.5, None]
    assert [one["row"]["edge"] for one in examples] == [None] * 6 + ["round", None, None, "odd", None]
    assert [one["label"] for one in examples] == ["NA"] * 8 + ["None", "None", "None"]
    assert [body["row"] for where, body in posted if where == "predict"] == [{"size": 10, "edge": "odd"}]
    page.get_by_label("Learner").select_option("nearest")
    page.get_by_text("Numbers count in units").wait_for()
    vectors = [one["x"] for where, body in posted if where == "examples" for one in body["examples"] if "x" in one]
    assert [len(one) for one in vectors] == [3] * 11
    assert vectors[8] == [0, 0, 0]


def test_fewer_numbers_than_words_are_words(visit):
    page = visit("table")
    posted = told(page)
    paste(page, "code,kind\n1,a\nx,a\ny,b\n2,b\nz,b\n")
    page.locator("#panel-table .big").wait_for()
    examples = next(body["examples"] for where, body in posted if where == "examples")
    assert [one["row"]["code"] for one in examples] == ["1", "x", "y", "2", "z"]


def test_long_decimals_leave_room_on_a_phone(visit):
    page = visit("table", viewport={"width": 390, "height": 800})
    posted = told(page)
    long = "-2.2868004816157814"
    paste(page, f"a,b,kind\n{long},0.000012345678,x\n1,2,x\n3,4,y\n3.5,123456.123456,y\n2,5,\n")
    page.locator("#panel-table .filled").wait_for()
    page.get_by_label("Column to fill in").select_option("a")
    page.get_by_text("0 empty cells of a ").wait_for()
    cell = page.locator("#panel-table .answers td.target").get_by_text("-2.2868", exact=True)
    assert cell.get_attribute("title") == long
    assert cell.bounding_box()["width"] < 130
    shown = page.locator("#panel-table .answers td").all_inner_texts()
    assert {"0.00001235", "123456.1235"} <= set(shown)
    assert next(body for where, body in posted if where == "examples")["examples"][0]["row"]["a"] == float(long)
