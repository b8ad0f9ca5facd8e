"""The page in a real browser, headless, on a server in a process of its own."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from glyphs import circle, cross
from PIL import Image
from sending import image, post

import quickstudy as qs
from quickstudy import learners
from quickstudy.runs import METRICS, WEIGHTS, describe, write_card, write_tensors, write_text
from quickstudy.tasks.base import Spec

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
GLYPHS = {"ring": circle, "kiss": cross}
KINDS = {"red": (180, 0, 0), "blue": (0, 0, 180)}


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the path: apt-get install chromium")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *CAMERA])
        yield found
        found.close()


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of noise in a colour each."""
    root = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for kind, colour in KINDS.items():
        (root / kind).mkdir()
        for number in range(3):
            noise = draw.uniform(0, 60, (40, 40, 3))
            Image.fromarray((np.array(colour) + noise).astype(np.uint8)).save(root / kind / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of a learner of photographs, untrained; beside it lies a page that is not for anybody."""
    root = tmp_path_factory.mktemp("machine") / "runs"
    spec = Spec(name="images", kind="classification", shape=(3, 16, 16))
    made = learners.build("protonet", spec, learners.configure("protonet", {"width": 8}), seed=0)
    run = describe(root / "photos", "protonet", made.config, spec, {"steps": 2}, None)
    write_card(run)
    write_tensors(run.path / WEIGHTS, made.state_dict())
    write_text(run.path / METRICS, '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    (root.parent / "secret.html").write_text("secret")
    return root


@pytest.fixture(scope="session")
def tastes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a learner of ratings, of people and films that do not exist."""
    path = tmp_path_factory.mktemp("tastes") / "films"
    few = qs.TrainConfig(steps=40, tasks_per_step=8, query=16, validate_every=0, device="cpu")
    qs.train("ridgeratings", "ratings:simulated=true", few, out=path)
    return path


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory, runs: Path, tastes: Path) -> Iterator[str]:
    """Where ``quickstudy play`` is."""
    store = tmp_path_factory.mktemp("store") / "models.db"
    command = [sys.executable, "-m", "quickstudy", "play", "--no-browser", "--port", "0", "--store", str(store)]
    command += ["--runs", str(runs), "--weights", f"snaps={runs / 'photos'}", "--weights", f"films={tastes}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
        server.terminate()
        server.communicate()


def remember(models: dict[str, str]) -> str:
    """A script that makes a browser remember models by their slot, as if it had made them."""
    kept = {f"quickstudy.{slot}": json.dumps({"id": id, "order": []}) for slot, id in models.items()}
    return f"for (const [name, value] of Object.entries({json.dumps(kept)})) localStorage[name] ??= value"


@pytest.fixture
def drawings(address: str) -> str:
    """The id of a model that knows rings and kisses from three drawings of each."""
    chance = random.Random(0)
    examples = [{"label": name, "image": image(glyph(chance))} for name, glyph in GLYPHS.items() for _ in range(3)]
    id = post(f"{address}/v1/models", {"learner": "characters"})["id"]
    post(f"{address}/v1/models/{id}/examples", {"examples": examples})
    return str(id)


@pytest.fixture
def visit(browser, address) -> Iterator[object]:
    """Opens the page anew; whatever the browser complains of fails the test."""
    contexts, complaints = [], []

    def open_page(panel="draw", models=None, before=lambda page: None, ready="html[data-ready]", **options):
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        context.add_init_script(remember(models or {}))
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        before(page)
        page.goto(f"{address}/#{panel}")
        page.wait_for_selector(ready)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # where a test plays a door that is shut, or a server that is away
    assert not [one for one in complaints if "401" not in one and "ERR_FAILED" not in one], complaints
