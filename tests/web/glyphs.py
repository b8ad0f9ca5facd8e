"""Glyphs as strokes, each a little different from the last, and a hand that draws them."""

import math
import random
from itertools import pairwise

Stroke = list[tuple[float, float]]
"""Points from 0 to 1."""


def circle(chance: random.Random) -> list[Stroke]:
    across, start = chance.uniform(0.22, 0.34), chance.uniform(0, 6)
    x, y = chance.uniform(0.42, 0.58), chance.uniform(0.42, 0.58)
    turn = [start + 6.5 * number / 14 for number in range(15)]
    return [[(x + across * math.cos(a), y + 1.1 * across * math.sin(a)) for a in turn]]


def cross(chance: random.Random) -> list[Stroke]:
    def near(value: float) -> float:
        return value + chance.uniform(-0.06, 0.06)

    return [
        line((near(0.25), near(0.25)), (near(0.75), near(0.75))),
        line((near(0.75), near(0.25)), (near(0.25), near(0.75))),
    ]


def zigzag(chance: random.Random) -> list[Stroke]:
    tops = [(0.15 + 0.175 * number, chance.uniform(0.2, 0.3) if number % 2 else 0.75) for number in range(5)]
    return [through(tops)]


def line(start: tuple[float, float], end: tuple[float, float]) -> Stroke:
    steps = [number / 3 for number in range(4)]
    return [(start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])) for t in steps]


def through(corners: list[tuple[float, float]]) -> Stroke:
    """From corner to corner without lifting."""
    return [point for start, end in pairwise(corners) for point in line(start, end)]


def draw(page, pad, strokes: list[Stroke], lift: bool = True) -> None:
    """Draw on a pad with the mouse; without ``lift`` the button stays down."""
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    for stroke in strokes:
        for number, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if number == 0:
                page.mouse.down()
        if lift or stroke is not strokes[-1]:
            page.mouse.up()


def teach(page, place: int, name: str, glyphs: list[list[Stroke]]) -> None:
    """Name the class at ``place``, and draw it examples, each kept with Enter."""
    card = page.locator("#panel-draw .class").nth(place)
    rename(card, name)
    pad = card.locator("canvas")
    before = card.locator("[data-id]").count()
    for number, strokes in enumerate(glyphs, 1):
        draw(page, pad, strokes)
        pad.press("Enter")
        card.locator("[data-id]").nth(before + number - 1).wait_for()


def rename(card, name: str) -> None:
    card.locator(".name").fill(name)
    card.locator(".name").press("Enter")


def answer(page, panel: str = "draw") -> str:
    """What the page says now."""
    word = page.locator(f"#panel-{panel} .word")
    return word.inner_text() if "swipe" in word.get_attribute("class") else ""


def ask(page, strokes: list[Stroke]) -> str:
    """What the page says of a drawing, once it has settled."""
    page.locator("#draw-ask [aria-label='Clear the pad']").dispatch_event("click")
    page.wait_for_function("() => !document.querySelector('#draw-ask .word').classList.contains('swipe')")
    draw(page, page.locator("#draw-ask canvas"), strokes)
    page.locator("#draw-ask .because .thumb").first.wait_for()
    page.locator("#draw-ask [aria-busy=false]").wait_for()
    return answer(page)
