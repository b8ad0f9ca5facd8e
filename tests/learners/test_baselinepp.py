"""Baseline++: its head against PyTorch's own optimiser, and against the learner it is without steps."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.tasks.base import Task

GLYPHS = tasks.load("glyphs:classes=50")


def build(name: str = "baselinepp", family: tasks.TaskFamily = GLYPHS, **settings: object) -> Learner:
    return learners.build(name, family.spec, learners.configure(name, {"width": 8, **settings}), 0).eval()


def draw(way: int = 3, shot: int = 2) -> Task:
    return batch.take(GLYPHS.sample("train", torch.arange(1), way=way, shot=shot, query=2, seed=0), 0)


@torch.no_grad()
def answer(learner: Learner, task: Task, steps: int | None = None) -> Tensor:
    found: Tensor = learner.predict(learner.adapt(task.support, steps), task.query.x, task.query.mask).logits
    return found


def test_the_loss_is_cross_entropy_of_ten_cosines_over_all_training_classes() -> None:
    learner, task = build(), draw()
    x, y = torch.cat([task.support.x, task.query.x]), torch.cat([task.support.y, task.query.y])
    features = learner.net(x, torch.ones(len(x), dtype=torch.bool), None)[0]
    cosine = F.cosine_similarity(features.unsqueeze(1), learner.head.weight.unsqueeze(0), dim=-1)
    assert cosine.shape == (12, 50)
    torch.testing.assert_close(learner.loss(task, 0.0), F.cross_entropy(10 * cosine, task.classes[y.argmax(-1)]))


def test_without_steps_it_is_the_cosine_prototypical_network() -> None:
    learner, other, task = build(), build("protonet", distance="cosine"), draw()
    other.net.load_state_dict(learner.net.state_dict())
    with torch.no_grad():
        other.log_scale.fill_(math.log(10))
    torch.testing.assert_close(answer(learner, task, steps=0), answer(other, task))


def test_a_task_fits_its_head_by_gradient_descent() -> None:
    learner, task = build(inner_steps=7, inner_rate=0.1), draw()
    with torch.no_grad():
        features = F.normalize(learner.net(task.support.x, task.support.mask, None)[0], dim=-1)
    weight = torch.stack([features[task.support.y[:, k] == 1].mean(0) for k in range(3)]).requires_grad_()
    optimizer = torch.optim.SGD([weight], lr=0.1)
    for _ in range(7):
        optimizer.zero_grad()
        F.cross_entropy(10 * features @ F.normalize(weight, dim=-1).T, task.support.y).backward()
        optimizer.step()
    torch.testing.assert_close(learner.adapt(task.support)["weight"], weight.detach(), rtol=1e-4, atol=1e-5)


def test_the_default_steps_lower_the_error_on_the_support() -> None:
    learner, task = build(), draw(way=5)
    own = task._replace(query=task.support)
    before, after = (F.cross_entropy(answer(learner, own, steps), own.query.y) for steps in (0, None))
    assert after < before


def test_a_class_without_support_leaves_the_others_alone() -> None:
    learner, task = build(), draw(way=4)
    keep = task.support.y[:, 3] == 0
    without = task._replace(support=task.support._replace(mask=keep))
    alone = task._replace(
        support=task.support._replace(x=task.support.x[keep], y=task.support.y[keep][:, :3], mask=keep[keep])
    )
    torch.testing.assert_close(answer(learner, without)[:, :3], answer(learner, alone))


def test_unlimited_classes_are_refused() -> None:
    with pytest.raises(UserError, match="glyphs:classes=1000"):
        build(family=tasks.load("glyphs"))
