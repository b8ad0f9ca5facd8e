"""Prototypical networks against scikit-learn and numpy."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestCentroid

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.tasks.base import Examples

GLYPHS = tasks.load("glyphs:classes=50")
TASK = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=3, query=5, seed=0), 0)


def build(**settings: object) -> Learner:
    return learners.build("protonet", GLYPHS.spec, learners.configure("protonet", {"width": 8, **settings}), 0).eval()


@torch.no_grad()
def embed(learner: Learner, examples: Examples) -> np.ndarray:
    features: np.ndarray = learner.net(examples.x, examples.mask, None)[0].double().numpy()
    return features


@torch.no_grad()
def logits(learner: Learner) -> np.ndarray:
    found: np.ndarray = learner.predict(learner.adapt(TASK.support), TASK.query.x, TASK.query.mask).logits.numpy()
    return found


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # of a feature that ReLU has killed
def test_it_is_the_nearest_centroid_of_scikit_learn() -> None:
    learner = build()
    support, query = embed(learner, TASK.support), embed(learner, TASK.query)
    oracle = NearestCentroid().fit(support, TASK.support.y.argmax(-1))
    assert (logits(learner).argmax(-1) == oracle.predict(query)).all()
    distances = ((query[:, None] - oracle.centroids_[None]) ** 2).sum(-1)
    np.testing.assert_allclose(logits(learner), -distances, rtol=1e-4, atol=1e-4)


def test_cosine_is_the_scaled_cosine_with_the_mean_of_unit_features() -> None:
    learner = build(distance="cosine")
    support, query = (
        part / np.linalg.norm(part, axis=1, keepdims=True)
        for part in (embed(learner, TASK.support), embed(learner, TASK.query))
    )
    means = np.stack([support[TASK.support.y.argmax(-1) == c].mean(0) for c in range(4)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(logits(learner), 16 * query @ means.T, rtol=1e-4, atol=1e-4)


def test_the_loss_is_the_cross_entropy_of_the_queries() -> None:
    learner = build()
    with torch.no_grad():
        wanted = torch.nn.functional.cross_entropy(torch.tensor(logits(learner)), TASK.query.y)
        torch.testing.assert_close(learner.loss(TASK, 0.0), wanted)


def test_names_of_weights_stay_as_saved_runs_have_them() -> None:
    names = build(distance="cosine", proxies=True).state_dict().keys()
    assert {name.partition(".")[0] for name in names} == {"net", "log_scale", "proxies"}
    assert "log_scale" not in build().state_dict()


@pytest.mark.parametrize("spec", [GLYPHS.spec, tasks.load("glyphs").spec])
def test_the_recipe_asks_for_no_more_classes_than_there_are(spec: tasks.Spec) -> None:
    assert learners.learner_class("protonet").recipe(spec)["way"] == min(60, spec.classes or 60)


def test_proxies_want_cosine() -> None:
    with pytest.raises(UserError, match="--distance cosine"):
        build(proxies=True)
