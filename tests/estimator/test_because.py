"""Reasons by leaving out: against a plain loop, against ridge regression's own formula, and for several learners."""

from pathlib import Path

import numpy as np
import pytest
import torch

import quickstudy as qs
from quickstudy import learners
from quickstudy.estimator.because import because, effects
from quickstudy.tasks import load
from quickstudy.tasks.base import Examples, Spec
from quickstudy.training import TrainConfig

TASKS = "ratings:simulated=true"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    few = TrainConfig(steps=5, tasks_per_step=2, query=4, validate_every=0, device="cpu")
    path = tmp_path_factory.mktemp("runs") / "ratings"
    qs.train("ridgeratings", TASKS, few, out=path)
    return path


def without(support: Examples, number: int) -> Examples:
    """The support in which an example is not there at all, rather than masked."""
    stays = torch.arange(len(support.mask)) != number
    return Examples(*(leaf[stays] for leaf in support))


@pytest.mark.parametrize("name", ["ridgeratings", "itemmean", "gp", "cnp", "nearest"])
def test_effects_are_those_of_a_plain_loop(name: str) -> None:
    family = load(TASKS)
    learner = learners.build(name, family.spec, learners.configure(name, {}), seed=0).eval()
    learner.prepare(family.tasks("train"))
    task = family.sample("test", torch.arange(1), way=0, shot=6, query=9, seed=0)
    support, x = Examples(*(leaf[0] for leaf in task.support)), task.query.x[0]
    there = torch.ones(len(x), dtype=torch.bool)
    found = effects(learner, support, x)
    with torch.no_grad():
        whole = learner.predict(learner.adapt(support), x, there).mean
        assert torch.allclose(found.mean, whole, atol=1e-4)
        for number in range(6):
            rest = learner.predict(learner.adapt(without(support, number)), x, there).mean
            assert torch.allclose(found.effect[number], whole - rest, atol=1e-3), (name, number)


def test_of_ridge_regression_they_are_what_the_hat_matrix_says() -> None:
    spec = Spec(name="lines", kind="regression", shape=(3,), outputs=1)
    learner = learners.build("r2d2", spec, learners.configure("r2d2", {}), seed=0).eval()
    chance = torch.Generator().manual_seed(0)
    x, y = torch.randn(8, 3, generator=chance), torch.randn(8, 1, generator=chance)
    given = Examples(x, y, torch.ones(8, dtype=torch.bool))
    found = effects(learner, given, x)
    # left out, a point's residual is e / (1 - h): so its own effect on itself is residual * h / (1 - h)
    own = found.effect.diagonal()[0]
    with torch.no_grad():
        nudge = torch.func.jacrev(lambda y: learner.predict(learner.adapt(given._replace(y=y)), x, given.mask).mean)(y)
    leverage = nudge[:, 0, :, 0].diagonal()
    expected = (y - found.mean)[:, 0] * leverage / (1 - leverage)
    assert torch.allclose(own, expected, atol=1e-4)


def test_what_is_masked_out_has_no_effect_and_parts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    family = load(TASKS)
    learner = learners.build("ridgeratings", family.spec, learners.configure("ridgeratings", {}), seed=0).eval()
    task = family.sample("test", torch.arange(1), way=0, shot=4, query=7, seed=0)
    x, y, mask = (leaf[0] for leaf in task.support)
    mask = torch.tensor([True, False, True, True])
    found = effects(learner, Examples(x, y, mask), task.query.x[0])
    assert not found.effect[1].any()
    assert found.effect[[0, 2, 3]].abs().amax((1, 2)).min() > 0
    monkeypatch.setattr("quickstudy.estimator.because.ROWS", 10)  # two answers at once
    again = effects(learner, Examples(x, y, mask), task.query.x[0])
    assert torch.allclose(found.effect, again.effect, atol=1e-5)


def test_a_regressor_without_an_example_lacks_what_it_is_said_to_have_brought(run: Path) -> None:
    family = load(TASKS)
    x, y = family.catalogue().numpy()[:6], np.array([1.0, -1.0, 0.5, 1.0, -2.0, 0.0])
    made = qs.FewShotRegressor(weights=run, device="cpu").fit(x, y)
    mean, effect = because(made, None)
    assert effect.shape == (6, len(family.ratings.items))
    assert np.allclose(mean, made.predict(None), atol=1e-5)
    assert np.allclose(mean - made.forget(2).predict(None), effect[2], atol=1e-4)
    with pytest.raises(qs.UserError, match="two or more"):
        because(made.fit(x[:1], y[:1]), None)
