"""The live pieces of the course: they compute what Python computes, and anybody can move them."""

import functools
import http.server
import importlib.util
import json
import math
import re
import statistics
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import quickstudy as qs
from quickstudy.challenge.areas import by_examples
from quickstudy.learners.base import class_means, squared_distance
from quickstudy.tasks import load
from quickstudy.tasks.base import Examples

ROOT = Path(__file__).parent.parent.parent
COURSE = ROOT / "docs/course"
LIVE = COURSE / "live"
PAGES = sorted(COURSE.glob("[0-9]-*.md"))
PIECES = {page.stem: re.findall(r'data-live="(\w+)"', page.read_text(encoding="utf-8")) for page in PAGES}
AXE = (Path(__file__).parent / "axe.min.js").read_text()
CLOSE = 1e-4
NUMBER = r"by (?:less than )?(\d+\.\d+)"
HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Pieces</title><link rel="icon" href="data:,"><link rel="stylesheet" href="live/live.css">
<style>body {{ margin: 1rem; background: Canvas; color: CanvasText; color-scheme: light dark }}</style></head>
<body><main><h1>Pieces</h1>{0}</main><script type="module" src="live/start.js"></script></body></html>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """The folder of the course; PAGE.html has the pieces of that page alone."""

    def do_GET(self) -> None:
        name = self.path.removeprefix("/").removesuffix(".html")
        if name not in PIECES:
            super().do_GET()
            return
        body = HTML.format("".join(f'<div class="live" data-live="{one}"></div>' for one in PIECES[name])).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(COURSE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def turn(browser, origin) -> Iterator[object]:
    """Opens a page of the course with its pieces; whatever the browser complains of fails the test."""
    contexts, complaints = [], []

    def to(number, **options):
        (name,) = (one for one in PIECES if one.startswith(f"{number}-"))
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | options
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{origin}/{name}.html")
        page.wait_for_function(
            "count => document.querySelectorAll('[data-ready=yes]').length === count", arg=len(PIECES[name])
        )
        return page

    yield to
    for context in contexts:
        context.close()
    assert not complaints


def told(name):
    return json.loads((LIVE / name).read_text())


def net(layers):
    made = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1)).double()
    for layer, one in zip(made[::2], layers, strict=True):
        layer.weight.data, layer.bias.data = (
            torch.tensor(one[part], dtype=torch.float64) for part in ("weight", "bias")
        )
    return made


def near(found, wanted):
    found, wanted = torch.tensor(found, dtype=torch.float64), torch.as_tensor(wanted, dtype=torch.float64)
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) < CLOSE


def test_every_page_has_a_piece_and_every_piece_a_page():
    assert len(PIECES) == 8
    assert all(PIECES.values())
    listed = re.search(r"PIECES = new Set\(\[(.*?)\]", (LIVE / "start.js").read_text())[1]
    assert sorted(json.loads(f"[{listed}]")) == sorted({one for some in PIECES.values() for one in some})


def test_weights_are_small_enough_for_a_page():
    assert sum(path.stat().st_size for path in LIVE.glob("*.json")) < 400_000


@pytest.mark.parametrize("name", ["meta", "narrow", "average", "scratch"])
def test_steps_are_those_of_the_inner_loop(turn, name):
    """Ten steps of the hand-written gradient beside those of autograd."""
    points = [(-4.2, -3.1), (-2.6, 0.4), (-0.9, 3.0), (0.8, 0.6), (2.3, -3.2)]
    xs = torch.linspace(-5, 5, 21, dtype=torch.float64)
    found = turn(1).evaluate(
        """async ([name, points, xs]) => {
          const { adapt, load, loss, predict } = await import("./live/net.js");
          const { nets, rate } = await (await fetch("./live/waves.json")).json();
          const path = adapt(load(nets[name]), points, rate, 10);
          return [path.map((one) => predict(one, xs)), path.map((one) => loss(one, points))];
        }""",
        [name, points, xs.tolist()],
    )
    waves = told("waves.json")
    start = net(waves["nets"][name])
    x, y = (torch.tensor(points, dtype=torch.float64)[:, at : at + 1] for at in (0, 1))

    def loss(net, batch):
        return (net(batch[0]) - batch[1]).square().mean()

    curves, losses = [], []
    for steps in range(11):
        adapted, _ = qs.inner.adapt(start, loss, (x, y), rule=qs.inner.sgd(waves["rate"]), steps=steps)
        own = qs.inner.bound(start, adapted)
        with torch.no_grad():
            curves.append(own(xs[:, None])[:, 0])
            losses.append(loss(own, (x, y)))
    near(found[0], torch.stack(curves))
    near(found[1], torch.stack(losses))


