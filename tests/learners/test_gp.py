"""Gaussian process heads against scikit-learn and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, Kernel
from torch import Tensor

from quickstudy import learners, tasks
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.tasks.base import Examples, Task

GLYPHS, SINE = tasks.load("glyphs:classes=50"), tasks.load("sinusoid")
NOISE = 0.3
VARIANCE = 0.7
ORACLES = {
    "rbf": ConstantKernel(VARIANCE) * RBF(1.5),
    "linear": ConstantKernel(VARIANCE) * DotProduct(0.0, "fixed"),
    "cosine": ConstantKernel(VARIANCE) * DotProduct(0.0, "fixed"),
}


def double(task: Task) -> Task:
    return Task(*(Examples(*map(_double, part)) if isinstance(part, Examples) else part for part in task))


def _double(leaf: Tensor) -> Tensor:
    return leaf.double() if leaf.is_floating_point() else leaf


CHARACTERS = double(batch.take(GLYPHS.sample("test", torch.arange(1), way=4, shot=3, query=5, seed=0), 0))
WAVE = double(batch.take(SINE.sample("test", torch.arange(1), way=0, shot=7, query=5, seed=0), 0))


def build(family: tasks.TaskFamily = GLYPHS, kernel: str = "auto") -> Learner:
    config = learners.configure("gp", {"width": 8, "kernel": kernel})
    learner = learners.build("gp", family.spec, config, 0).double().eval()
    wanted = {"log_variance": VARIANCE, "log_length": 1.5, "log_noise": NOISE - 1e-4 * VARIANCE}
    for name, value in wanted.items():
        if hasattr(learner, name):
            getattr(learner, name).data.fill_(math.log(value))
    return learner


@torch.no_grad()
def embed(learner: Learner, examples: Examples) -> np.ndarray:
    features: np.ndarray = learner.net(examples.x, examples.mask, None)[0].numpy()
    if learner.kernel == "cosine":
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
    if learner.kernel == "linear":
        features = features / math.sqrt(features.shape[1])
    return features


def oracle(learner: Learner, examples: Examples, y: np.ndarray) -> GaussianProcessRegressor:
    kernel: Kernel = ORACLES[learner.kernel]
    return GaussianProcessRegressor(kernel, alpha=NOISE, optimizer=None).fit(embed(learner, examples), y)


@pytest.mark.parametrize("kernel", ["auto", "linear", "cosine"])
def test_numbers_and_their_spread_are_the_posterior_of_scikit_learn(kernel: str) -> None:
    learner = build(SINE, kernel)
    learner.prior.data.fill_(0.4)
    with torch.no_grad():
        found = learner.predict(learner.adapt(WAVE.support), WAVE.query.x, WAVE.query.mask)
    process = oracle(learner, WAVE.support, WAVE.support.y[:, 0].numpy() - 0.4)
    mean, std = process.predict(embed(learner, WAVE.query), return_std=True)
    np.testing.assert_allclose(found.mean[:, 0], mean + 0.4)
    np.testing.assert_allclose(found.std[:, 0], np.sqrt(std**2 + NOISE))


@pytest.mark.parametrize("kernel", ["rbf", "linear", "auto"])
def test_logits_are_those_of_one_process_a_class_on_labels_of_one_and_minus_one(kernel: str) -> None:
    learner = build(kernel=kernel)
    with torch.no_grad():
        found = learner.predict(learner.adapt(CHARACTERS.support), CHARACTERS.query.x, CHARACTERS.query.mask).logits
    prior = 2 / 4 - 1
    logits = np.zeros((20, 4))
    for c in range(4):
        process = oracle(learner, CHARACTERS.support, 2 * CHARACTERS.support.y[:, c].numpy() - 1 - prior)
        mean, std = process.predict(embed(learner, CHARACTERS.query), return_std=True)
        mean, var = mean + prior, std**2 + NOISE
        for label in range(4):  # log N(1 or -1; mean, var)
            logits[:, label] += -0.5 * ((1 if label == c else -1) - mean) ** 2 / var
    probabilities = torch.softmax(torch.tensor(logits), -1)
    torch.testing.assert_close(torch.softmax(found, -1), probabilities, rtol=1e-6, atol=1e-9)


def nll(learner: Learner, task: Task, targets: np.ndarray) -> float:
    """Of all columns of ``targets`` under the prior, averaged over columns and rows; by scipy."""
    features = np.concatenate([embed(learner, task.support), embed(learner, task.query)])
    cov = ORACLES[learner.kernel](features) + NOISE * np.eye(len(features))
    return float(-np.mean([multivariate_normal(cov=cov).logpdf(column) for column in targets.T]) / len(features))


def test_the_loss_is_the_marginal_likelihood_of_support_and_query() -> None:
    for learner, task in ((build(SINE), WAVE), (build(), CHARACTERS), (build(kernel="linear"), CHARACTERS)):
        y = np.concatenate([task.support.y, task.query.y])
        targets = 2 * y - 1 - (2 / 4 - 1) if learner.classifies else y
        np.testing.assert_allclose(learner.loss(task, 0.0).item(), nll(learner, task, targets))


def test_without_shots_it_answers_with_the_prior() -> None:
    learner = build(SINE)
    learner.prior.data.fill_(0.4)
    empty = Examples(*(leaf[:0] for leaf in WAVE.support))
    found = learner.predict(learner.adapt(empty), WAVE.query.x, WAVE.query.mask)
    torch.testing.assert_close(found.mean, torch.full_like(found.mean, 0.4))
    torch.testing.assert_close(found.std, torch.full_like(found.std, (VARIANCE + NOISE) ** 0.5))


def test_everything_is_learnt() -> None:
    for learner, task in ((build(SINE), WAVE), (build(kernel="rbf"), CHARACTERS), (build(kernel="linear"), CHARACTERS)):
        learner.loss(task, 0.0).backward()
        assert all(value.grad is not None and value.grad.any() for value in learner.parameters())


def test_hardly_any_noise_does_no_harm_in_single_precision() -> None:
    waves = SINE.sample("test", torch.arange(1), way=0, shot=100, query=5, seed=0)
    learner, task = build(SINE).float(), batch.take(waves, 0)
    learner.log_noise.data.fill_(-30.0)
    loss = learner.loss(task, 0.0)
    loss.backward()
    found = learner.predict(learner.adapt(task.support), task.query.x, task.query.mask)
    assert all(value.isfinite().all() for value in (loss, *found, *(p.grad for p in learner.parameters())))
