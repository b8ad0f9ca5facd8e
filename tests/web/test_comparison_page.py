"""The page of a comparison in a real browser: nothing to complain of, nothing from elsewhere, no wider than a phone."""

from pathlib import Path

import pytest

from quickstudy import learners, tasks
from quickstudy.app.comparison_page import compose
from quickstudy.comparison import compare

SMALL = {"way": 2, "query": 2, "episodes": 4, "side_episodes": 2, "shifts": "noise", "shift_to": "glyphs:classes=20"}
TINY = {"backbone": "mlp", "width": 8}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of learners without any training, one of which takes steps."""
    spec = tasks.load("glyphs").spec
    chosen = {"nearest": {}, "maml": TINY | {"inner_steps": 1}, "protonet": TINY}
    some = [
        learners.build(name, spec, learners.configure(name, chosen[name]), seed) for seed, name in enumerate(chosen)
    ]
    page = tmp_path_factory.mktemp("comparison") / "page.html"
    page.write_text(compose(compare(some, **SMALL), "quickstudy compare some runs", "page.json"))
    return page


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_it_opens_in_peace_and_fits_the_window(browser, written: Path, width: int) -> None:
    complaints, asked = [], []
    context = browser.new_context(viewport={"width": width, "height": 800}, is_mobile=width < 500)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(written.as_uri())
    assert page.locator("h1").is_visible()
    assert page.locator("#elsewhere").is_visible()
    assert page.locator("section svg").count() >= 6
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    assert not complaints
    assert asked == [written.as_uri()]
