"""What one may like: stars given with a real pointer, a list that moves, and why; all of it with the keyboard too."""

import re

STATE = {"recommender": None, "training": None, "error": None, "invented": True, "can_train": True}


def find(page, words: str) -> str:
    """Search a title, click the first that is found; which it was."""
    page.get_by_label("Find a title").fill(words)
    page.wait_for_function(f"() => document.querySelector('.found li[id]')?.textContent.startsWith('{words}')")
    first = page.get_by_role("option").first
    title = first.inner_text()
    box = first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    return title


def give(page, title: str, value: float) -> None:
    """Drag over the stars, up to the middle of the half that makes ``value`` of 5."""
    stars = page.get_by_label(f"Your rating of {title}")
    stars.scroll_into_view_if_needed()
    box = stars.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (value - 0.25) / 5, y, steps=4)
    page.mouse.up()
    assert stars.get_attribute("aria-valuetext") == f"{value:g} of 5"


def best(page) -> list[str]:
    return [one.get_attribute("data-item") for one in page.locator(".best li").all()]


def settled(page, reasons: list[str]) -> None:
    """Wait until the list gives these titles, and no others, as reasons."""
    page.wait_for_function(
        """(titles) => {
            const told = [...document.querySelectorAll(".best .reason")].map((one) => one.textContent);
            return titles.every((title) => told.some((words) => words.includes(` ${title} `)))
                && told.every((words) => titles.some((title) => words.includes(` ${title} `)));
        }""",
        arg=reasons,
    )


def test_stars_move_the_list_and_the_list_says_why(visit):
    page = visit("foryou")
    page.locator(".best li").nth(9).wait_for()
    page.get_by_role("heading", name="What most like").wait_for()
    assert not page.locator(".best .reason, .move").count()
    liked = best(page)

    horror = find(page, "horror")
    give(page, horror, 4.5)
    page.get_by_role("heading", name="For you", exact=True).wait_for()
    settled(page, [horror])
    after = best(page)
    assert after != liked
    assert page.locator(".move").count()
    news = page.locator(".foryou [aria-live]").inner_text()
    assert re.search("moved up|moved down|new", news)
    gone = [item for item in liked if item not in after]
    assert ("Left the list" in news) == bool(gone)
    words = page.locator(".best .reason").first.inner_text()
    assert re.fullmatch(rf"[+\u2212]\d\.\d+ {horror} 4\.5", words)

    page.locator(".best .button").nth(1).click()  # rate the second of the list, with the keyboard
    second = page.evaluate("document.activeElement.getAttribute('aria-label')").removeprefix("Your rating of ")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.get_by_label(f"Your rating of {second}").get_attribute("aria-valuetext") == "1.5 of 5"
    settled(page, [horror, second])
    assert after[1] not in best(page)

    page.reload()
    settled(page, [horror, second])
    page.get_by_label(f"Your rating of {second}").press("Delete")
    settled(page, [horror])
    page.get_by_role("button", name=f"Remove {horror}").click()
    page.get_by_role("heading", name="What most like").wait_for()
    page.wait_for_function("() => !document.querySelector('.best .reason')")
    assert best(page) == liked


def test_titles_are_found_with_the_keyboard_alone(visit):
    page = visit("foryou")
    page.locator(".best li").first.wait_for()
    field = page.get_by_label("Find a title")
    field.fill("nothing of the kind")
    page.get_by_text("No title has these words.").wait_for()
    field.fill("com")
    page.locator(".found li[id]").nth(1).wait_for()
    titles = page.get_by_role("option").all_inner_texts()
    field.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == "found-1"
    field.press("Enter")
    assert page.locator(".mine li > span").all_inner_texts() == [titles[1]]
    page.keyboard.press("End")
    settled(page, [titles[1]])
    field.fill("com")
    page.locator(".found li[id]").nth(1).wait_for()
    field.press("Escape")
    assert not page.get_by_role("listbox").is_visible()


def test_where_nobody_has_learnt_anything_one_button_trains_and_says_on_what(visit):
    now: dict[str, object] = {}  # what the server says until the page was seen to show it

    def answer(route):
        if route.request.method == "POST":
            now["training"] = {"step": 0, "steps": 0}
        route.fulfill(json=STATE | now)

    page = visit("foryou", before=lambda page: page.route(re.compile("/v1/for-you(/train)?$"), answer))
    page.get_by_text("invented people and titles").wait_for()
    page.get_by_role("button", name="Train it").click()
    page.get_by_text("reading the ratings").wait_for()
    now["training"] = {"step": 200, "steps": 800}
    page.get_by_text("step 200 of 800").wait_for()
    now.pop("training")
    now["error"] = "the ratings have gone."
    page.get_by_text("the ratings have gone.").wait_for()
    page.get_by_role("button", name="Train it").wait_for()
