"""Ridge regression heads against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.learners.base import Examples
from quickstudy.learners.r2d2 import ridge
from quickstudy.tasks.base import Task

GLYPHS, SINE = tasks.load("glyphs:classes=50"), tasks.load("sinusoid")
CHARACTERS = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=3, query=5, seed=0), 0)
WAVE = batch.take(SINE.sample("test", torch.arange(1), way=0, shot=7, query=5, seed=0), 0)


def build(family: tasks.TaskFamily = GLYPHS, **settings: object) -> Learner:
    config = learners.configure("r2d2", {"width": 8, **settings})
    return learners.build("r2d2", family.spec, config, 0).double().eval()


def double(task: Task) -> Task:
    return Task(*(Examples(*map(_double, part)) if isinstance(part, Examples) else part for part in task))


def _double(leaf: Tensor) -> Tensor:
    return leaf.double() if leaf.is_floating_point() else leaf


@torch.no_grad()
def embed(learner: Learner, examples: Examples) -> np.ndarray:
    features = learner.net(examples.x.double(), examples.mask, None)[0].numpy()
    return np.concatenate([features, np.ones((len(features), 1))], 1)


@torch.no_grad()
def answers(learner: Learner, task: Task) -> np.ndarray:
    task = double(task)
    found: np.ndarray = learner.predict(learner.adapt(task.support), task.query.x, task.query.mask)[0].numpy()
    return found


@pytest.mark.parametrize("shot", [1, 3])  # fewer examples than features, and more
@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_logits_are_the_scaled_ridge_regression_of_scikit_learn(penalty: float, shot: int) -> None:
    learner = build(penalty=penalty)
    task = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=shot, query=5, seed=0), 0)
    oracle = Ridge(alpha=penalty or 50, fit_intercept=False).fit(embed(learner, task.support), task.support.y)
    np.testing.assert_allclose(answers(learner, task), 10 * oracle.predict(embed(learner, task.query)), rtol=1e-6)


def test_numbers_are_the_ridge_regression_of_scikit_learn() -> None:
    learner = build(SINE)
    oracle = Ridge(alpha=1, fit_intercept=False).fit(embed(learner, WAVE.support), WAVE.support.y)
    np.testing.assert_allclose(answers(learner, WAVE)[:, 0], oracle.predict(embed(learner, WAVE.query)).ravel())


def test_without_shots_the_answer_is_zero() -> None:
    empty = WAVE._replace(support=Examples(*(leaf[:0] for leaf in WAVE.support)))
    assert not answers(build(SINE), empty).any()


@pytest.mark.parametrize("rows", [3, 9])
def test_the_gradient_is_that_of_finite_differences(rows: int) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(rows, 5, dtype=torch.float64), torch.randn(rows, 2, dtype=torch.float64)
    penalty = torch.tensor(0.5, dtype=torch.float64)
    assert torch.autograd.gradcheck(ridge, (x.requires_grad_(), y, penalty.requires_grad_()))


def test_penalty_and_scale_are_learnt() -> None:
    learner = build()
    learner.loss(double(CHARACTERS), 0.0).backward()
    assert learner.log_penalty.grad
    assert learner.log_scale.grad


def test_the_loss_is_the_cross_entropy_of_the_queries() -> None:
    learner = build()
    wanted = torch.nn.functional.cross_entropy(torch.tensor(answers(learner, CHARACTERS)), CHARACTERS.query.y.double())
    torch.testing.assert_close(learner.loss(double(CHARACTERS), 0.0), wanted)


def test_a_penalty_that_makes_no_sense() -> None:
    with pytest.raises(UserError, match="--penalty is -1"):
        build(penalty=-1.0)
