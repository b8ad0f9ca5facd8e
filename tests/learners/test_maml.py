"""MAML: ways, steps, orders, and its loss against a plain loop."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.tasks.base import Task

GLYPHS, SINE = tasks.load("glyphs:classes=50"), tasks.load("sinusoid")


def build(family: tasks.TaskFamily = GLYPHS, **settings: object) -> Learner:
    return learners.build("maml", family.spec, learners.configure("maml", {"width": 8, **settings}), 0)


def draw(family: tasks.TaskFamily = GLYPHS, way: int = 3, shot: int = 2) -> Task:
    return batch.take(family.sample("train", torch.arange(1), way=way, shot=shot, query=2, seed=0), 0)


@torch.no_grad()
def answer(learner: Learner, task: Task, steps: int | None = None) -> Tensor:
    found: Tensor = learner.predict(learner.adapt(task.support, steps), task.query.x, task.query.mask)[0]
    return found


@pytest.mark.parametrize("head", ["shared", "zero"])
@pytest.mark.parametrize("way", [2, 5, 9])
def test_any_way_is_met_with_one_head(head: str, way: int) -> None:
    task, learner = draw(way=way), build(head=head)
    assert answer(learner, task).shape == (2 * way, way)
    assert torch.equal(answer(learner, task, steps=0), torch.zeros(2 * way, way)) or head == "shared"
    even = answer(learner, task, steps=0).softmax(-1)
    torch.testing.assert_close(even, torch.full_like(even, 1 / way))


def test_a_learned_head_knows_one_way_and_its_classes_by_number() -> None:
    learner, task = build(head="learned", max_way=4), draw(way=4)
    assert answer(learner, task).shape == (8, 4)
    with pytest.raises(UserError, match=r"knows 4 classes by number and met 5.*maml with --head shared"):
        learner.adapt(draw(way=5).support)
    order = torch.tensor([1, 2, 3, 0])
    turned = task._replace(support=task.support._replace(y=task.support.y[:, order]))
    assert not torch.allclose(answer(learner, turned), answer(learner, task)[:, order])


@pytest.mark.parametrize(("name", "short"), [("maml", 0.03), ("mamlpp", 0.01)])
def test_steps_on_pictures_in_colour_are_shorter_unless_said_otherwise(name: str, short: float) -> None:
    colour = dataclasses.replace(GLYPHS.spec, shape=(3, 16, 16))

    def rate(spec: tasks.Spec, **settings: float) -> float:
        found: float = learners.build(name, spec, learners.configure(name, settings), 0).config.inner_rate
        return found

    assert rate(colour) == short < rate(GLYPHS.spec)
    assert rate(colour, inner_rate=0.4) == 0.4


@pytest.mark.parametrize("family", [GLYPHS, SINE], ids=["glyphs", "sinusoid"])
def test_steps_can_be_overridden(family: tasks.TaskFamily) -> None:
    task, once = draw(family), build(family, inner_steps=1)
    torch.testing.assert_close(answer(once, task, steps=4), answer(build(family, inner_steps=4), task))
    assert not torch.allclose(answer(once, task), answer(once, task, steps=4))
    untouched = once.adapt(task.support, steps=0)
    for name, value in once.net.named_parameters():
        assert torch.equal(untouched[f"net.{name}"], value)


def test_more_steps_fit_the_support_better() -> None:
    task, learner = draw(SINE, shot=5), build(SINE, inner_rate=0.01)
    own = task._replace(query=task.support)
    errors = [float((answer(learner, own, steps) - own.query.y).square().mean()) for steps in (0, 1, 10, 100)]
    assert errors == sorted(errors, reverse=True)


def test_adaptation_leaves_the_learner_as_it_was() -> None:
    learner = build()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    learner.adapt(draw().support)
    assert all(torch.equal(before[name], value) for name, value in learner.state_dict().items())


def test_first_order_is_another_gradient_of_the_same_loss() -> None:
    tasks_, grads, losses = SINE.sample("train", torch.arange(3), way=0, shot=5, query=5, seed=0), [], []
    for kind in ("exact", "first-order"):
        learner = build(SINE, gradient=kind, inner_steps=2)
        loss, found = batch.meta_gradient(learner, tasks_, 0.0, "vmap", inside=True)
        losses.append(loss)
        grads.append(torch.cat([value.flatten() for value in found.values()]))
    torch.testing.assert_close(losses[0], losses[1])
    assert not torch.allclose(grads[0], grads[1], rtol=1e-3)
    assert F.cosine_similarity(grads[0], grads[1], dim=0) > 0.5


def test_its_meta_gradient_is_that_of_equation_1_written_out() -> None:
    learner, task = build(SINE, inner_steps=1).double(), draw(SINE, shot=5)
    support, query = (part._replace(x=part.x.double(), y=part.y.double()) for part in task[:2])
    task = task._replace(support=support, query=query)
    params = dict(learner.named_parameters())

    def error(values: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        net = {name.removeprefix("net."): value for name, value in values.items() if name.startswith("net.")}
        features, _ = functional_call(learner.net, net, (x, torch.ones(len(x), dtype=torch.bool), None))
        return (features @ values["weight"].T + values["bias"] - y).square().mean()

    inner = torch.autograd.grad(error(params, support.x, support.y), list(params.values()), create_graph=True)
    moved = {name: value - 0.01 * g for (name, value), g in zip(params.items(), inner, strict=True)}
    wanted_loss = error(moved, query.x, query.y)
    wanted = torch.autograd.grad(wanted_loss, list(params.values()))
    losses, grads = batch.meta_gradient(learner, batch.stack([task]), 0.0, "vmap", inside=True)
    torch.testing.assert_close(losses[0], wanted_loss.detach())
    for name, value in zip(params, wanted, strict=True):
        torch.testing.assert_close(grads[name], value, rtol=1e-10, atol=1e-12)


def test_a_class_without_support_does_not_pull_at_the_others() -> None:
    learner, task = build(), draw(way=3)
    more = task.support._replace(y=F.pad(task.support.y, (0, 2)))
    found = answer(learner, task._replace(support=more))
    torch.testing.assert_close(found[:, :3], answer(learner, task), rtol=1e-4, atol=1e-4)
    assert (found[:, 3:] < -1e30).all()


def test_moments_are_those_of_the_final_weights() -> None:
    learner, task = build(norm="task"), draw()
    adapted = learner.adapt(task.support)
    own = {name.removeprefix("net."): value for name, value in adapted.items() if name.startswith("net.")}
    _, moments = functional_call(learner.net, own, (task.support.x, task.support.mask, None))
    assert moments
    for name, value in moments.items():
        torch.testing.assert_close(adapted[name], value)


def test_zero_shots_are_the_prior_mean() -> None:
    learner = build(SINE)
    found = answer(learner, draw(SINE, shot=0))
    torch.testing.assert_close(found, answer(learner, draw(SINE, shot=4), steps=0))
    assert math.isfinite(float(found.sum()))


@pytest.mark.parametrize("family", [GLYPHS, SINE], ids=["glyphs", "sinusoid"])
def test_step_losses_are_the_mean_of_the_losses_of_fewer_steps(family: tasks.TaskFamily) -> None:
    task = draw(family)
    together = build(family, inner_steps=3, step_losses=True).loss(task, 0.0)
    each = [build(family, inner_steps=steps).loss(task, 0.0) for steps in (1, 2, 3)]
    torch.testing.assert_close(together, torch.stack(each).mean())


def test_step_losses_without_support_are_that_of_the_start() -> None:
    task = draw(SINE, shot=0)
    learner = build(SINE, inner_steps=2, step_losses=True)
    torch.testing.assert_close(learner.loss(task, 0.0), build(SINE).loss(task, 0.0))
