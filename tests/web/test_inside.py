"""Under the hood, and what is taken along: code that runs, a project that opens elsewhere."""

import json
import random
import shutil
import subprocess
import sys

import pytest
from glyphs import ask, circle, cross

import quickstudy as qs


def code(page, language: str) -> str:
    """What is to be pasted."""
    page.get_by_role("button", name=language, exact=True).click()
    return page.locator(f"code[data-language={language}]").inner_text()


def test_the_page_says_how_good_the_model_is_and_what_the_last_examples_brought(visit, drawings, address):
    page = visit("inside", {"draw": drawings})
    page.locator("table.confusion").wait_for()
    assert page.locator(".big").inner_text().split()[0] == "100"
    assert page.locator(".confusion td.right").all_inner_texts() == ["3", "3"]
    assert "from 54 % to 100 %" in page.locator(".card").first.inner_text()  # 0.025 ** (1 / 6)
    before = page.evaluate("async () => (await (await fetch('/v1/models')).json()).models.length")
    page.get_by_role("button", name="Measure it").click()
    page.locator(".gains li").nth(1).wait_for()
    assert all("points" in words for words in page.locator(".gains li").all_inner_texts())
    assert page.evaluate("async () => (await (await fetch('/v1/models')).json()).models.length") == before


@pytest.mark.parametrize(
    ("kiss", "words"),
    [
        ([153, 63], "it is mixed up most. Of its 216 examples 153 are right, and 63 are taken for ring."),
        ([2, 2], "it is mixed up most. Of its 4 examples 2 are right, and 2 are taken for ring."),
        ([1, 2], "most of its own, 2 of 3, are taken for something else."),
        ([0, 0], "it has one example only"),
    ],
)
def test_what_is_said_of_the_weakest_is_what_was_counted(visit, drawings, kiss, words):
    told = {"accuracy": 0.7, "low95": 0.6, "high95": 0.8, "labels": ["kiss", "ring"], "weakest": "kiss"}
    told["confusion"] = [kiss, [0, 216]]
    page = visit(
        "inside", {"draw": drawings}, lambda page: page.route("**/estimate", lambda route: route.fulfill(json=told))
    )
    page.get_by_text(f"One more of kiss would help most: {words}").wait_for()


def test_code_is_seen_to_its_end_on_a_phone(visit, drawings):
    page = visit("inside", {"draw": drawings}, viewport={"width": 390, "height": 800})
    for language in ("Python", "curl", "JavaScript"):
        code(page, language)
        assert page.locator("pre.code").evaluate("(node) => node.scrollWidth <= node.clientWidth"), language


def test_python_and_curl_run_as_they_are(visit, drawings, tmp_path):
    page = visit("inside", {"draw": drawings})
    script = tmp_path / "ask.py"
    script.write_text(code(page, "Python"))
    said = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.startswith("['kiss']")  # the last example is one
    if shutil.which("curl"):
        said = subprocess.run(["sh", "-c", code(page, "curl")], cwd=tmp_path, capture_output=True, check=True).stdout
        assert json.loads(said)["predictions"][0]["label"] == "kiss"


def test_javascript_runs_in_the_page(visit, drawings):
    page = visit("inside", {"draw": drawings})
    with page.expect_console_message() as told:
        page.evaluate(f"(async () => {{ {code(page, 'JavaScript')} }})()")
    assert told.value.args[0].json_value()["label"] == "kiss"


def test_the_file_is_a_classifier_and_a_project_opens_where_nothing_was(visit, drawings, tmp_path):
    page = visit("inside", {"draw": drawings})
    with page.expect_download() as told:
        page.get_by_role("button", name="Download the model").click()
    told.value.save_as(tmp_path / "mine.qs")
    assert qs.FewShotClassifier.load(tmp_path / "mine.qs").classes_.tolist() == ["kiss", "ring"]
    with page.expect_download() as told:
        page.get_by_role("button", name="Save everything").click()
    told.value.save_as(tmp_path / "project.json")
    other, chance = visit(), random.Random(1)
    with other.expect_file_chooser() as chooser:
        other.get_by_role("button", name="Open a project").click()
    chooser.value.set_files(tmp_path / "project.json")
    other.locator("[data-class=kiss] [data-id]").nth(2).wait_for()
    assert [ask(other, glyph(chance)) for glyph in (circle, cross)] == ["ring", "kiss"]


@pytest.mark.parametrize("text", ["no JSON", '{"other": 1}'])
def test_a_file_that_is_no_project_is_refused_in_words(visit, tmp_path, text):
    (tmp_path / "odd.json").write_text(text)
    page = visit()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open a project").click()
    chooser.value.set_files(tmp_path / "odd.json")
    page.get_by_text("odd.json is no project").wait_for()
