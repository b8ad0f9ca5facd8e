"""Conditional neural processes against the equations written out in numpy."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.tasks.base import Examples, Task

SINE = tasks.load("sinusoid")
TASK = batch.take(SINE.sample("train", torch.arange(1), way=0, shot=4, query=3, seed=0), 0)


def build(**settings: object) -> Learner:
    return learners.build("cnp", SINE.spec, learners.configure("cnp", {"width": 8, **settings}), 0).eval()


@torch.no_grad()
def answer(learner: Learner, support: Examples, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    mean, std = learner.predict(learner.adapt(support), x, torch.ones(len(x), dtype=torch.bool))
    return mean.numpy(), std.numpy()


def perceptron(net: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    values = [value.detach().double().numpy() for value in net.parameters()]
    for i in range(0, len(values), 2):
        x = x @ values[i].T + values[i + 1]
        x = np.maximum(x, 0) if i + 2 < len(values) else x
    return x


def written_out(learner: Learner, support: Examples, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    r = np.zeros(8)
    for one, y in zip(support.x.numpy(), support.y.numpy(), strict=True):
        r = r + perceptron(learner.encoder, np.concatenate([one, y])) / len(support.x)
    out = np.stack([perceptron(learner.decoder, np.concatenate([one, r])) for one in x.numpy()])
    return out[:, :1], 0.1 + 0.9 * np.log1p(np.exp(out[:, 1:]))


def first(n: int) -> Examples:
    return Examples(*(leaf[:n] for leaf in TASK.support))


@pytest.mark.parametrize("shot", [0, 1, 4])
def test_answers_are_those_of_the_equations(shot: int) -> None:
    learner = build(encoder_depth=3, decoder_depth=2)
    assert len(list(learner.encoder.parameters())) == 6
    found, wanted = (call(learner, first(shot), TASK.query.x) for call in (answer, written_out))
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-4, atol=1e-5)


def error_given(learner: Learner, shot: int) -> float:
    x, y = (torch.cat([getattr(TASK.support, leaf), getattr(TASK.query, leaf)]) for leaf in ("x", "y"))
    mean, std = written_out(learner, first(shot), x)
    return float((0.5 * ((y.numpy() - mean) / std) ** 2 + np.log(std) + 0.5 * math.log(2 * math.pi)).mean())


def test_the_loss_is_that_of_all_points_given_a_random_number_of_the_support() -> None:
    learner, keys = build(), SINE.sample("train", torch.arange(500), way=0, shot=0, query=1, seed=0).key
    with torch.no_grad():
        losses = torch.func.vmap(lambda key: learner.loss(TASK._replace(key=key), 0.0))(keys)
    apart = (losses.unsqueeze(-1) - torch.tensor([error_given(learner, shot) for shot in range(5)])).abs()
    assert (apart.min(-1).values < 1e-4).all()
    counts = torch.bincount(apart.argmin(-1), minlength=5)
    assert ((counts - 100).abs() < 36).all()  # four standard deviations


def test_a_support_given_twice_says_the_same() -> None:
    learner = build()
    twice = Examples(*(torch.cat([leaf, leaf]) for leaf in TASK.support))
    for found, wanted in zip(*(answer(learner, some, TASK.query.x) for some in (twice, TASK.support)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_the_learnt_prior_is_that_of_the_waves() -> None:
    learner = build(width=64, decoder_depth=4).train()
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-2)
    for step in range(150):
        index = torch.arange(64 * step, 64 * step + 64)
        # without shots every task teaches the prior
        drawn: Task = SINE.sample("train", index, way=0, shot=0, query=20, seed=0)
        _, grads = batch.meta_gradient(learner, drawn, 0.0, "vmap", inside=False)
        for name, value in learner.named_parameters():
            value.grad = grads[name]
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 150)
        optimizer.step()
    x = torch.linspace(-4, 4, 50).unsqueeze(-1)  # so short a training leaves the ends behind
    mean, std = answer(learner, first(0), x)
    # amplitudes are uniform on [0.1, 5], phases on [0, pi]
    wanted = -2.55 * 2 / math.pi * np.cos(x.numpy())
    spread = np.sqrt((5**3 - 0.1**3) / (3 * 4.9) / 2 - wanted**2)
    assert np.abs(mean - wanted).mean() < 0.35
    assert np.abs(std - spread).mean() < 0.3


def test_settings_must_make_sense() -> None:
    with pytest.raises(UserError, match="--encoder-depth is 0"):
        build(encoder_depth=0)
