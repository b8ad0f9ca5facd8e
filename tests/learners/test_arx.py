"""Linear regression over tasks, against scikit-learn, explicit matrices, and the truth of made-up tasks."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from quickstudy import learners
from quickstudy.learners.diseases.posterior import believe, expect
from quickstudy.learners.glucose.arx import ARX
from quickstudy.tasks.base import Examples, Spec, WholeTasks

SPEC = Spec(name="made", kind="regression", shape=(3,), outputs=2, metric="rmse", form="glucose")
MEAN = torch.tensor([[1.0, -2.0], [0.5, 0.0], [0.0, 3.0], [2.0, 1.0]])
ROOT = torch.tensor([[0.5, 0, 0, 0], [0.2, 0.3, 0, 0], [0, 0, 0.1, 0], [0.3, 0, 0, 0.4]])
NOISE = 0.3


def made(count: int, n: int = 120) -> list[Examples]:
    """Tasks of both outputs with weights N(MEAN, ROOT ROOT^T)."""
    generator = torch.Generator().manual_seed(1)
    tasks = []
    for _ in range(count):
        x = torch.randn(n, 3, generator=generator)
        weights = MEAN + ROOT @ torch.randn(4, 2, generator=generator)
        h = torch.cat([x, torch.ones(n, 1)], 1)
        y = h @ weights + NOISE * torch.randn(n, 2, generator=generator)
        tasks.append(Examples(x, y, torch.ones(n, dtype=torch.bool)))
    return tasks


def fitted(prior: str, count: int = 400) -> ARX:
    learner: Any = learners.build("arx", SPEC, learners.configure("arx", {"prior": prior}), 0)
    tasks = made(count)
    learner.prepare(WholeTasks(count, lambda number: tasks[number]))
    return learner.double()


def answer(learner: ARX, task: Examples, x: Tensor) -> Tensor:
    double = Examples(task.x.double(), task.y.double(), task.mask)
    return learner.predict(learner.adapt(double), x.double(), torch.ones(len(x), dtype=torch.bool)).mean


def test_the_posterior_is_that_of_the_joint_normal_distribution() -> None:
    """Conditioned directly, with the covariance of everything."""
    torch.manual_seed(0)
    g, new = torch.randn(2, 7, 4).double(), torch.randn(2, 5, 4).double()
    residual, weight = torch.randn(7, 2).double(), torch.rand(7, 2).double() + 0.5
    weight[3] = 0
    mean, variance = expect(believe(g, residual, weight), new)
    there = torch.tensor([0, 1, 2, 4, 5, 6])
    for j in range(2):
        known = g[j, there] @ g[j, there].T + (1 / weight[there, j]).diag()
        cross = new[j] @ g[j, there].T
        torch.testing.assert_close(mean[:, j], cross @ torch.linalg.solve(known, residual[there, j]))
        left = new[j] @ new[j].T - cross @ torch.linalg.solve(known, cross.T)
        torch.testing.assert_close(variance[:, j], left.diagonal())


def test_empirical_bayes_finds_what_tasks_were_drawn_from() -> None:
    learner = fitted("bayes")
    torch.testing.assert_close(learner.mean.float(), MEAN, atol=0.1, rtol=0)
    for root in learner.spread.float():
        torch.testing.assert_close(root @ root.T, ROOT @ ROOT.T, atol=0.06, rtol=0)
    torch.testing.assert_close(learner.noise.float(), torch.full((2,), NOISE), atol=0.01, rtol=0)
    # errors here are independent, so that an example counts whole or nearly so
    assert learner.share.min() >= 0.25


def test_pooled_is_least_squares_over_everything() -> None:
    tasks = made(50)
    x = torch.cat([task.x for task in tasks]).double()
    y = torch.cat([task.y for task in tasks]).double()
    h = torch.cat([x, torch.ones(len(x), 1)], 1)
    expected = torch.linalg.lstsq(h, y).solution
    learner = fitted("pooled", 50)
    torch.testing.assert_close(learner.mean, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(answer(learner, tasks[0], x[:9]), h[:9] @ expected, atol=1e-3, rtol=1e-3)


def test_own_is_ridge_regression_of_the_support() -> None:
    learner, task = fitted("own", 50), made(1, n=12)[0]
    penalty = float((learner.noise / learner.spread[:, 0, 0])[0] ** 2)
    h = np.concatenate([task.x.numpy(), np.ones((12, 1))], 1)
    sk = Ridge(penalty, fit_intercept=False).fit(h, task.y[:, 0].numpy())
    found = answer(learner, task, task.x)[:, 0].numpy()
    np.testing.assert_allclose(found, sk.predict(h), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shot", [2, 6, 40])
def test_empirical_bayes_beats_both(shot: int) -> None:
    errors = {}
    for prior in ("bayes", "pooled", "own"):
        learner = fitted(prior)
        off = []
        for task in made(500)[400:]:
            known = Examples(task.x[:shot], task.y[:shot], task.mask[:shot])
            off.append((answer(learner, known, task.x[40:]) - task.y[40:]).square().mean())
        errors[prior] = float(torch.stack(off).mean())
    assert errors["bayes"] < min(errors["pooled"], errors["own"])
