"""FEAT against numpy, and against a prototypical network where its attention moves nothing."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.tasks.base import Task

GLYPHS = tasks.load("glyphs:classes=50")
TASK = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=3, query=2, seed=0), 0)


def build(**settings: object) -> Learner:
    return learners.build("feat", GLYPHS.spec, learners.configure("feat", {"width": 8, **settings}), 0).eval()


def softmax(rows: np.ndarray) -> np.ndarray:
    powers = np.exp(rows - rows.max(-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(-1, keepdims=True)
    return result


def through(learner: Learner, rows: np.ndarray) -> np.ndarray:
    """T of one set."""
    weights = {name: value.detach().double().numpy() for name, value in learner.adapts.named_parameters()}

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        out: np.ndarray = x @ weights[f"attention.{name}.weight"].T + weights[f"attention.{name}.bias"]
        return out

    seen = softmax(linear("query", rows) @ linear("key", rows).T / np.sqrt(rows.shape[-1])) @ linear("value", rows)
    moved = rows + linear("out", seen)
    spread = np.sqrt(moved.var(-1, keepdims=True) + 1e-5)
    result: np.ndarray = (moved - moved.mean(-1, keepdims=True)) / spread * weights["norm.weight"]
    return result + weights["norm.bias"]


@torch.no_grad()
def features(learner: Learner) -> tuple[np.ndarray, np.ndarray]:
    support, query = (learner.net(part.x, part.mask, None)[0].double().numpy() for part in (TASK.support, TASK.query))
    return support, query


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    result: np.ndarray = ((a[:, None] - b[None]) ** 2).sum(-1)
    return result


def entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-(np.log(softmax(logits)) * labels).sum(-1).mean())


def scrambled(learner: Learner) -> Learner:
    """Layer norm's weights are all one at first, which would hide where they belong."""
    with torch.no_grad():
        for number, value in enumerate(learner.adapts.norm.parameters()):
            value.add_(torch.linspace(-0.5, 0.5, len(value)) * (number + 1))
    return learner


def test_prototypes_attend_to_one_another() -> None:
    learner = scrambled(build())
    support, query = features(learner)
    labels = TASK.support.y.argmax(-1).numpy()
    prototypes = through(learner, np.stack([support[labels == c].mean(0) for c in range(4)]))
    with torch.no_grad():
        adapted = learner.adapt(TASK.support)
        found = learner.predict(adapted, TASK.query.x, TASK.query.mask).logits
    np.testing.assert_allclose(adapted["prototypes"], prototypes, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found, -distances(query, prototypes) / 64, rtol=1e-4, atol=1e-4)


def test_the_loss_has_a_contrastive_term_over_every_class_on_its_own() -> None:
    learner = scrambled(build(dropout=0.0, balance=0.5, temperature=8.0, temperature2=2.0))
    support, query = features(learner)
    every, labels = np.concatenate([support, query]), np.concatenate([TASK.support.y, TASK.query.y])
    prototypes = through(learner, np.stack([support[TASK.support.y[:, c] == 1].mean(0) for c in range(4)]))
    centres = np.stack([through(learner, every[labels[:, c] == 1]).mean(0) for c in range(4)])
    wanted = entropy(-distances(query, prototypes) / 8, TASK.query.y.numpy())
    wanted += 0.5 * entropy(-distances(every, centres) / 2, labels)
    np.testing.assert_allclose(learner.loss(TASK, 0.0).item(), wanted, rtol=1e-4)


def test_without_attention_it_is_a_prototypical_network_of_normalised_prototypes() -> None:
    learner = build(temperature=1.0)
    with torch.no_grad():
        for value in learner.adapts.attention.out.parameters():
            value.zero_()
    protonet = learners.build("protonet", GLYPHS.spec, learners.configure("protonet", {"width": 8}), 0).eval()
    protonet.net.load_state_dict(learner.net.state_dict())
    adapted = protonet.adapt(TASK.support)
    adapted["prototypes"] = F.layer_norm(adapted["prototypes"], (8,))
    one, other = (
        made.predict(state, TASK.query.x, TASK.query.mask).logits
        for made, state in ((learner, learner.adapt(TASK.support)), (protonet, adapted))
    )
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_class_without_support_moves_no_other() -> None:
    learner = build()
    mask = TASK.support.mask & (TASK.support.y[:, 3] == 0)
    fewer = TASK.support._replace(x=TASK.support.x[:9], y=TASK.support.y[:9, :3], mask=TASK.support.mask[:9])
    one, other = (learner.adapt(part)["prototypes"] for part in (TASK.support._replace(mask=mask), fewer))
    torch.testing.assert_close(one[:3], other)


def test_noise_is_of_the_task_and_in_the_loss_alone() -> None:
    learner = build().train()

    def loss(task: Task) -> float:
        return float(learner.loss(task, 0.0).detach())

    assert loss(TASK) == loss(TASK)
    assert loss(TASK) != loss(TASK._replace(key=TASK.key + 1))
    still = build(dropout=0.0)
    assert torch.equal(still.adapt(TASK.support)["prototypes"], learner.eval().adapt(TASK.support)["prototypes"])


def test_what_is_dropped_is_made_up_for_by_the_rest() -> None:
    rows = torch.zeros(100, 100)
    kept = build(dropout=0.2)._kept(TASK, rows, "test")
    assert set(kept.unique().tolist()) == {0.0, 1.25}
    assert abs(kept.mean() - 1) < 0.02


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"temperature2": -1.0}, {"dropout": 1.0}, {"balance": -1.0}])
def test_settings_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="--" + next(iter(wrong))):
        build(**wrong)
