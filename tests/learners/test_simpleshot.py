"""SimpleShot against scikit-learn and numpy."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.learners.simpleshot import MOST, spread
from quickstudy.tasks.base import Examples, WholeTasks

GLYPHS = tasks.load("glyphs:classes=50")
TASK = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=3, query=5, seed=0), 0)
SOME = WholeTasks(6, GLYPHS.tasks("train").make)


def build(name: str = "simpleshot", **settings: object) -> Learner:
    learner = learners.build(name, GLYPHS.spec, learners.configure(name, {"width": 8, **settings}), 0).eval()
    learner.prepare(SOME)
    return learner


@torch.no_grad()
def embed(learner: Learner, x: torch.Tensor) -> np.ndarray:
    features: np.ndarray = learner.net(x, torch.ones(len(x), dtype=torch.bool), None)[0].double().numpy()
    return features


@torch.no_grad()
def logits(learner: Learner) -> np.ndarray:
    found: np.ndarray = learner.predict(learner.adapt(TASK.support), TASK.query.x, TASK.query.mask).logits.numpy()
    return found


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # of a feature that ReLU has killed
def test_it_is_the_nearest_centroid_of_centred_unit_features() -> None:
    learner = build()
    mean = np.concatenate([embed(learner, whole.x) for whole in SOME]).mean(0)
    support, query = (embed(learner, part.x) - mean for part in (TASK.support, TASK.query))
    support, query = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (support, query))
    oracle = NearestCentroid().fit(support, TASK.support.y.argmax(-1))
    distances = ((query[:, None] - oracle.centroids_[None]) ** 2).sum(-1)
    np.testing.assert_allclose(logits(learner), -distances, rtol=1e-4, atol=1e-4)
    assert (logits(learner).argmax(-1) == oracle.predict(query)).all()


def test_without_a_transform_it_is_a_prototypical_network() -> None:
    plain, protonet = build(transform="un"), build("protonet")
    protonet.net.load_state_dict(plain.net.state_dict())
    np.testing.assert_allclose(logits(plain), logits(protonet), rtol=1e-5, atol=1e-5)
    unit = build(transform="l2n")
    support, query = (F.normalize(torch.tensor(embed(unit, part.x)), dim=-1) for part in (TASK.support, TASK.query))
    means = torch.stack([support[TASK.support.y.argmax(-1) == c].mean(0) for c in range(4)])
    np.testing.assert_allclose(logits(unit), -torch.cdist(query, means).square(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", ["batch", "task", "group"])
def test_preparing_again_changes_nothing(norm: str) -> None:
    learner = build(norm=norm).train()
    before = learner.mean.clone()
    assert before.any()
    learner.prepare(SOME)
    assert learner.training
    assert learner.net.training
    assert torch.equal(learner.mean, before)


def numbered(count: int, each: int) -> WholeTasks:
    def make(number: int) -> Examples:
        x = torch.arange(each, dtype=torch.float32)[:, None] + 100 * number
        return Examples(x, torch.ones(each, 1), torch.ones(each, dtype=torch.bool))

    return WholeTasks(count, make)


def test_the_mean_is_over_the_same_number_of_examples_of_every_task() -> None:
    assert sorted(spread(numbered(3, 20)).flatten().tolist()) == [100 * n + at for n in range(3) for at in range(20)]
    many = spread(numbered(2 * MOST, 20)).flatten()
    assert len(many) == MOST
    assert len((many // 100).unique()) == MOST
    assert len((many % 100).unique()) == 20


def test_the_loss_is_that_of_pretraining() -> None:
    learner, finetune = build(), build("finetune")
    finetune.load_state_dict({name: value for name, value in learner.state_dict().items() if name != "mean"})
    task = batch.take(GLYPHS.sample("train", torch.arange(1), way=4, shot=3, query=5, seed=0), 0)
    assert torch.equal(learner.loss(task, 0.0), finetune.loss(task, 0.0))
