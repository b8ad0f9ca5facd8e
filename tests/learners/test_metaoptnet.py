"""Support vector machine heads against scikit-learn, and the dual problem against its own conditions."""

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, LinearConstraint, minimize
from sklearn.svm import LinearSVC
from torch import Tensor
from torch.utils import _pytree as pytree

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.learners.metaoptnet import solve
from quickstudy.tasks.base import Examples, Task

GLYPHS = tasks.load("glyphs:classes=50")


def build(**settings: object) -> Learner:
    config = learners.configure("metaoptnet", {"width": 8, **settings})
    return learners.build("metaoptnet", GLYPHS.spec, config, 0).double().eval()


def draw(shot: int) -> Task:
    task = batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=shot, query=5, seed=0), 0)
    doubled: Task = pytree.tree_map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, task)
    return doubled


@torch.no_grad()
def embed(learner: Learner, examples: Examples) -> np.ndarray:
    features: np.ndarray = learner.net(examples.x, examples.mask, None)[0].numpy()
    return features


@pytest.mark.parametrize(("shot", "penalty"), [(1, 0.1), (4, 0.1), (4, 0.001)])
def test_logits_are_the_machine_of_scikit_learn(shot: int, penalty: float) -> None:
    learner, task = build(slack_penalty=penalty), draw(shot)
    with torch.no_grad():
        found = learner.predict(learner.adapt(task.support), task.query.x, task.query.mask).logits
    oracle = LinearSVC(
        C=penalty, multi_class="crammer_singer", fit_intercept=False, tol=1e-9, max_iter=1_000_000, random_state=0
    ).fit(embed(learner, task.support), task.support.y.argmax(-1))
    wanted = oracle.decision_function(embed(learner, task.query))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
    assert (found.argmax(-1).numpy() == wanted.argmax(-1)).all()


def points(rows: int, features: int, way: int, empty: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Overlapping classes; the last of them may have no example."""
    x = torch.randn(rows, features, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.nn.functional.one_hot(torch.arange(rows) % (way - empty), way).T.double()
    return x, y, y.any(-1)


@pytest.mark.parametrize(("rows", "features"), [(6, 20), (12, 3)])
def test_the_dual_problem_is_solved_as_by_scipy(rows: int, features: int) -> None:
    x, y, here = points(rows, features, 3)
    kernel, c = (x @ x.T).numpy(), 0.5
    found = solve(x @ x.T, y, here, c, 15).numpy()

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        dual = flat.reshape(3, rows)
        return 0.5 * (dual @ kernel * dual).sum() - (dual * y.numpy()).sum(), (dual @ kernel - y.numpy()).ravel()

    bounds = Bounds(-np.inf, c * y.numpy().ravel())
    sums = LinearConstraint(np.tile(np.eye(rows), 3), 0, 0)
    options = {"maxiter": 1000, "ftol": 1e-12}
    best = minimize(
        value, found.ravel() * 0, jac=True, bounds=bounds, constraints=sums, options=options, method="SLSQP"
    )
    assert best.success
    np.testing.assert_allclose(value(found.ravel())[0], best.fun, rtol=1e-7)
    np.testing.assert_allclose(found @ x.numpy(), best.x.reshape(3, rows) @ x.numpy(), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "features", "scale"), [(8, 50, 10.0), (60, 5, 1.0), (20, 20, 0.01)])
def test_bounds_hold_and_the_duality_gap_closes(rows: int, features: int, scale: float, dtype: torch.dtype) -> None:
    x, y, here = points(rows, features, 4)
    x, y = scale * x.to(dtype), y.to(dtype)
    dual = solve(x @ x.T, y, here, 0.1, 15)
    assert (dual <= 0.1 * y).all()
    exact = dtype == torch.float64
    assert dual.sum(0).abs().max() < (1e-7 if exact else 1e-3) * dual.abs().max()
    weight = (dual @ x).double()
    scores = weight @ x.double().T
    slack = (scores + 1 - y).amax(0) - (scores * y).sum(0)
    norm = 0.5 * weight.square().sum()
    primal, value = norm + 0.1 * slack.sum(), (dual * y).sum() - norm
    assert (primal - value).abs() < (1e-6 if exact else 1e-2) * primal


@pytest.mark.parametrize(("rows", "features"), [(7, 9), (14, 3)])
def test_the_gradient_is_that_of_finite_differences(rows: int, features: int) -> None:
    x, y, here = points(rows, features, 4, empty=True)
    mix = torch.randn(4, features, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def value(x: Tensor) -> Tensor:
        return (mix * (solve(x @ x.T, y, here, 0.1, 20) @ x)).sum()

    assert torch.autograd.gradcheck(value, x.requires_grad_(), eps=1e-4, atol=1e-4, rtol=1e-3)


def test_a_class_without_examples_changes_nothing() -> None:
    x, y, here = points(6, 4, 4, empty=True)
    all_four, three = solve(x @ x.T, y, here, 0.1, 15), solve(x @ x.T, y[:3], here[:3], 0.1, 15)
    assert not all_four[3].any()
    torch.testing.assert_close(all_four[:3], three)


def test_a_single_class_has_nothing_to_tell() -> None:
    x, y, here = points(4, 3, 2, empty=True)
    torch.testing.assert_close(solve(x @ x.T, y, here, 0.1, 15), torch.zeros_like(y), rtol=0, atol=1e-8)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(UserError, match="--slack-penalty is 0"):
        build(slack_penalty=0.0)
    with pytest.raises(UserError, match="--solver-steps is 0"):
        build(solver_steps=0)
