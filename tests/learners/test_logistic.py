"""Logistic regression heads against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.utils import _pytree as pytree

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner, logistic
from quickstudy.learners.coupled import Coupled
from quickstudy.learners.logistic import fit
from quickstudy.tasks.base import Examples, Task

GLYPHS = tasks.load("glyphs:classes=50")


def build(**settings: object) -> Learner:
    config = learners.configure("logistic", {"width": 8, **settings})
    return learners.build("logistic", GLYPHS.spec, config, 0).double().eval()


def draw(shot: int) -> Task:
    task = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=shot, query=5, seed=0), 0)
    doubled: Task = pytree.tree_map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, task)
    return doubled


@torch.no_grad()
def embed(learner: Learner, examples: Examples) -> np.ndarray:
    features = learner.net(examples.x, examples.mask, None)[0].numpy()
    return np.concatenate([features, np.ones((len(features), 1))], 1)


def oracle(x: np.ndarray, labels: np.ndarray, penalty: float) -> LogisticRegression:
    made = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-12, max_iter=10_000)
    return made.fit(x, labels)


@pytest.mark.parametrize(("shot", "penalty"), [(1, 50.0), (1, 0.1), (6, 50.0), (6, 1.0)])
def test_logits_are_the_logistic_regression_of_scikit_learn(shot: int, penalty: float) -> None:
    learner, task = build(penalty=penalty), draw(shot)
    with torch.no_grad():
        found = learner.predict(learner.adapt(task.support), task.query.x, task.query.mask).logits
    known = oracle(embed(learner, task.support), task.support.y.argmax(-1).numpy(), penalty)
    np.testing.assert_allclose(found, known.decision_function(embed(learner, task.query)), rtol=1e-4, atol=1e-5)


def points(rows: int, features: int, way: int) -> tuple[Tensor, Tensor]:
    """Overlapping classes; the last of them has no example."""
    x = torch.randn(rows, features, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return x, torch.nn.functional.one_hot(torch.arange(rows) % (way - 1), way).T.double()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "features"), [(6, 40), (60, 5)])
def test_newton_steps_settle_where_the_gradient_is_zero(rows: int, features: int, dtype: torch.dtype) -> None:
    x, y = (value.to(dtype) for value in points(rows, features, 4))
    here = torch.tensor([True, True, True, False])
    dual = fit(x @ x.T, y, here, 10)
    assert not dual[3].any()
    p = (dual @ x @ x.T)[:3].softmax(0)
    torch.testing.assert_close(dual[:3], y[:3] - p, rtol=0, atol=1e-4 if dtype == torch.float32 else 1e-10)


def test_the_gradient_is_that_of_finite_differences() -> None:
    x, y = points(7, 5, 4)
    here = torch.tensor([True, True, True, False])

    def weight(x: Tensor) -> Tensor:
        return fit(x @ x.T / 0.5, y, here, 15) @ x

    assert torch.autograd.gradcheck(weight, x.requires_grad_())


@pytest.mark.parametrize("lengths", [1, 4])
def test_steps_are_shortened_where_whole_ones_go_round_in_circles(
    lengths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logistic, "HALVINGS", lengths)
    rows = "-6 108 0 -9 10; 0 1 5 0 10; 0 20 -1 0 10; 0 -9 0 92 10; 0 1 -8 1 10; 0 0 -1 -351 10; 0 0 -4 -4 10"
    rows += "; 123 -66 0 2 10"
    x = torch.tensor([[float(value) / 10 for value in row.split()] for row in rows.split(";")], dtype=torch.float64)
    y = torch.nn.functional.one_hot(torch.tensor([0, 0, 0, 0, 1, 0, 2, 0])).T.double()
    kernel = 3042 * x @ x.T
    dual = logistic.fit(kernel, y, torch.ones(3, dtype=torch.bool), 20)
    settled = torch.allclose(dual, y - (dual @ kernel).softmax(0), rtol=0, atol=1e-8)
    assert settled == (lengths > 1)


def test_the_coupled_systems_are_solved() -> None:
    x, _ = points(5, 3, 4)
    d = torch.rand(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    d[2, 1] = 0
    d[:, 3] = 0
    right = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    sums = torch.tensor([1.0, 2.0, 3.0, 0.0, 5.0], dtype=torch.float64)
    found = Coupled(x @ x.T, d).solve(right, sums)
    torch.testing.assert_close(found.sum(0), sums)
    assert not found[d == 0].any()
    # what is left of each row's equations is the same number u for every class
    left = right - found @ (x @ x.T) - found / d
    used = [row for row in range(5) if row != 3]
    for row in used:
        kept = left[d[:, row] > 0, row]
        torch.testing.assert_close(kept, kept[:1].expand_as(kept))


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(UserError, match="--newton-steps is 0"):
        build(newton_steps=0)
    with pytest.raises(UserError, match="--penalty is nan"):
        build(penalty=float("nan"))