def test_drawings_are_seen_as_by_the_net_in_python(turn):
    task = load("glyphs").sample("test", torch.tensor([0]), way=3, shot=2, query=2, seed=1)
    drawings = torch.cat([task.support.x[0], task.query.x[0]])
    seen = drawings.double()
    for block in told("characters.json")["blocks"]:
        weight, bias = (torch.tensor(block[part], dtype=torch.float64) for part in ("weight", "bias"))
        seen = F.max_pool2d(F.relu(F.conv2d(seen, weight, bias, padding=1)), 2)
    seen = seen.flatten(1)
    prototypes = seen[:6].unflatten(0, (3, 2)).mean(1)
    shares = (-torch.cdist(seen[6:], prototypes).square()).softmax(-1)
    found = turn(3).evaluate(
        """async (drawings) => {
          const { distance, embed, load, mean, softmax } = await import("./live/conv.js");
          const net = load((await (await fetch("./live/characters.json")).json()).blocks);
          const seen = drawings.map((one) => embed(net, one));
          const prototypes = [0, 2, 4].map((at) => mean([seen[at], seen[at + 1]]));
          const shares = seen.slice(6).map((one) => softmax(prototypes.map((p) => -distance(one, p))));
          return [seen.map((one) => [...one]), shares];
        }""",
        drawings.flatten(1).tolist(),
    )
    near(found[0], seen)
    near(found[1], shares)


def test_strokes_become_drawings_like_those_that_the_net_was_trained_on(turn):
    """A ring, wherever and however large it is drawn, fills the sheet as the glyphs do."""
    found = turn(3).evaluate(
        """async () => {
          const { ink } = await import("./live/ink.js");
          const turns = Array.from({ length: 60 }, (_, at) => at / 9);
          const ring = (x, y, r) => [turns.map((at) => [x + r * Math.cos(at), y + r * Math.sin(at)])];
          return [[0.5, 0.5, 0.4], [0.3, 0.7, 0.1]].map((one) => [...ink(ring(...one))]);
        }"""
    )
    large, small = torch.tensor(found).unflatten(1, (28, 28))
    assert (large - small).abs().max() < 0.05
    glyphs = load("glyphs").sample("test", torch.arange(20), way=5, shot=1, query=1, seed=0).support.x
    used = glyphs.flatten(2).mean(-1)
    assert used.quantile(0.05) < large.mean() < used.quantile(0.95)
    rows = (large.sum(1) > 0).nonzero()
    assert abs(float(rows.float().mean()) - 13.5) < 1


def test_formulas_are_those_of_python(turn):
    page = turn(4)
    scores = [60.0, 80.0, 70.0, 95.0, 88.0, 61.0]
    found = page.evaluate("async (s) => (await import('./live/interval.js')).interval(s)", scores)
    near([found["mean"], found["half"]], [statistics.fmean(scores), 1.96 * statistics.stdev(scores) / 6**0.5])
    curve = [0.1, 0.3, 0.35, 0.8, 0.9]
    found = page.evaluate("async (s) => (await import('./live/area.js')).area(s)", curve)
    near([found], by_examples([1, 2, 5, 10, 20], torch.tensor(curve).double()[:, None]))
    for w, rate in ((-0.8, 0.2), (1.7, 0.9)):
        tasks = page.evaluate("async () => (await import('./live/slope.js')).TASKS")
        found = page.evaluate(
            "async ([w, r]) => { const m = await import('./live/slope.js'); return m.after(m.TASKS, w, r); }", [w, rate]
        )
        at = torch.tensor(w, dtype=torch.float64, requires_grad=True)
        left = [at - rate * one["a"] * (at - one["c"]) for one in tasks]
        loss = sum(one["a"] / 2 * (moved - one["q"]) ** 2 for one, moved in zip(tasks, left, strict=True)) / len(tasks)
        first = sum(one["a"] * (moved - one["q"]) for one, moved in zip(tasks, left, strict=True)) / len(tasks)
        near(
            [found["loss"], found["exact"], found["first"]],
            [loss.item(), torch.autograd.grad(loss, at)[0].item(), first.item()],
        )


