"""A leaderboard in a real browser: sorted and filtered by keyboard, on a phone and a desk, light and dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from board import SUITE, evaluation, row, write

from quickstudy.app.cli import main

AXE = (Path(__file__).parent / "axe.min.js").read_text()
EASY = [0.9, 0.8, 0.95, 0.85, 0.9, 0.92, 0.8, 0.88, 0.9, 0.91, 0.9, 0.93]
PAGES = ("index.html", "entries/protonet.html")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("board")
    spread = {"protonet": 0.0, "maml": 0.2, "a-learner-with-a-very-long-name-of-its-own": 0.4, "nearest": 0.6}
    rows = [row(name, [one - less for one in EASY], 3 + 30 * less) for name, less in spread.items()]
    rows[3]["blocks"][0]["about"]["config"] = rows[3]["blocks"][1]["about"]["config"] = {"k": 1}
    rows.append(row("cheat", [1.0] * 12, breaks_the_rules=True))
    rows.append(row("waves", [0.97] * 12, 10, alone="functions"))
    write(root / "rows", rows)
    write(root / "rows/ladder", [evaluation("knn", 0.5, 0.02), evaluation("linear", 0.53, 0.02)])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        (root / "small.toml").write_text(SUITE)
        assert main(["leaderboard", "build", "rows", "--out", "pages"]) == 0
    return root / "pages"


@pytest.fixture
def look(browser, board: Path) -> Iterator[object]:
    """Opens a page; whatever the browser complains of fails the test."""
    contexts, complaints = [], []

    def open_page(name="index.html", **options):
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((board / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints, complaints


def names(page) -> list[str]:
    """Entries of the first table that are shown, from top to bottom."""
    return page.locator("section tbody tr:visible th a").all_inner_texts()


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_the_window(look, name, width):
    page = look(name, viewport={"width": width, "height": 800}, is_mobile=width < 500, has_touch=width < 500)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").is_visible()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_serious_barrier(look, name, colours, width):
    page = look(name, color_scheme=colours, viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    page.evaluate(AXE)
    only = {"resultTypes": ["violations"], "preload": False}
    found = page.evaluate("async (only) => (await axe.run(document, only)).violations", only)
    assert not [(one["id"], one["nodes"][0]["html"][:120]) for one in found if one["impact"] in ("serious", "critical")]


def test_a_table_is_sorted_with_the_keyboard_alone(look):
    page = look()
    assert names(page)[0] == "protonet"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    wanted = "document.activeElement.textContent === 'adapt, ms'"
    for _ in range(40):
        if page.evaluate(wanted):
            break
        page.keyboard.press("Tab")
    assert page.evaluate(wanted)
    page.keyboard.press("Enter")
    heading = page.locator("section th[aria-sort]")
    assert (heading.count(), heading.get_attribute("aria-sort")) == (1, "ascending")
    assert set(names(page)[:2]) == {"protonet", "cheat"}, "3 ms each"
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert names(page)[0] == "nearest"
    page.get_by_role("button", name="rank", exact=True).first.click()
    assert names(page)[-1] == "cheat", "who has no rank comes last"
    page.get_by_role("button", name="rank", exact=True).first.click()
    assert names(page)[-1] == "cheat", "in either order"
    assert names(page)[0] == "nearest"


def test_rows_are_chosen_and_counted(look):
    page = look()
    assert page.locator("output").inner_text() == "8 rows"
    page.get_by_label("Learner", exact=True).fill("MAM")
    assert names(page) == ["maml"]
    assert page.locator("output").inner_text() == "1 of 8 rows"
    assert not page.locator("details").first.is_visible(), "no row of it is chosen"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.querySelector('output').textContent === '8 rows'")
    page.get_by_label("Backbone").select_option("none")
    assert names(page) == ["nearest"]
    page.get_by_label("Backbone").select_option("")
    page.get_by_label("Inductive").select_option("no")
    assert names(page) == ["cheat"]


def test_who_does_one_kind_alone_is_compared_on_it(look):
    page = look()
    assert page.locator("section tbody tr", has_text="1 of 2 families").locator("a").all_inner_texts() == ["waves"]
    assert names(page).index("waves") > 0
    page.get_by_label("Takes part in").select_option("functions")
    assert names(page)[:2] == ["cheat", "waves"], "in the order of that family"
    assert page.locator("section th[aria-sort]").inner_text() == "functions"
    page.get_by_label("Takes part in").select_option("glyphs")
    assert "waves" not in names(page)
    assert page.locator("output").inner_text() == "7 of 8 rows", "evaluations on glyphs are there as well"
    page.get_by_label("Takes part in").select_option("*")
    assert "waves" not in names(page)
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.querySelector('output').textContent === '8 rows'")
    assert names(page)[0] == "protonet"


def test_an_entrys_points_show_and_its_page_leads_back_to_an_open_table(look):
    page = look()
    page.locator("section tbody tr", has_text="maml").hover()
    assert page.locator(".dot.shown").count() == 2
    page.locator("details summary").first.click()
    page.get_by_role("link", name="knn").click()
    page.get_by_role("link", name="glyphs, 5-way 1-shot").click()
    page.wait_for_selector("html[data-ready]")
    assert page.locator("details").first.get_attribute("open") is not None


def test_without_scripts_the_table_is_there_in_order(look):
    page = look(java_script_enabled=False)
    assert page.locator("section tbody th").all_inner_texts()[0] == "protonet"
    assert not page.locator("form.filters").is_visible()
