"""Pictures of the docs are made by code: that of the playground by this test, which draws it as anybody would.

``make pictures`` writes all of them anew.
"""

import math
import os
import random
from pathlib import Path

import numpy as np
from glyphs import Stroke, ask, line, teach, through
from PIL import Image

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "docs/playground.png"
NEW = "QUICKSTUDY_PICTURES"
"""The variable that names the folder where the picture is to be written."""
SCREEN = {"viewport": {"width": 1280, "height": 930}, "device_scale_factor": 1.5}
COARSE, PART = (48, 36), 6
"""Pixels in which pictures are compared, so that how a browser smooths its letters is not seen, and those of a part."""
ALIKE = 8.0
"""Mean absolute difference (of 255) of a part up to which it is the same, in whichever browser.

A picture that is blurred by 1.5 pixels has 0.4, moved by two pixels 1.9, without one of the examples 2.9; one of the
page before it had a tab more 19.
"""


def fish() -> list[Stroke]:
    """Body and tail without lifting, then the eye."""
    turn = [0.55 + (2 * math.pi - 1.1) * number / 40 for number in range(41)]
    body = [(0.47 + 0.29 * math.cos(a), 0.5 - 0.205 * math.sin(a)) for a in turn]
    tail = through([body[-1], (0.85, 0.31), (0.87, 0.71), body[0]])
    return [[*body, *tail], line((0.325, 0.445), (0.335, 0.455))]


def house() -> list[Stroke]:
    walls = [(0.26, 0.44), (0.27, 0.82), (0.75, 0.81), (0.74, 0.43), (0.26, 0.44)]
    roof = [(0.24, 0.45), (0.5, 0.16), (0.76, 0.44)]
    return [through(walls), through(roof)]


def tree() -> list[Stroke]:
    turn = [math.pi / 2 + 2 * math.pi * number / 63 for number in range(64)]
    crown = [(0.2 + 0.035 * math.cos(9 * a), a) for a in turn]
    return [[(0.5 + r * math.cos(a), 0.36 + r * math.sin(a)) for r, a in crown], line((0.5, 0.55), (0.5, 0.85))]


def by_hand(strokes: list[Stroke], chance: random.Random) -> list[Stroke]:
    """The same, a little elsewhere, larger or smaller, and not as steady."""
    size, across, down = chance.uniform(0.88, 1.05), chance.uniform(-0.03, 0.03), chance.uniform(-0.03, 0.03)

    def moved(at: float, by: float) -> float:
        return 0.5 + size * (at - 0.5) + by + chance.gauss(0, 0.004)

    return [[(moved(x, across), moved(y, down)) for x, y in stroke] for stroke in strokes]


def apart(one: Path, other: Path) -> float:
    """Mean absolute difference of two pictures where they differ most."""
    seen = []
    for path in (one, other):
        with Image.open(path) as picture:
            seen.append(np.asarray(picture.convert("RGB").resize(COARSE, Image.Resampling.BOX), float))
    parts = np.abs(seen[0] - seen[1]).reshape(COARSE[1] // PART, PART, COARSE[0] // PART, PART, 3)
    return float(parts.mean((1, 3, 4)).max())


def test_the_picture_of_the_playground_is_what_the_page_shows(visit, tmp_path):
    page, chance = visit(**SCREEN, color_scheme="light", reduced_motion="reduce"), random.Random(0)
    page.get_by_role("button", name="Add a class").click()
    for place, (kind, times) in enumerate({fish: 3, house: 2, tree: 1}.items()):
        teach(page, place, kind.__name__, [by_hand(kind(), chance) for _ in range(times)])
    page.evaluate("scrollTo(0, 0)")
    answer = ask(page, fish())
    assert answer == "fish"
    page.evaluate("document.fonts.ready")
    made = Path(os.environ.get(NEW, tmp_path)) / PICTURE.name
    page.screenshot(path=made, animations="disabled")
    with Image.open(made) as picture:  # few colours are seen, and four times fewer bytes
        few = picture.convert("RGB").quantize(256)
    few.save(made, optimize=True)
    with Image.open(PICTURE) as shown:
        assert shown.size == few.size == (1920, 1395)
    difference = apart(made, PICTURE)
    assert difference < ALIKE, f"the page looks otherwise by now ({difference:.1f} of 255): make pictures"


def test_every_picture_of_the_docs_is_one_that_make_pictures_writes():
    recipe = (ROOT / "Makefile").read_text().partition("\npictures:")[2].partition("\n\n")[0]
    there = {path.name for kind in ("png", "gif", "jpg") for path in (ROOT / "docs").rglob(f"*.{kind}")}
    assert {PICTURE.name} == {name for name in there if name not in recipe}
    assert f"{NEW}=$(CURDIR)/docs $(BIN)/python -m pytest tests/web/{Path(__file__).name}" in recipe
