"""Pre-training and fine-tuning: what is trained, what a task changes."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.tasks.base import Task

GLYPHS, SINE = tasks.load("glyphs:classes=50"), tasks.load("sinusoid")


def build(family: tasks.TaskFamily = GLYPHS, **settings: object) -> Learner:
    config = learners.configure("finetune", {"width": 8, **settings})
    return learners.build("finetune", family.spec, config, 0).eval()


def draw(family: tasks.TaskFamily = GLYPHS, way: int = 3, shot: int = 2) -> Task:
    return batch.take(family.sample("train", torch.arange(1), way=way, shot=shot, query=2, seed=0), 0)


@torch.no_grad()
def answer(learner: Learner, task: Task, steps: int | None = None) -> Tensor:
    found: Tensor = learner.predict(learner.adapt(task.support, steps), task.query.x, task.query.mask)[0]
    return found


def test_the_loss_is_cross_entropy_over_all_training_classes() -> None:
    learner, task = build(), draw()
    x, y = torch.cat([task.support.x, task.query.x]), torch.cat([task.support.y, task.query.y])
    logits = learner.head(learner.net(x, torch.ones(len(x), dtype=torch.bool), None)[0])
    assert logits.shape == (12, 50)
    torch.testing.assert_close(learner.loss(task, 0.0), F.cross_entropy(logits, task.classes[y.argmax(-1)]))


def test_the_loss_of_numbers_is_squared_error_over_all_points() -> None:
    learner, task = build(SINE), draw(SINE, shot=3)
    x, y = torch.cat([task.support.x, task.query.x]), torch.cat([task.support.y, task.query.y])
    means = learner.head(learner.net(x, torch.ones(len(x), dtype=torch.bool), None)[0])
    torch.testing.assert_close(learner.loss(task, 0.0), F.mse_loss(means, y))


@pytest.mark.parametrize("adapts", ["head", "all"])
def test_no_steps_are_even_odds_and_steps_are_not(adapts: str) -> None:
    learner, task = build(adapts=adapts, inner_steps=5), draw()
    assert torch.equal(answer(learner, task, steps=0), torch.zeros(6, 3))
    assert answer(learner, task).any()


@pytest.mark.parametrize(
    ("family", "adapts", "changes"),
    [
        (GLYPHS, "auto", False),
        (GLYPHS, "all", True),
        (SINE, "auto", True),
        (SINE, "head", False),
    ],
)
def test_what_a_task_changes(family: tasks.TaskFamily, adapts: str, changes: bool) -> None:
    learner = build(family, adapts=adapts, inner_steps=3)
    adapted = learner.adapt(draw(family).support)
    net = {name for name in adapted if name.startswith("net.")}
    assert bool(net) == changes
    own = learner.state_dict()
    assert all(not torch.equal(adapted[name], own[name]) for name in net if name.endswith("conv.weight"))


def test_a_new_head_is_logistic_regression_by_gradient_descent() -> None:
    learner, task = build(inner_steps=7, inner_rate=2.0), draw()
    with torch.no_grad():
        features = F.normalize(learner.net(task.support.x, task.support.mask, None)[0], dim=-1)
    weight, bias = torch.zeros(3, features.shape[1], requires_grad=True), torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([weight, bias], lr=2.0)
    for _ in range(7):
        optimizer.zero_grad()
        F.cross_entropy(features @ weight.T + bias, task.support.y).backward()
        optimizer.step()
    adapted = learner.adapt(task.support)
    torch.testing.assert_close(adapted["head.weight"], weight.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(adapted["head.bias"], bias.detach(), rtol=1e-4, atol=1e-5)


def test_the_default_steps_fit_the_support() -> None:
    learner, task = build(backbone="conv4s"), draw(way=5, shot=1)
    own = task._replace(query=task.support)
    assert torch.equal(answer(learner, own).argmax(-1), own.query.y.argmax(-1))


def test_unlimited_classes_are_refused() -> None:
    with pytest.raises(UserError, match="glyphs:classes=1000"):
        build(tasks.load("glyphs"))


def test_the_meta_gradient_needs_no_inner_one() -> None:
    traits = learners.learner_class("finetune").traits
    assert traits.gradient
    assert not traits.gradient_in_loss
    assert learners.learner_class("maml").traits.gradient_in_loss
    assert not learners.learner_class("protonet").traits.gradient_in_loss
