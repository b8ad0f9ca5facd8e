"""Questions of many users that go through a net together have the answers that they have alone."""

import asyncio
from pathlib import Path

import httpx2
import numpy as np
import pytest
import torch
from drawn import example, image, picture

from quickstudy import learners
from quickstudy.errors import UserError
from quickstudy.estimator import FewShotClassifier
from quickstudy.estimator.assembled import assembled
from quickstudy.server import arithmetic, knowledge
from quickstudy.server.app import make_app
from quickstudy.server.arithmetic import Question
from quickstudy.server.knowledge import Support
from quickstudy.server.memory import Memory
from quickstudy.server.served import served
from quickstudy.server.settings import Settings
from quickstudy.server.store import Note
from quickstudy.tasks.base import Spec

PICTURES = Spec(name="drawings", kind="classification", shape=(1, 28, 28), classes=20)
SETTINGS = {"width": 4}
ONE_BY_ONE = ("maml", "anil", "protomaml", "baselinepp", "leo", "cavia")
IN_ONE_CALL = (
    "protonet",
    "matching",
    "relation",
    "feat",
    "dn4",
    "r2d2",
    "logistic",
    "gp",
    "incontext",
    "knn",
    "linear",
)
USERS = ((2, 1), (3, 2), (3, 2), (5, 1), (5, 3), (4, 1))
"""Ways and shots."""


@pytest.mark.parametrize("name", [*IN_ONE_CALL, *ONE_BY_ONE, "nearest"])
def test_stacked_and_padded_users_are_answered_as_if_alone(name: str) -> None:
    spec = PICTURES if name != "nearest" else Spec(name="rows", kind="classification", shape=(6,))
    settings = SETTINGS if hasattr(learners.configure(name, {}), "width") else {}
    learner = learners.build(name, spec, learners.configure(name, settings), seed=0).eval()
    one = served(name, learner)
    assert one.stacks == (name not in ONE_BY_ONE)
    reads = one.reader()
    draw = np.random.default_rng(0)
    questions, wanted = [], []
    for way, shot in USERS:
        labels = [f"label {at % way}" for at in range(way * shot)]
        drawn = [picture(int(seed)) if name != "nearest" else draw.normal(size=6) for seed in draw.integers(0, 99, 16)]
        kept = np.stack(drawn)[:, None] if name != "nearest" else np.stack(drawn).astype(np.float32)
        support = Support(1, [*range(len(labels))], list(labels), kept[: len(labels)], Note(columns=6))
        asked = kept[-1 - way % 2 :]
        _, adapted = knowledge.learnt(one, support)
        questions.append(Question(one, adapted, way, asked, reads))
        alone = assembled(learner, reads, kept[: len(labels)], labels)
        logits = torch.cat([answer.logits for answer in alone._answers(asked, alone.adapted_, alone.examples_)])
        wanted.append(torch.softmax(logits, -1))
    for found, right in zip(arithmetic.answer(questions), wanted, strict=True):
        assert isinstance(found, torch.Tensor)
        torch.testing.assert_close(torch.softmax(found, -1), right, atol=1e-5, rtol=0)


def test_one_question_that_goes_wrong_spoils_no_other() -> None:
    learner = learners.build("protonet", PICTURES, learners.configure("protonet", SETTINGS), 0).eval()
    one = served("characters", learner)
    kept = np.stack([picture(seed) for seed in range(3)])[:, None]
    _, adapted = knowledge.learnt(one, Support(1, [1, 2], ["a", "b"], kept[:2], Note()))
    good = Question(one, adapted, 2, kept[2:], one.reader())
    bad = Question(one, adapted | {"prototypes": adapted["prototypes"] * torch.nan}, 2, kept[2:], one.reader())
    found = arithmetic.answer([good, bad, good])
    assert isinstance(found[0], torch.Tensor)
    assert isinstance(found[1], UserError)
    assert isinstance(found[2], torch.Tensor)


def test_many_users_at_once_over_http(drawings: Path, tmp_path: Path) -> None:
    settings = Settings(store=str(tmp_path / "m.db"), weights={"characters": str(drawings)}, threads=1)
    app = make_app(settings)
    seeds = {f"u{user}": [(f"label {at % (2 + user % 3)}", 10 * user + at) for at in range(5)] for user in range(8)}

    async def ask_all() -> list[tuple[str, int, dict[str, float]]]:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for user, told in seeds.items():
                await client.post("/v1/models", json={"id": user})
                added = [example(label, seed) for label, seed in told]
                await client.post(f"/v1/models/{user}/examples", json={"examples": added})

            async def ask(user: str, seed: int) -> tuple[str, int, dict[str, float]]:
                answer = await client.post(f"/v1/models/{user}/predict", json=image(seed))
                return user, seed, answer.json()["predictions"][0]["probabilities"]

            return await asyncio.gather(*(ask(user, seed) for user in seeds for seed in range(200, 206)))

    answers = asyncio.run(ask_all())
    batches = app.state.service.metrics._batches
    app.state.service.close()
    assert batches.sum == 48
    assert sum(batches.counts) < 20  # they did go together
    for user, told in seeds.items():
        same = FewShotClassifier(weights=str(drawings))
        same.fit([picture(seed) for _, seed in told], [label for label, _ in told])
        mine = [(seed, found) for name, seed, found in answers if name == user]
        wanted = same.predict_proba([picture(seed) for seed, _ in mine])
        np.testing.assert_allclose([[*found.values()] for _, found in mine], wanted, atol=1e-5)


def test_one_more_example_takes_one_more_forward_pass(drawings: Path) -> None:
    from quickstudy import runs

    one = served("characters", runs.load(drawings).learner())
    assert one.net is not None
    seen: list[int] = []
    one.net.register_forward_pre_hook(lambda net, given: seen.append(len(given[0])))
    kept = np.stack([picture(seed) for seed in range(30)])[:, None]
    labels = [f"label {at % 3}" for at in range(30)]
    many, _ = knowledge.learnt(one, Support(1, [*range(29)], list(labels[:29]), kept[:29], Note()))
    more, adapted = knowledge.learnt(one, many.with_more(kept[29:], labels[29:], Note(), None))
    assert seen == [29, 1]
    _, anew = knowledge.learnt(one, Support(1, [*range(30)], list(labels), kept, Note()))
    for name, value in anew.items():
        torch.testing.assert_close(adapted[name], value, atol=1e-5, rtol=0)
    assert more.features is not None
    assert len(more.features) == 30


def test_memory_forgets_what_was_used_least_recently() -> None:
    memory: Memory[str] = Memory(100)
    for name in "abc":
        memory.put(name, name, 30)
    assert memory.get("a") == "a"
    memory.put("d", "d", 40)
    assert memory.get("b") is None
    assert memory.get("a") == "a"
    memory.put("a", "larger", 60)
    assert memory.bytes <= 100
    memory.put("e", "e", 101)  # never fits, and costs nobody a place
    assert memory.get("e") is None
    assert memory.get("a") == "larger"
