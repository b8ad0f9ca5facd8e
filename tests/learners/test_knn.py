"""Nearest neighbours in features against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.tasks.base import Examples

GLYPHS = tasks.load("glyphs:classes=50")
TASK = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=5, query=15, seed=0), 0)


def build(**settings: object) -> Learner:
    config = learners.configure("knn", {"width": 8, **settings})
    return learners.build("knn", GLYPHS.spec, config, 0).double().eval()


def doubled(examples: Examples) -> Examples:
    return examples._replace(x=examples.x.double(), y=examples.y.double())


def embed(learner: Learner, examples: Examples) -> np.ndarray:
    features: np.ndarray = learner.net(examples.x.double(), examples.mask, None)[0].numpy()
    return features


@pytest.mark.parametrize("k", [1, 3, 7])
@torch.no_grad()
def test_votes_are_those_of_scikit_learn_by_cosine(k: int) -> None:
    learner, (support, query) = build(k=k), TASK[:2]
    label = support.y.argmax(-1).numpy()
    oracle = KNeighborsClassifier(k, algorithm="brute", metric="cosine").fit(embed(learner, support), label)
    adapted = learner.adapt(doubled(support))
    logits = learner.predict(adapted, query.x.double(), query.mask).logits.numpy()
    np.testing.assert_allclose(np.exp(logits), oracle.predict_proba(embed(learner, query)), atol=1e-12)
    assert (logits.argmax(-1) == oracle.predict(embed(learner, query))).all()


@torch.no_grad()
def test_more_neighbours_than_there_are_is_all_of_them() -> None:
    support, query = TASK[:2]
    all_of_it, more = (build(k=k) for k in (20, 100))
    one, other = (own.predict(own.adapt(doubled(support)), query.x.double(), query.mask) for own in (all_of_it, more))
    torch.testing.assert_close(one.logits, other.logits)
    torch.testing.assert_close(one.logits.exp(), torch.full_like(one.logits, 0.25))


def test_k_is_at_least_one() -> None:
    with pytest.raises(UserError, match="--k is 0"):
        build(k=0)
