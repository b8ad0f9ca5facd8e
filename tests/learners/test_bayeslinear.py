"""The net with a Bayesian last layer: its answers by direct conditioning, and what a task's examples do to them."""

from typing import Any

import torch

from quickstudy import learners, tasks
from quickstudy.learners.bayeslinear import BayesLinear
from quickstudy.tasks.base import Task

FAMILY = tasks.load("functions")


def built(**settings: Any) -> BayesLinear:
    config = learners.configure("bayeslinear", {"width": 12, "rank": 4, "reader": 0} | settings)
    learner: Any = learners.build("bayeslinear", FAMILY.spec, config, 0).double()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)).double())
    return learner


def drawn(shot: int) -> Task:
    task = FAMILY.sample("test", torch.arange(1), way=0, shot=shot, query=6, seed=0)
    parts = (part._replace(x=part.x.double(), y=part.y.double()) for part in (task.support, task.query))
    support, query = (type(part)(*(leaf[0] for leaf in part)) for part in parts)
    return task._replace(support=support, query=query)


@torch.no_grad()
def test_answers_are_those_of_the_gaussian_process_that_it_is() -> None:
    learner, task = built(), drawn(9)
    learner.log_temper.zero_()

    def features(x: torch.Tensor) -> torch.Tensor:
        hidden, _ = learner.net(x, torch.ones(len(x), dtype=torch.bool), None)
        return torch.cat([hidden, x, torch.ones(len(x), 1).double()], 1)

    h, new = features(task.support.x), features(task.query.x)
    prior = learner.spread[0] @ learner.spread[0].T
    noise, noise_new = (0.01 + torch.nn.functional.softplus(part @ learner.noise + 0.5)[:, 0] ** 1 for part in (h, new))
    known = h @ prior @ h.T + noise.square().diag()
    cross = new @ prior @ h.T
    mean = new @ learner.mean[:, 0] + cross @ torch.linalg.solve(known, task.support.y[:, 0] - h @ learner.mean[:, 0])
    variance = (new @ prior @ new.T - cross @ torch.linalg.solve(known, cross.T)).diagonal() + noise_new.square()
    found = learner.predict(learner.adapt(task.support), task.query.x, task.query.mask)
    torch.testing.assert_close(found.mean[:, 0], mean)
    torch.testing.assert_close(found.std[:, 0], variance.sqrt())


@torch.no_grad()
def test_a_temper_is_the_weight_of_an_example() -> None:
    """Half the weight, and every example twice, is the same."""
    learner, task = built(), drawn(5)
    learner.log_temper.zero_()
    once = learner.predict(learner.adapt(task.support), task.query.x, task.query.mask)
    twice = type(task.support)(*(torch.cat([leaf, leaf]) for leaf in task.support))
    learner.log_temper.fill_(torch.tensor(0.5).log())
    again = learner.predict(learner.adapt(twice), task.query.x, task.query.mask)
    torch.testing.assert_close(again, once)


@torch.no_grad()
def test_more_examples_leave_less_doubt() -> None:
    learner = built()
    stds = [
        learner.predict(learner.adapt(task.support), task.query.x, task.query.mask).std.mean()
        for task in map(drawn, (0, 3, 30))
    ]
    assert stds[0] > stds[1] > stds[2]


@torch.no_grad()
def test_a_reader_says_nothing_before_it_is_trained() -> None:
    """Its last layer starts at zero, so that training begins at the Gaussian process."""
    task = drawn(5)
    config = {"width": 12, "rank": 4}
    with_one, without = (
        learners.build("bayeslinear", FAMILY.spec, learners.configure("bayeslinear", config | {"reader": reader}), 0)
        for reader in (8, 0)
    )
    without.load_state_dict({name: value for name, value in with_one.state_dict().items() if "reader" not in name})
    one, other = (
        learner.double().predict(learner.adapt(task.support), task.query.x, task.query.mask)
        for learner in (with_one.double(), without.double())
    )
    torch.testing.assert_close(one, other)
