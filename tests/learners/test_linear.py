"""The linear probe against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.tasks.base import Examples

GLYPHS = tasks.load("glyphs:classes=50")
TASK = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=5, query=5, seed=0), 0)


def build(**settings: object) -> Learner:
    config = learners.configure("linear", {"width": 8, **settings})
    return learners.build("linear", GLYPHS.spec, config, 0).double().eval()


def doubled(examples: Examples) -> Examples:
    return examples._replace(x=examples.x.double(), y=examples.y.double())


def inputs(learner: Learner, examples: Examples, normalise: bool) -> np.ndarray:
    """Features and a constant 1."""
    features: np.ndarray = learner.net(examples.x.double(), examples.mask, None)[0].numpy()
    if normalise:
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
    return np.concatenate([features, np.ones((len(features), 1))], 1)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("penalty", [10.0, 1.0, 0.01])
@torch.no_grad()
def test_it_is_the_logistic_regression_of_scikit_learn(penalty: float, normalise: bool) -> None:
    learner, (support, query) = build(penalty=penalty, normalise=normalise), TASK[:2]
    rank, label = (support.y.cumsum(0) * support.y).sum(-1), support.y.argmax(-1)
    keep = rank <= label + 2
    assert support.y[keep].sum(0).tolist() == [2, 3, 4, 5]
    oracle = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-12, max_iter=10_000)
    oracle.fit(inputs(learner, support, normalise)[keep], label[keep])
    adapted = learner.adapt(doubled(support)._replace(mask=keep))
    np.testing.assert_allclose(adapted["weight"], oracle.coef_, atol=1e-5 * np.abs(oracle.coef_).max())
    logits = learner.predict(adapted, query.x.double(), query.mask).logits
    np.testing.assert_allclose(logits.softmax(-1), oracle.predict_proba(inputs(learner, query, normalise)), atol=1e-5)


@torch.no_grad()
def test_more_newton_steps_change_nothing() -> None:
    one, other = (build(newton_steps=steps).adapt(doubled(TASK.support))["weight"] for steps in (10, 30))
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_the_penalty_is_above_zero() -> None:
    with pytest.raises(UserError, match="--penalty is 0"):
        build(penalty=0.0)
