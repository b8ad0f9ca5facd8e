"""Functions of four kinds: that they are what they are said to be, and that the oracle is exact."""

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from quickstudy import scoring, tasks
from quickstudy.errors import UserError
from quickstudy.learners import build, configure
from quickstudy.tasks.base import Examples
from quickstudy.tasks.functions import PLACES, Functions

INDEX = torch.arange(400)


def covariance(kind: int, a: Tensor, b: Tensor) -> Tensor:
    """Of the function at ``a`` and ``b``, from the definitions: kinds 0 to 2, then the places of a step."""
    if kind == 0:
        return 4 * torch.cos(a[:, None] - b[None])
    if kind == 1:
        return 1 + 0.36 * a[:, None] * b[None]
    if kind == 2:
        return 1 + 0.09 * a[:, None] * b[None] + 0.0225 * (a[:, None] * b[None]) ** 2
    place = PLACES[kind - 3]
    return 4.0 * ((a[:, None] < place) == (b[None] < place)).double()


@pytest.mark.parametrize("shot", [0, 1, 7])
def test_the_oracle_is_the_mixture_of_gaussian_processes(shot: int) -> None:
    """Evidence by scipy's multivariate normal, answers by the textbook formula with the full covariance."""
    family = Functions(noise=0.2)
    task = family.sample("test", torch.arange(5), way=0, shot=shot, query=6, seed=3)
    found = family.posterior_mean(task.support, task.query.x.squeeze(-1).double())
    for number in range(5):
        x, y = (part[number].double().squeeze(-1) for part in (task.support.x, task.support.y))
        new = task.query.x[number].double().squeeze(-1)
        logs, answers = [], []
        for kind in range(35):
            noisy = covariance(kind, x, x) + 0.04 * torch.eye(shot, dtype=torch.float64)
            prior = math.log(1 / 4) if kind < 3 else math.log(1 / 128)
            logs.append(prior + (stats.multivariate_normal(cov=noisy.numpy()).logpdf(y.numpy()) if shot else 0.0))
            answers.append(covariance(kind, new, x) @ torch.linalg.solve(noisy, y) if shot else torch.zeros(6).double())
        belief = torch.tensor(logs).double().softmax(-1)
        torch.testing.assert_close(found[number], (belief[:, None] * torch.stack(answers)).sum(0), rtol=1e-7, atol=1e-7)


def test_functions_are_drawn_from_that_prior() -> None:
    """So that nothing else is better on average: shrinking or stretching its answers only harms."""
    family = Functions()
    task = family.sample("train", INDEX, way=0, shot=5, query=20, seed=0)
    y = task.query.y.squeeze(-1).double()
    answer = family.posterior_mean(task.support, task.query.x.squeeze(-1).double())
    best = (answer - y).square().mean()
    for factor in (0.9, 1.1):
        assert (factor * answer - y).square().mean() > best
    assert 0.08 < (answer - y).square().mean(-1).median() < 0.4
    prior = family.sample("train", INDEX, way=0, shot=0, query=20, seed=0).query.y.var()
    assert 0.25 * 3 < prior < 5


def test_more_points_bring_the_oracle_down_to_the_noise() -> None:
    family = Functions()
    errors = [
        float(family.oracle(family.sample("val", INDEX, way=0, shot=shot, query=30, seed=0)).mean())
        for shot in (0, 2, 5, 10, 100)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] == pytest.approx(0.09, rel=0.15)


def test_padding_says_nothing() -> None:
    family = Functions()
    task = family.sample("val", INDEX[:4], way=0, shot=5, query=3, seed=0)
    more = Examples(
        torch.cat([task.support.x, torch.full((4, 2, 1), math.nan)], 1),
        torch.cat([task.support.y, torch.full((4, 2, 1), math.nan)], 1),
        torch.cat([task.support.mask, torch.zeros(4, 2, dtype=torch.bool)], 1),
    )
    torch.testing.assert_close(family.oracle(task._replace(support=more)), family.oracle(task))


def test_its_score_stands_beside_that_of_a_learner() -> None:
    family = tasks.load("functions:noise=0.5")
    learner = build("nearest", family.spec, configure("nearest", {}), 0)
    which = scoring.Episodes(way=0, shot=5, query=10, episodes=50)
    scored = scoring.score(learner, family, which)
    assert scored.oracle is not None
    assert scored.oracle.mean() < scored.values.mean()
    waves = tasks.load("sinusoid")
    assert scoring.score(build("nearest", waves.spec, configure("nearest", {}), 0), waves, which).oracle is None


def test_noise_that_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match=r"from 0\.01 to 10"):
        tasks.load("functions:noise=0")