def test_the_mixture_errs_as_gaussians_do(turn):
    """A person and the measurements are jointly Gaussian: the best guess and its error are those of the conditional."""
    page = turn(5)
    spreads = torch.tensor([0.0, 0.1, 0.7, 1.2], dtype=torch.float64)
    people = spreads.square()
    script = (
        "async ([n, all]) => { const m = await import('./live/shrink.js'); return all.map((s) => m.errors(n, s)); }"
    )
    for n in (0, 1, 3, 20):
        found = page.evaluate(script, [n, spreads.tolist()])
        seen = people[:, None, None] + torch.eye(n, dtype=torch.float64)  # covariance of n measurements
        weights = torch.linalg.solve(seen, people[:, None].expand(-1, n))
        assert [one["own"] for one in found] == pytest.approx([1 / n if n else math.inf] * len(found), abs=CLOSE)
        near([one["crowd"] for one in found], people)
        near([one["share"] for one in found], weights.sum(-1))
        near([one["mixed"] for one in found], people * (1 - weights.sum(-1)))


def test_prototypes_are_those_of_the_learner(turn):
    points = torch.tensor(np.random.default_rng(0).uniform(-4, 4, (40, 7, 2)))
    page = turn(3)
    script = "async (all) => { const m = await import('./live/prototypes.js'); return all.map(m.judge); }"
    found = page.evaluate(script, points.tolist())
    labels = F.one_hot(torch.tensor([0, 0, 1, 1, 2, 2]), 3).double()
    for one, judged in zip(points, found, strict=True):
        prototypes = class_means(one[:6], Examples(one[:6], labels, torch.ones(6, dtype=torch.bool)))
        far = squared_distance(one[6:], prototypes)[0]
        near(judged["prototypes"], prototypes)
        near(judged["far"], far.sqrt())
        assert judged["own"] == int(far.argmin())
    assert {one["own"] for one in found} == {0, 1, 2}


@pytest.mark.parametrize(("methods", "size", "seed"), [(1, 0, 1), (20, 1, 1), (50, 5, 7)])
def test_the_best_of_many_equals_is_the_same_in_python(turn, methods, size, seed):
    page = turn(6)
    sizes = page.evaluate("async () => (await import('./live/luck.js')).SIZES")
    script = "async (asked) => (await import('./live/luck.js')).choose(...asked)"
    found = page.evaluate(script, [methods, size, seed])
    random = mulberry(1000 * seed + 10 * size)

    def right(tasks):
        return statistics.fmean(next(random) < 0.6 for _ in range(15 * tasks))

    tried = [right(sizes[size]) for _ in range(50)][:methods]
    near(found["tried"], tried)
    assert found["best"] == tried.index(max(tried))
    near([found["again"]], [right(200)])
    bounds = 4 * (0.24 / (15 * sizes[size])) ** 0.5  # standard errors of shares with a chance of 0.6
    assert all(abs(one - 0.6) < bounds for one in tried)


def mulberry(seed):
    """Numbers in [0, 1) of mulberry32 (Tommy Ettinger, 2017), whole numbers modulo 2**32."""
    while True:
        seed = (seed + 0x6D2B79F5) % 2**32
        value = (seed ^ seed >> 15) * (seed | 1) % 2**32
        value ^= (value + (value ^ value >> 7) * (value | 61)) % 2**32
        yield (value ^ value >> 14) / 2**32


