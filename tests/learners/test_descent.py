"""The children of MAML: limits in which each is something that is known otherwise."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch, sgd, unroll
from quickstudy.learners import Learner
from quickstudy.learners.base import class_means, run_net
from quickstudy.tasks.base import Examples, Task, masked_mean
from quickstudy.training import laid_out_as

GLYPHS, SINE = tasks.load("glyphs:classes=50"), tasks.load("sinusoid")
BOTH = pytest.mark.parametrize("family", [GLYPHS, SINE], ids=["glyphs", "sinusoid"])


def build(name: str, family: tasks.TaskFamily = GLYPHS, **settings: object) -> Learner:
    config = learners.configure(name, {"width": 8, **settings})
    return learners.build(name, family.spec, config, 0).double()


def draw(family: tasks.TaskFamily = GLYPHS, way: int = 3, shot: int = 2, query: int = 2) -> Task:
    task = batch.take(family.sample("train", torch.arange(1), way=way, shot=shot, query=query, seed=0), 0)
    support, query_ = (part._replace(x=part.x.double(), y=part.y.double()) for part in task[:2])
    return task._replace(support=support, query=query_)


@torch.no_grad()
def answer(learner: Learner, task: Task, steps: int | None = None) -> Tensor:
    found: Tensor = learner.predict(learner.adapt(task.support, steps), task.query.x, task.query.mask)[0]
    return found


def gradient(learner: Learner, task: Task, progress: float = 1.0) -> dict[str, Tensor]:
    value = learner.loss(task, progress)
    named = {name: value for name, value in learner.named_parameters() if value.requires_grad}
    grads = torch.autograd.grad(value, list(named.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(named, grads, strict=True))


def shared(learner: Learner, other: Learner) -> list[str]:
    """Parameters that both have; the same seed gives them the same values."""
    mine, theirs = dict(learner.named_parameters()), dict(other.named_parameters())
    names = [name for name in mine if name in theirs and mine[name].requires_grad]
    assert names
    assert all(torch.equal(mine[name], theirs[name]) for name in names)
    return names


@BOTH
@pytest.mark.parametrize("name", ["metasgd", "mamlpp", "metacurvature"])
def test_what_is_learnt_beside_the_start_begins_as_maml(name: str, family: tasks.TaskFamily) -> None:
    """Equal rates, identity matrices, and after annealing second order and the last loss alone."""
    settings: dict[str, object] = {"inner_steps": 2, "inner_rate": 0.0625}
    if name == "mamlpp":  # whose normalisation does not move
        settings["norm"] = "none"
    child, parent, task = build(name, family, **settings), build("maml", family, **settings), draw(family)
    torch.testing.assert_close(answer(child, task), answer(parent, task))
    mine, theirs = gradient(child, task), gradient(parent, task)
    for each in shared(child, parent):
        torch.testing.assert_close(mine[each], theirs[each], rtol=1e-9, atol=1e-11)
    extra = [value for each, value in mine.items() if each not in theirs]
    assert extra
    assert all(value.isfinite().all() for value in extra)
    assert any(value.any() for value in extra)


def test_rates_are_learnt_as_finite_differences_say() -> None:
    learner, task = build("metasgd", SINE, inner_steps=2), draw(SINE, shot=5)
    found = gradient(learner, task)
    name = "rates.net-blocks-0-linear-bias"
    value, step = dict(learner.named_parameters())[name], 1e-6
    with torch.no_grad():
        value[0] += step
        more = learner.loss(task, 1.0)
        value[0] -= 2 * step
        less = learner.loss(task, 1.0)
    torch.testing.assert_close(found[name][0], (more - less) / (2 * step), rtol=1e-5, atol=1e-8)


@BOTH
def test_anil_moves_the_output_layer_as_a_linear_model_on_fixed_features(family: tasks.TaskFamily) -> None:
    learner, task = build("anil", family, inner_steps=3, inner_rate=0.1), draw(family)
    support = task.support
    features, _ = learner.net(support.x, support.mask, None)
    out = support.y.shape[-1] if family is GLYPHS else 1

    def loss(weights: dict[str, Tensor], given: object) -> Tensor:
        logits = features @ weights["w"].T + weights["b"]
        wrong = F.cross_entropy(logits, support.y) if family is GLYPHS else F.mse_loss(logits, support.y)
        return wrong

    start = {"w": learner.weight.expand(out, -1), "b": learner.bias.expand(out)}
    wanted = unroll(loss, start, sgd(0.1), 3, "exact")
    adapted = learner.adapt(support)
    torch.testing.assert_close(adapted["head.weight"], wanted["w"])
    torch.testing.assert_close(adapted["head.bias"], wanted["b"])
    for name, value in learner.net.named_parameters():
        assert torch.equal(adapted[f"net.{name}"], value)


@BOTH
def test_boil_moves_everything_else(family: tasks.TaskFamily) -> None:
    learner, task = build("boil", family), draw(family)
    adapted, out = learner.adapt(task.support), task.support.y.shape[-1]
    assert torch.equal(adapted["head.weight"], learner.weight[:out])
    moved = [name for name, value in learner.net.named_parameters() if not torch.equal(adapted[f"net.{name}"], value)]
    assert len(moved) >= len(list(learner.net.named_parameters())) - 1


@BOTH
def test_boil_is_descent_of_the_body_alone_written_out(family: tasks.TaskFamily) -> None:
    """Equation 2: the output layer moves between tasks, never within one; so do the answers and the meta-gradient."""
    learner, task = build("boil", family, inner_steps=2, inner_rate=0.1), draw(family)
    support, query = task.support, task.query
    out = support.y.shape[-1] if family is GLYPHS else 1
    wrong = F.cross_entropy if family is GLYPHS else F.mse_loss
    body = dict(learner.net.named_parameters())
    moved = {f"net.{name}": value for name, value in body.items()}

    def judge(part: Examples, moments: dict[str, Tensor] | None = None) -> Tensor:
        return run_net(learner.net, moved, part.x, part.mask, moments)[0] @ learner.weight[:out].T + learner.bias[:out]

    for _ in range(2):
        grads = torch.autograd.grad(wrong(judge(support), support.y), list(moved.values()), create_graph=True)
        moved = {name: value - 0.1 * grad for (name, value), grad in zip(moved.items(), grads, strict=True)}
    moments = run_net(learner.net, moved, support.x, support.mask, None)[1]
    torch.testing.assert_close(answer(learner, task), judge(query, moments).detach())
    named = {"weight": learner.weight, "bias": learner.bias} | {f"net.{name}": value for name, value in body.items()}
    wanted = torch.autograd.grad(wrong(judge(query, moments), query.y), list(named.values()))
    found = gradient(learner, task)
    for name, value in zip(named, wanted, strict=True):
        torch.testing.assert_close(found[name], value, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", ["boil", "cavia"])
def test_those_that_number_their_classes_refuse_more(name: str) -> None:
    learner = build(name, max_way=4)
    assert answer(learner, draw(way=4)).shape == (8, 4)
    with pytest.raises(UserError, match=r"4 classes by number and met 5.*--max-way 5.*protonet"):
        learner.adapt(draw(way=5).support)


def test_proto_maml_without_a_step_is_the_prototypical_network() -> None:
    learner, task = build("protomaml", norm="task"), draw(way=4, shot=3)
    protonet = build("protonet", norm="task").eval()
    protonet.net.load_state_dict(learner.net.state_dict())
    there, here = answer(protonet, task), answer(learner, task, steps=0)
    torch.testing.assert_close(here.log_softmax(-1), there.log_softmax(-1))


def test_the_meta_gradient_of_proto_maml_goes_through_the_prototypes() -> None:
    learner, task = build("protomaml", inner_steps=1), draw()
    support, query = task.support, task.query
    named = dict(learner.net.named_parameters())
    features, moments = learner.net(support.x, support.mask, None)
    means = class_means(features, support)
    # inner gradients are partial ones: the prototypes are where the output layer starts, not what it is
    start = {f"net.{name}": 1 * value for name, value in named.items()}
    start |= {"w": 2 * means, "b": -means.square().sum(-1)}

    def judge(weights: dict[str, Tensor], x: Tensor, mask: Tensor, moments: dict[str, Tensor] | None) -> Tensor:
        return run_net(learner.net, weights, x, mask, moments)[0] @ weights["w"].T + weights["b"]

    inner = F.cross_entropy(judge(start, support.x, support.mask, None), support.y)
    grads = torch.autograd.grad(inner, list(start.values()), create_graph=True)
    moved = {n: value - learner.rate * g for (n, value), g in zip(start.items(), grads, strict=True)}
    moments = run_net(learner.net, moved, support.x, support.mask, None)[1]
    loss = F.cross_entropy(judge(moved, query.x, query.mask, moments), query.y)
    wanted = torch.autograd.grad(loss, list(named.values()))
    found = gradient(learner, task)
    for name, value in zip(named, wanted, strict=True):
        torch.testing.assert_close(found[f"net.{name}"], value, rtol=1e-8, atol=1e-10)


def test_the_losses_of_maml_plus_plus_go_over_to_the_last_step() -> None:
    learner = build("mamlpp", inner_steps=4, anneal=0.2)
    assert learner.shares(0.0) == pytest.approx([0.25] * 4)
    assert learner.shares(0.1) == pytest.approx([0.125] * 3 + [0.625])
    for progress in (0.0, 0.05, 0.1, 0.19, 0.2):
        assert sum(learner.shares(progress)) == pytest.approx(1)
    assert learner.shares(0.2)[0] == pytest.approx(0.25 * 0.03)


@BOTH
def test_maml_plus_plus_takes_the_mean_of_all_losses_first(family: tasks.TaskFamily) -> None:
    task = draw(family)
    settings = {"inner_steps": 2, "inner_rate": 0.0625, "norm": "none"}
    learner = build("mamlpp", family, **settings)
    parent = build("maml", family, **settings, step_losses=True, gradient="first-order")
    mine, theirs = gradient(learner, task, 0.0), gradient(parent, task)
    for name in shared(learner, parent):
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-8, atol=1e-10)


def test_each_step_of_maml_plus_plus_has_its_own_normalisation() -> None:
    learner, task = build("mamlpp", inner_steps=2), draw()
    first, last = ({n: v.detach().clone() for n, v in learner.adapt(task.support, k).items()} for k in (1, 2))
    with torch.no_grad():
        learner.norms["net-blocks-1-norm-bias"][1] += 0.5
    torch.testing.assert_close(learner.adapt(task.support, 1), first)
    after = learner.adapt(task.support, 2)
    assert torch.equal(after["net.blocks.1.norm.bias"], last["net.blocks.1.norm.bias"] + 0.5)
    assert not torch.allclose(after["net.blocks.0.conv.weight"], last["net.blocks.0.conv.weight"])


def test_maml_plus_plus_takes_more_steps_than_it_was_trained_with() -> None:
    learner, task = build("mamlpp", inner_steps=2), draw()
    with torch.no_grad():
        learner.rates["head-weight"].copy_(torch.tensor([0.1, 0.0]))
    two, five = learner.adapt(task.support, 2), learner.adapt(task.support, 5)
    torch.testing.assert_close(two["head.weight"], five["head.weight"])
    assert not torch.allclose(two["head.bias"], five["head.bias"])


@BOTH
def test_reptile_with_one_step_follows_the_gradient_of_pre_training(family: tasks.TaskFamily) -> None:
    """|theta - phi|^2 / 2 then has the gradient rate x grad L over all examples of the task."""
    task = draw(family, shot=4, query=3)
    count = len(task.support.x) + len(task.query.x)
    learner = build("reptile", family, train_steps=1, batch=count, rule="sgd", inner_rate=0.3)
    out = task.support.y.shape[-1] if family is GLYPHS else 1
    x, y = torch.cat([task.support.x, task.query.x]), torch.cat([task.support.y, task.query.y])
    weight = learner.weight.detach().expand(out, -1).clone().requires_grad_()
    features, _ = learner.net(x, torch.ones(count, dtype=torch.bool), None)
    logits = features @ weight.T + learner.bias.expand(out)
    loss = F.cross_entropy(logits, y) if family is GLYPHS else F.mse_loss(logits, y)
    named = dict(learner.net.named_parameters())
    wanted = dict(zip(named, torch.autograd.grad(loss, list(named.values()), retain_graph=True), strict=True))
    (by_weight,) = torch.autograd.grad(loss, [weight])
    found = gradient(learner, task)
    for name, value in wanted.items():
        torch.testing.assert_close(found[f"net.{name}"], 0.3 * value, rtol=1e-8, atol=1e-10)
    mean = by_weight.mean(0, keepdim=True) if family is GLYPHS else by_weight
    torch.testing.assert_close(found["weight"], 0.3 * mean)


def test_every_example_is_in_reptiles_batches_before_any_comes_again() -> None:
    task = draw(SINE, shot=7, query=5)
    once = build("reptile", SINE, train_steps=3, batch=4, inner_rate=1e-9, rule="sgd")
    whole = build("reptile", SINE, train_steps=1, batch=12, inner_rate=3e-9, rule="sgd")
    mine, theirs = gradient(once, task), gradient(whole, task)
    for name in shared(once, whole):
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-4, atol=1e-14)


def test_imaml_tied_tightly_to_the_start_is_the_plain_gradient_there() -> None:
    """lambda -> infinity: no task moves, and the meta-gradient is that of pre-training on queries."""
    task = draw(SINE, shot=5, query=5)
    learner = build("imaml", SINE, proximal=1e6, inner_rate=1e-7)
    named = dict(learner.named_parameters())
    features, _ = learner.net(task.query.x, task.query.mask, None)
    loss = F.mse_loss(features @ learner.weight.T + learner.bias, task.query.y)
    wanted = torch.autograd.grad(loss, list(named.values()))
    found = gradient(learner, task)
    for name, value in zip(named, wanted, strict=True):
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4)


def test_imaml_settles_where_the_tied_loss_has_no_gradient() -> None:
    task = draw(SINE, shot=5)
    learner = build("imaml", SINE, proximal=1.0, inner_rate=0.05, inner_steps=2000)
    adapted = learner.adapt(task.support)
    weights = {name: value.detach().requires_grad_() for name, value in adapted.items() if "." in name}
    start = {name: value.detach() for name, value in learner._start(task.support).items()}
    features, _ = run_net(learner.net, weights, task.support.x, task.support.mask, None)
    loss = F.mse_loss(features @ weights["head.weight"].T + weights["head.bias"], task.support.y)
    loss = loss + 0.5 * sum(((weights[name] - value) ** 2).sum() for name, value in start.items())
    for value in torch.autograd.grad(loss, list(weights.values())):
        torch.testing.assert_close(value, torch.zeros_like(value), atol=1e-6, rtol=0)


@BOTH
def test_cavia_without_a_step_is_the_net_for_every_task_and_a_step_moves_the_context_alone(
    family: tasks.TaskFamily,
) -> None:
    learner, task = build("cavia", family), draw(family)
    support, query = task.support, task.query
    zero = learner.adapt(support, steps=0)
    assert not zero["context"].any()
    out = support.y.shape[-1] if family is GLYPHS else 1
    moments = learner.net(support.x, support.mask, None)[1] if family is GLYPHS else None
    x = query.x if family is GLYPHS else F.pad(query.x, (0, learner.context))
    plain = learner.net(x, query.mask, moments)[0] @ learner.weight[:out].T + learner.bias[:out]
    torch.testing.assert_close(answer(learner, task, steps=0), plain)
    adapted = learner.adapt(support)
    assert adapted["context"].any()
    assert not any(name.startswith(("net.", "head.", "film")) for name in adapted)


def test_the_steps_of_cavia_are_long_enough_to_tell_the_support_apart() -> None:
    """The loss falls by half a nat before any training; with a rate of 5, by a quarter."""
    learner, task = build("cavia", width=64), draw(way=5, shot=1)
    support = task.support

    def loss(steps: int) -> float:
        with torch.no_grad():
            prediction = learner.predict(learner.adapt(support, steps), support.x, support.mask)
        return float(masked_mean(prediction.nll(support.y), support.mask))

    assert loss(2) < loss(0) - 0.5


def test_the_context_of_cavia_needs_a_normalisation_to_reach() -> None:
    with pytest.raises(UserError, match="--norm task"):
        build("cavia", norm="none")


def test_laid_out_gradients_reach_every_parameter() -> None:
    """What a child learns beside the start has gradients in the layout of its parameters."""
    for name in ("metasgd", "mamlpp", "metacurvature"):
        learner, task = build(name), draw()
        for each, value in gradient(learner, task).items():
            param = dict(learner.named_parameters())[each]
            torch.testing.assert_close(laid_out_as(param, value), value)


@pytest.mark.parametrize("name", ["maml", "anil", "metasgd", "mamlpp", "protomaml"])
@pytest.mark.parametrize("rate", [0.1, 30.0])
def test_steps_that_are_too_long_undo_nothing(name: str, rate: float) -> None:
    """After more steps the support's loss is never higher; with a sane rate it is that of the last step."""
    learner, task = build(name, inner_rate=rate, inner_steps=4), draw(way=3, shot=3)
    support = task.support
    with torch.no_grad():
        losses = []
        for steps in range(5):
            prediction = learner.predict(learner.adapt(support, steps), support.x, support.mask)
            losses.append(float(masked_mean(prediction.nll(support.y), support.mask)))
        *_, last = learner._descent(support, 4)
        plain = learner._adapted(last, support)
        found = learner.adapt(support, 4)
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(losses))
    assert (losses[-1] < losses[0]) or rate > 1
    same = all(torch.equal(plain[key], found[key]) for key in plain)
    assert same == (rate < 1)
