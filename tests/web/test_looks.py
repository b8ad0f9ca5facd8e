"""What every panel owes everybody: room on a phone, light and dark, and no barriers that axe finds."""

from pathlib import Path

import pytest

PANELS = ("draw", "photos", "table", "watch", "foryou", "inside", "runs")
AXE = (Path(__file__).parent / "axe.min.js").read_text()
SERIOUS = ("serious", "critical")


def open_panel(page, name: str) -> None:
    page.evaluate(f"location.hash = '#{name}'")
    page.locator(f"#panel-{name}").wait_for()
    if name == "table":
        page.get_by_role("button", name="Try the sample").click()
        page.locator(".filled").first.wait_for()
    if name == "foryou":
        rate_something(page)
    page.wait_for_load_state("networkidle")


def rate_something(page) -> None:
    page.locator(".best li").first.wait_for()
    if not page.locator(".mine li").count():
        page.locator(".best .button").first.click()
        page.keyboard.press("End")
    page.locator(".best .reason").first.wait_for()
    page.get_by_label("Find a title").fill("drama")
    page.get_by_role("option").first.wait_for()


@pytest.mark.parametrize("width", [390, 320])
def test_nothing_is_wider_than_a_phone(visit, drawings, width):
    page = visit("draw", {"draw": drawings}, viewport={"width": width, "height": 700}, is_mobile=True, has_touch=True)
    for name in PANELS:
        open_panel(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.parametrize(("colours", "rules"), [("light", None), ("dark", ["color-contrast"])])
def test_axe_finds_no_serious_barrier(visit, drawings, colours, rules):
    page = visit("draw", {"draw": drawings}, color_scheme=colours, reduced_motion="reduce")
    page.evaluate(AXE)
    only = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    for name in PANELS:
        open_panel(page, name)
        bad = barriers(page, only)
        for _ in range(5 if bad else 0):  # an answer is pale while another one is on its way
            page.wait_for_timeout(1000)
            bad = barriers(page, only)
        assert not bad, (name, bad)


def barriers(page, only: dict[str, object]) -> list[tuple[str, str]]:
    found = page.evaluate("async (only) => (await axe.run(document, only)).violations", only)
    return [(one["id"], one["nodes"][0]["html"][:120]) for one in found if one["impact"] in SERIOUS]


def test_the_toggle_turns_colours_over_and_they_stay(visit):
    page = visit(color_scheme="light")
    paper = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Dark colours").click()
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    assert page.evaluate(paper) == dark
    assert page.get_by_role("button", name="Dark colours").get_attribute("aria-pressed") == "true"


def test_every_panel_is_reached_with_the_keyboard(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#panel-photos").wait_for()
    assert page.get_by_role("link", name="Photos").get_attribute("aria-current") == "page"


def test_a_server_with_keys_is_asked_with_the_one_that_the_page_asks_for(visit):
    def door(route):
        if route.request.headers.get("authorization") == "Bearer sesame":
            route.continue_()
        else:
            route.fulfill(status=401, json={"error": "the request has no key that is known here."})

    page = visit(before=lambda page: page.route("**/v1/**", door), ready="dialog[open]")
    page.get_by_text("no key that is known here").wait_for()
    for key in ("wrong", "sesame"):
        page.get_by_label("Key", exact=True).fill(key)
        page.get_by_role("button", name="Go on").click()
    page.wait_for_selector("html[data-ready]")
    page.get_by_role("link", name="Runs").click()
    page.locator(".run").first.wait_for()


def test_the_page_runs_nothing_but_its_own_files(visit, address):
    page = visit()
    sent = page.request.get(address).headers
    assert "default-src 'self'" in sent["content-security-policy"]
    assert "unsafe" not in sent["content-security-policy"]
    assert not page.evaluate("[...document.querySelectorAll('script')].some((one) => one.textContent.trim())")
    outside = "performance.getEntriesByType('resource').filter((one) => !one.name.startsWith(location.origin))"
    assert page.evaluate(f"{outside}.map((one) => one.name).filter((one) => !one.startsWith('blob:'))") == []