def test_a_step_bends_the_learnt_start_more_than_the_other(turn):
    page = turn(1)
    says = page.locator(".live-says")
    before = says.inner_text()
    page.get_by_label("Gradient steps").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    after = says.inner_text()
    assert "Before the first step" in before
    assert "After 5 steps" in after
    learnt, other = (float(one) for one in re.findall(NUMBER, after))
    assert learnt < other / 2
    page.get_by_role("button", name="Play the steps").click()
    assert "After 10 steps" in says.inner_text(), "without motion the end is shown at once"


def test_points_are_moved_with_keys_and_with_a_pointer(turn):
    page = turn(1)
    point = page.get_by_role("slider", name="Point 2 of 5")
    before = point.get_attribute("aria-valuetext")
    point.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    moved = point.get_attribute("aria-valuetext")
    assert moved != before
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] - 60)
    page.mouse.up()
    assert float(point.get_attribute("aria-valuenow")) > float(moved.split(",")[1])
    page.get_by_role("button", name="One point more").click()
    assert page.get_by_role("slider", name="Point 6 of 6").count() == 1


def test_a_rate_that_is_too_large_diverges_and_a_narrow_start_fails_outside(turn):
    page = turn(3)
    rate = page.get_by_label("Rate of the steps")
    says = page.locator("[data-live=rate] .live-says")
    rate.fill("0")
    assert "diverge" in says.inner_text()
    rate.fill("-1.7")
    assert "falls" in says.inner_text()
    page = turn(2)
    errors = []
    for _ in range(2):
        errors.append([float(one) for one in re.findall(NUMBER, page.locator(".live-says").inner_text())])
        page.get_by_role("slider", name="The wave that is asked").first.focus()
        for _ in range(10):
            page.keyboard.press("ArrowUp")
            page.keyboard.press("ArrowRight")
    (narrow_in, wide_in), (narrow_out, wide_out) = errors
    assert narrow_in < wide_in
    assert wide_out < narrow_out


def test_a_drawing_belongs_to_the_nearer_prototype(turn):
    page = turn(3)
    piece = page.locator("[data-live=draw]")
    says = piece.locator(".live-says")
    for word in ("second character", "first character"):
        piece.get_by_role("button", name="Fill in ours").click()
        assert f"the {word}, with" in says.inner_text()
    piece.get_by_role("button", name="Clear all").click()
    assert "Draw one example" in says.inner_text()
    for name, keys in (
        ("Draw the first character", "ArrowRight"),
        ("Draw the second character", "ArrowDown"),
        ("Draw one of the two again", "ArrowDown"),
    ):
        piece.get_by_label(name).focus()
        page.keyboard.press("Space")
        for _ in range(8):
            page.keyboard.press(keys)
    assert "the second character, with" in says.inner_text()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("number", range(1, 9))
def test_pieces_fit_a_phone_and_have_no_serious_barrier(turn, number, scheme):
    page = turn(number, viewport={"width": 390, "height": 800}, is_mobile=True, has_touch=True, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate(AXE)
    only = {"resultTypes": ["violations"], "runOnly": ["color-contrast"] if scheme == "dark" else ["wcag2a", "wcag2aa"]}
    found = page.evaluate("async (only) => (await axe.run(document, only)).violations", only)
    serious = [(one["id"], one["nodes"][0]["html"][:150]) for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, serious


def test_everything_is_reached_with_the_tab_key(turn):
    page = turn(4)
    kinds = set()
    for _ in range(4):
        page.keyboard.press("Tab")
        kinds.add(page.evaluate("document.activeElement.tagName"))
    assert {"INPUT", "BUTTON"} <= kinds


@pytest.mark.slow
def test_the_export_is_the_same_from_the_same_seed(tmp_path):
    spec = importlib.util.spec_from_file_location("export", ROOT / "examples/course/export.py")
    export = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(export)
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        export.main(tmp_path / name, wave_steps=2, character_steps=2, episodes=4)
        made.append({path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())})
    assert made[0] == made[1]
    for name, data in made[0].items():
        here, there = json.loads(data), told(name)
        assert {*here} == {*there}
        if name == "waves.json":
            assert here["nets"]["scratch"] == there["nets"]["scratch"]
