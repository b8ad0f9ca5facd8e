"""Gaussian processes over a library against scikit-learn, and what components are worth."""

import pytest
import torch
from torch import Tensor

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.learners.robots.maps import (
    LEAST,
    AverageMap,
    Known,
    MapConfig,
    MapGP,
    ScratchGP,
    TaskGP,
    TaskMapConfig,
    believe,
    expect,
    matern,
)
from quickstudy.tasks.base import Examples, WholeTasks

SPEC = tasks.load("strides:simulated=true").spec


def library(count: int = 40, seed: int = 0) -> Tensor:
    return torch.rand(count, 18, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def whole(x: Tensor, y: Tensor) -> WholeTasks:
    return WholeTasks(len(y), lambda at: Examples(x, y[at], torch.ones(len(x), dtype=torch.bool)))


def some(x: Tensor, y: Tensor) -> Examples:
    return Examples(x, y, torch.ones(len(x), dtype=torch.bool))


def test_without_components_it_is_a_gaussian_process() -> None:
    gp = pytest.importorskip("sklearn.gaussian_process")
    x, y = library().double(), torch.randn(40, 2, generator=torch.Generator().manual_seed(1)).double()
    zero = torch.zeros(40, 2, dtype=torch.float64)
    kernel, noise = torch.tensor([0.7, 1.5]).double(), torch.tensor([0.1, 0.3]).double()
    known = Known(
        zero, zero.new_zeros(40, 2, 0), kernel, noise, torch.tensor(2.0).double(), torch.tensor(1e12).double()
    )
    state = believe(known, torch.arange(10), some(x[:10], y[:10]))
    found = expect(known, torch.arange(10, 40), x[10:], state)
    for o in range(2):
        own = gp.kernels.ConstantKernel(float(kernel[o]), "fixed") * gp.kernels.Matern(2.0, "fixed", nu=2.5)
        theirs = gp.GaussianProcessRegressor(own, alpha=float(noise[o]) + LEAST, optimizer=None).fit(x[:10], y[:10, o])
        mean, std = theirs.predict(x[10:], return_std=True)
        torch.testing.assert_close(found.mean[:, o], torch.from_numpy(mean))
        torch.testing.assert_close(found.std[:, o].square() - noise[o] - LEAST, torch.from_numpy(std**2))


def test_components_are_a_covariance_between_gaits_and_outcomes() -> None:
    """The posterior is that of a joint normal distribution, conditioned."""
    generator = torch.Generator().manual_seed(2)
    x = library(6).double()
    load = torch.randn(6, 2, 3, generator=generator).double()
    mean = torch.randn(6, 2, generator=generator).double()
    kernel, noise = torch.tensor([0.5, 0.2]).double(), torch.tensor([0.05, 0.1]).double()
    known = Known(mean, load, kernel, noise, torch.tensor(1.5).double(), torch.tensor(1e12).double())
    flat = load.flatten(0, 1)
    joint = flat @ flat.T + torch.kron(matern(x, x, known.length), kernel.diag())
    felt = joint[:6, :6] + (noise + LEAST).repeat(3).diag()
    y = torch.randn(3, 2, generator=generator).double()
    gain = torch.linalg.solve(felt, joint[:6, 6:]).T
    found = expect(known, torch.arange(3, 6), x[3:], believe(known, torch.arange(3), some(x[:3], y)))
    torch.testing.assert_close(found.mean.flatten(), mean[3:].flatten() + gain @ (y - mean[:3]).flatten())
    left = joint[6:, 6:] - gain @ joint[:6, 6:]
    torch.testing.assert_close(found.std.flatten().square(), left.diagonal() + (noise + LEAST).repeat(3))


def test_a_gait_that_was_tried_is_known_and_a_surprising_task_is_known_less() -> None:
    x, y = library(30), 0.3 * torch.randn(30, 30, SPEC.outputs, generator=torch.Generator().manual_seed(5))
    learner = MapGP(SPEC, MapConfig())
    learner.prepare(whole(x, y))
    learner.get_buffer("degrees").fill_(4.0)
    felt = y[0, :5]
    state = learner.adapt(some(x[:5], felt))
    again = learner.predict(state, x[:5], torch.ones(5))
    torch.testing.assert_close(again.mean, felt, atol=0.05, rtol=0)
    others = [learner.predict(learner.adapt(some(x[:5], far * felt)), x[5:], torch.ones(25)).std for far in (1, 5)]
    assert again.std.mean() < 0.5 * others[0].mean()
    assert (others[1] > 3 * others[0]).all()


@pytest.mark.slow
def test_what_tasks_have_in_common_is_found_again() -> None:
    """Tasks that differ in two hidden numbers alone: two strides say nearly everything of all gaits."""
    generator = torch.Generator().manual_seed(3)
    x, load = library(60), torch.randn(2, 60, SPEC.outputs, generator=generator)
    hidden = torch.randn(50, 2, generator=generator)
    y = torch.einsum("ch,hgo->cgo", hidden, load) + 0.01 * torch.randn(50, 60, SPEC.outputs, generator=generator)
    errors = {}
    for made in (ScratchGP, AverageMap, MapGP, TaskGP):
        learner = made(SPEC, made.Config())
        learner.prepare(whole(x, y[:40]))
        found = [learner.predict(learner.adapt(some(x[:2], one[:2])), x[2:], torch.ones(58)).mean for one in y[40:]]
        errors[made] = float((torch.stack(found) - y[40:, 2:]).square().mean())
    assert errors[TaskGP] < 0.02
    assert errors[TaskGP] < 0.1 * min(errors[ScratchGP], errors[MapGP], errors[AverageMap])


def test_as_many_components_as_asked_for_are_kept() -> None:
    x, y = library(20), torch.randn(12, 20, SPEC.outputs, generator=torch.Generator().manual_seed(4))
    for rank in (0, 3):
        learner = learners.build("taskgp", SPEC, learners.configure("taskgp", {"rank": rank}), 0)
        learner.prepare(whole(x, y))
        assert learner.get_buffer("load").shape[-1] == rank
        assert learner.predict(learner.adapt(some(x[:3], y[0, :3])), x, torch.ones(20)).mean.isfinite().all()
    with pytest.raises(UserError, match="--rank is -1"):
        TaskGP(SPEC, TaskMapConfig(rank=-1))


def test_the_average_map_is_the_average_and_the_support_says_nothing() -> None:
    x, y = library(20), torch.randn(12, 20, SPEC.outputs, generator=torch.Generator().manual_seed(4))
    learner = AverageMap(SPEC, MapConfig())
    learner.prepare(whole(x, y))
    found = learner.predict(learner.adapt(some(x[:3], 9 * y[0, :3])), x, torch.ones(20))
    torch.testing.assert_close(found.mean, y.mean(0))


def test_a_map_needs_one_library() -> None:
    x, y = library(20), torch.randn(12, 20, SPEC.outputs)
    other = WholeTasks(12, lambda at: some(x + at, y[at]))
    with pytest.raises(UserError, match="one library for all"):
        TaskGP(SPEC, TaskMapConfig()).prepare(other)
    many = library(3000)
    with pytest.raises(UserError, match="have room for 2048"):
        TaskGP(SPEC, TaskMapConfig()).prepare(whole(many, torch.randn(3, 3000, SPEC.outputs)))


def test_bias_is_the_pooled_net_and_the_mean_residual() -> None:
    family = tasks.load("strides:simulated=true")
    bias, pooled = (
        learners.build(name, family.spec, learners.configure(name, {"norm": "none"}), 0) for name in ("bias", "pooled")
    )
    task = family.sample("test", torch.arange(1), way=0, shot=4, query=5, seed=0)
    support, query = (Examples(*(leaf[0] for leaf in part)) for part in (task.support, task.query))
    with torch.no_grad():
        before = pooled.predict(pooled.adapt(support), query.x, query.mask).mean
        off = (support.y - pooled.predict(pooled.adapt(support), support.x, support.mask).mean).mean(0)
        torch.testing.assert_close(bias.predict(bias.adapt(support), query.x, query.mask).mean, before + off)
        none = bias.adapt(Examples(*(leaf[:0] for leaf in support)))
        torch.testing.assert_close(bias.predict(none, query.x, query.mask).mean, before)
