"""Nearest neighbours against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from quickstudy import learners
from quickstudy.errors import UserError
from quickstudy.learners import Learner
from quickstudy.tasks.base import Examples, Spec

CLASSES = Spec(name="made up", kind="classification", shape=(2, 3))
NUMBERS = Spec(name="made up", kind="regression", shape=(2, 3), outputs=2, metric="mse")
GENERATOR = np.random.default_rng(0)
WAY = 4
X, LABEL, Y = GENERATOR.normal(size=(22, 2, 3)), np.arange(22) % WAY, GENERATOR.normal(size=(22, 2))
QUERY = GENERATOR.normal(size=(60, 2, 3))


def build(spec: Spec, k: int) -> Learner:
    return learners.build("nearest", spec, learners.configure("nearest", {"k": k}), 0)


def answer(spec: Spec, k: int, x: np.ndarray, y: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    keep = torch.ones(len(x), dtype=torch.bool) if mask is None else torch.tensor(mask)
    learner = build(spec, k)
    adapted = learner.adapt(Examples(torch.tensor(x), torch.tensor(y), keep))
    found: np.ndarray = learner.predict(adapted, torch.tensor(QUERY), torch.ones(len(QUERY), dtype=torch.bool))[
        0
    ].numpy()
    return found


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_votes_are_those_of_scikit_learn(k: int) -> None:
    logits = answer(CLASSES, k, X, np.eye(WAY)[LABEL])
    oracle = KNeighborsClassifier(k, algorithm="brute").fit(flat(X), LABEL)
    np.testing.assert_allclose(np.exp(logits), oracle.predict_proba(flat(QUERY)), atol=1e-12)
    assert (logits.argmax(-1) == oracle.predict(flat(QUERY))).all()
    if k > 1:
        best = logits.max(-1, keepdims=True)
        assert ((logits == best).sum(-1) > 1).any(), "no tie among the votes: the test shows less than it says"


@pytest.mark.parametrize("k", [1, 3, 5])
def test_means_are_those_of_scikit_learn(k: int) -> None:
    oracle = KNeighborsRegressor(k, algorithm="brute").fit(flat(X), Y)
    np.testing.assert_allclose(answer(NUMBERS, k, X, Y), oracle.predict(flat(QUERY)), rtol=1e-12)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_padding_never_counts_and_k_is_at_most_what_is_there(k: int) -> None:
    mask = np.arange(len(X)) < 9
    x = np.where(mask[:, None, None], X, np.nan)
    oracle = KNeighborsRegressor(min(k, 9), algorithm="brute").fit(flat(X[:9]), Y[:9])
    np.testing.assert_allclose(answer(NUMBERS, k, x, Y, mask), oracle.predict(flat(QUERY)), rtol=1e-12)
    votes = np.exp(answer(CLASSES, k, x, np.eye(WAY)[LABEL], mask))
    np.testing.assert_allclose(votes, np.exp(answer(CLASSES, k, X[:9], np.eye(WAY)[LABEL[:9]])), atol=1e-12)
    np.testing.assert_allclose(votes.sum(-1), 1)


def test_equal_distances_go_to_the_first_example() -> None:
    x = np.zeros((3, 2, 3))
    assert (answer(CLASSES, 1, x, np.eye(WAY)[[2, 0, 1]]).argmax(-1) == 2).all()


@pytest.mark.parametrize("rows", [0, 3])
def test_without_support_the_answer_is_zero_or_even(rows: int) -> None:
    mask = np.zeros(rows, dtype=bool)
    assert (answer(NUMBERS, 2, X[:rows], Y[:rows], mask) == 0).all()
    logits = answer(CLASSES, 2, X[:rows], np.eye(WAY)[LABEL[:rows]], mask)
    assert np.isfinite(logits).all()
    assert (logits == logits[:, :1]).all()


def test_a_wrong_answer_costs_a_finite_amount() -> None:
    learner, y = build(CLASSES, 1), torch.eye(WAY)
    adapted = learner.adapt(Examples(torch.tensor(X[:WAY]).float(), y, torch.ones(WAY, dtype=torch.bool)))
    found = learner.predict(adapted, torch.tensor(X[:WAY]).float(), torch.ones(WAY, dtype=torch.bool))
    assert found.nll(y.roll(1, 0)).isfinite().all()
    assert not found.nll(y).any()


def test_k_is_at_least_one() -> None:
    with pytest.raises(UserError, match="--k is 0"):
        build(CLASSES, 0)
