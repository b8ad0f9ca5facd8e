"""Drawing with a real pointer: two glyphs told apart from one another, and everything that can be done to classes."""

import random

from glyphs import answer, ask, circle, cross, draw, rename, teach, zigzag
from sending import image, post


def test_two_glyphs_are_told_apart_and_a_third_class_is_there_at_once_and_all_of_it_after_a_reload(visit):
    page, chance = visit(), random.Random(0)
    for place, (name, glyph) in enumerate({"ring": circle, "kiss": cross}.items()):
        teach(page, place, name, [glyph(chance) for _ in range(2)])
    for _ in range(2):
        assert ask(page, circle(chance)) == "ring"
        assert ask(page, cross(chance)) == "kiss"
    page.get_by_role("button", name="Add a class").click()
    teach(page, 2, "bolt", [zigzag(chance)])
    assert [ask(page, glyph(chance)) for glyph in (zigzag, circle, cross)] == ["bolt", "ring", "kiss"]
    shares = [int(words.split()[0]) for words in page.locator("#draw-ask .share").all_inner_texts()]
    assert abs(sum(shares) - 100) <= 2
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.locator("#panel-draw img[src]").nth(4).wait_for()
    assert [one.input_value() for one in page.locator("#panel-draw .name").all()] == ["ring", "kiss", "bolt"]
    assert ask(page, zigzag(chance)) == "bolt"


def test_the_answer_moves_while_one_draws_and_an_example_is_learnt_without_a_button(visit, drawings):
    page, chance = visit("draw", {"draw": drawings}), random.Random(1)
    draw(page, page.locator("#draw-ask canvas"), circle(chance), lift=False)
    page.locator("#draw-ask .word.swipe").wait_for()
    assert answer(page) == "ring"
    page.mouse.up()
    draw(page, page.locator("[data-class=ring] canvas"), circle(chance))
    page.locator("[data-class=ring] [data-id]").nth(3).wait_for()


def test_what_was_drawn_last_is_an_example_of_the_class_that_one_says_it_was(visit, drawings):
    page, chance = visit("draw", {"draw": drawings}), random.Random(1)
    ask(page, zigzag(chance))
    page.locator("#draw-ask .keep").get_by_role("button", name="kiss").click()
    page.locator("[data-class=kiss] [data-id]").nth(3).wait_for()


def test_deleting_renaming_and_learning_are_undone_one_after_the_other(visit, drawings):
    page, chance = visit("draw", {"draw": drawings}), random.Random(1)
    rings, kisses = (page.locator(f"[data-class={name}] [data-id]") for name in ("ring", "kiss"))
    rings.first.click()
    page.wait_for_function("() => document.querySelectorAll('[data-class=ring] [data-id]').length === 2")
    page.get_by_role("button", name="Delete the class kiss").click()
    page.locator("[data-class=kiss]").wait_for(state="detached")
    rename(page.locator("[data-class=ring]"), "hoop")
    page.locator("[data-class=hoop]").wait_for()
    page.keyboard.press("Control+z")
    page.locator("[data-class=ring]").wait_for()
    page.keyboard.press("Control+z")
    kisses.nth(2).wait_for()
    page.get_by_role("button", name="Undo", exact=True).last.click()
    rings.nth(2).wait_for()
    assert ask(page, cross(chance)) == "kiss"


def test_the_keyboard_draws_too(visit):
    page = visit()
    pad = page.locator("#panel-draw .class").first.locator("canvas")
    pad.focus()
    for key in ("Space", *["ArrowRight"] * 5, *["ArrowDown"] * 5, "Space", "Enter"):
        pad.press(key)
    page.locator("[data-class=this] [data-id]").wait_for()


def test_a_finger_draws_at_the_width_of_a_phone(visit):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    page, chance = visit(**phone), random.Random(0)
    pad = page.locator("#panel-draw .class").first.locator("canvas")
    box = pad.bounding_box()
    touch = page.context.new_cdp_session(page)
    for number, (x, y) in enumerate(circle(chance)[0]):
        at = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        kind = "touchMove" if number else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.locator("[data-class=this] [data-id] img[src]").wait_for()
    assert page.evaluate("scrollY") == 0


def test_a_label_is_words_whatever_stands_in_it(visit):
    page, chance = visit(), random.Random(0)
    name = "<img src=x onerror=document.title=1>"
    teach(page, 0, name, [circle(chance)])
    teach(page, 1, "kiss", [cross(chance)])
    assert ask(page, circle(chance)) == name
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "quickstudy"


def test_a_drawing_waits_while_the_server_does_not_answer_and_is_learnt_when_it_does(visit, drawings):
    page, chance = visit("draw", {"draw": drawings}), random.Random(1)
    page.route("**/v1/models/*/examples", lambda route: route.abort())
    pad = page.locator("[data-class=ring] canvas")
    for _ in range(2):
        draw(page, pad, circle(chance))
        pad.press("Enter")
    page.get_by_text("2 examples wait here").wait_for()
    rename(page.locator("[data-class=ring]"), "hoop")
    page.unroute("**/v1/models/*/examples")
    page.locator("[data-class=hoop] [data-id]").nth(4).wait_for()
    page.locator("#panel-draw .pending").wait_for(state="hidden")


def test_a_glyph_of_two_strokes_may_be_drawn_slowly(visit, drawings):
    page, chance = visit("draw", {"draw": drawings}), random.Random(1)
    pad, kept = page.locator("[data-class=kiss] canvas"), page.locator("[data-class=kiss] [data-id]")
    first, second = cross(chance)
    draw(page, pad, [first])
    page.wait_for_timeout(1000)
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 1.1 * box["width"], box["y"] + 0.2 * box["height"])  # beside the paper
    page.wait_for_timeout(1000)
    assert kept.count() == 3
    draw(page, pad, [second])
    kept.nth(3).wait_for()
    page.wait_for_timeout(200)
    assert kept.count() == 4
    assert page.locator("#panel-draw .pad.inked").count() == 0


def test_what_another_tab_did_is_shown_after_a_change_of_ones_own_and_when_one_comes_back(visit, drawings, address):
    page, chance = visit("draw", {"draw": drawings}), random.Random(1)
    examples = f"{address}/v1/models/{drawings}/examples"
    post(examples, {"examples": [{"label": "bolt", "image": image(zigzag(chance))}] * 2})
    pad = page.locator("[data-class=kiss] canvas")
    draw(page, pad, cross(chance))
    pad.press("Enter")
    page.locator("[data-class=bolt] [data-id]").nth(1).wait_for()
    counts = {name: page.locator(f"[data-class={name}] [data-id]").count() for name in ("ring", "kiss", "bolt")}
    assert counts == {"ring": 3, "kiss": 4, "bolt": 2}
    page.request.delete(f"{address}/v1/models/{drawings}/labels/ring")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator("[data-class=ring]").wait_for(state="detached")
    assert page.locator("#panel-draw .class").count() == 2
