"""Kinds of meta-gradient in float64: against a plain loop of ``torch.autograd``, closed forms, and one another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from quickstudy.cost import LiveTensors
from quickstudy.errors import UserError
from quickstudy.inner import RULES, Implicit, PerStep, Rule, Truncated, batch, sgd, trajectory, unroll
from quickstudy.inner.unroll import KINDS, Gradient, Kind

pytestmark = pytest.mark.usefixtures("seemingly_two_cores")
TASKS, EACH, SIDE, WAY = 3, 4, 6, 3
FULL: tuple[Kind, ...] = ("exact", "mixed", "recomputed")


class Recurrent(nn.Module):
    """The last state of a recurrent net over the rows of a picture."""

    def __init__(self, kind: type[nn.LSTM | nn.GRU | nn.RNN]) -> None:
        super().__init__()
        self.cell, self.out = kind(SIDE, 4, batch_first=True), nn.Linear(4, WAY)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cell(x[:, 0])[0][:, -1])


class Attention(nn.Module):
    """Self-attention over the rows of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.attend, self.out = nn.MultiheadAttention(SIDE, 2, batch_first=True), nn.Linear(SIDE, WAY)

    def forward(self, x: Tensor) -> Tensor:
        rows = x[:, 0]
        return self.out(self.attend(rows, rows, rows, need_weights=False)[0].mean(1))


class Tied(nn.Module):
    """One weight used twice, and one that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(SIDE * SIDE, SIDE * SIDE), nn.Linear(SIDE * SIDE, SIDE * SIDE)
        self.two.weight = self.one.weight
        self.out, self.unused = nn.Linear(SIDE * SIDE, WAY), nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.two(self.one(x.flatten(1)).tanh()).tanh())


def convolutional(norm: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), norm, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 9, WAY)
    )


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 5), nn.Tanh(), nn.Linear(5, WAY)),
    "tied": Tied,
    "batchnorm": lambda: convolutional(nn.BatchNorm2d(4, track_running_stats=False)),
    "layernorm": lambda: convolutional(nn.LayerNorm([4, SIDE, SIDE])),
    "groupnorm": lambda: convolutional(nn.GroupNorm(2, 4)),
    "instancenorm": lambda: convolutional(nn.InstanceNorm2d(4, affine=True)),
    "rnn": lambda: Recurrent(nn.RNN),
    "gru": lambda: Recurrent(nn.GRU),
    "lstm": lambda: Recurrent(nn.LSTM),
    "attention": Attention,
}
STEPWISE = ("rnn", "gru", "lstm")
"""PyTorch's recurrent nets write in place, which vmap cannot do with weights of each task's own."""
GRID = [(layer, how) for layer in LAYERS for how in batch.EAGER if layer not in STEPWISE or how in ("threads", "loop")]


class Part(NamedTuple):
    """Examples of a task; batched, [TASKS] in front."""

    x: Tensor
    label: Tensor


class Episode(NamedTuple):
    support: Part
    query: Part


class Inner(nn.Module):
    """A learner whose rate and whose inner temperature are learnt too; the temperature comes to the loss in given."""

    def __init__(self, layer: str, rule: Callable[[Tensor], Rule], steps: int, gradient: Gradient) -> None:
        super().__init__()
        self.net, self.make, self.steps, self.gradient = LAYERS[layer](), rule, steps, gradient
        self.rate, self.temperature = nn.Parameter(torch.tensor(0.1)), nn.Parameter(torch.tensor(1.3))

    def inner(self, weights: dict[str, Tensor], given: tuple[Tensor, Part]) -> Tensor:
        temperature, part = given
        return F.cross_entropy(functional_call(self.net, weights, (part.x,)) / temperature, part.label)

    def forward(self, task: Episode, progress: float) -> Tensor:
        given = (self.temperature, task.support)
        weights = dict(self.net.named_parameters())
        weights = unroll(self.inner, weights, self.make(self.rate), self.steps, self.gradient, given)
        return self.inner(weights, (self.temperature, task.query))


def plain(learner: Inner, task: Episode) -> dict[str, Tensor]:
    """The meta-gradient of one task by ``torch.autograd.grad`` alone."""
    rule, kept = learner.make(learner.rate), learner.gradient != "first-order"
    weights = dict(learner.net.named_parameters())
    state = rule.init(weights)
    for step in range(learner.steps):
        loss = learner.inner(weights, (learner.temperature, task.support))
        found = torch.autograd.grad(loss, list(weights.values()), create_graph=kept, materialize_grads=True)
        weights, state = rule.update(rule.hyper, dict(zip(weights, found, strict=True)), state, weights, step)
    loss = learner.inner(weights, (learner.temperature, task.query))
    params = dict(learner.named_parameters())
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()), materialize_grads=True), strict=True))


def episodes() -> Episode:
    generator = torch.Generator().manual_seed(0)

    def part() -> Part:
        label = torch.arange(WAY).repeat(2)[:EACH].expand(TASKS, -1)
        x = torch.randn(TASKS, EACH, 1, SIDE, SIDE, generator=generator, dtype=torch.float64)
        return Part(x + label[..., None, None, None], label)

    return Episode(part(), part())


def build(layer: str, rule: Callable[[Tensor], Rule] = sgd, steps: int = 3, gradient: Gradient = "exact") -> Inner:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Inner(layer, rule, steps, gradient).double()


def check(learner: Inner, how: batch.How, tolerance: float = 1e-10) -> None:
    tasks = episodes()
    with sdpa_kernel(SDPBackend.MATH):
        each = [plain(learner, batch.take(tasks, number)) for number in range(TASKS)]
    wanted = {name: torch.stack([one[name] for one in each]).mean(0) for name in each[0]}
    _, found = batch.meta_gradient(learner, tasks, 0.0, how, inside=True)
    assert found.keys() == wanted.keys()
    one, other = (torch.cat([part[name].flatten() for name in wanted]) for part in (found, wanted))
    assert float((one - other).norm() / other.norm()) < tolerance
    assert float((found["rate"] - wanted["rate"]).abs() / wanted["rate"].abs()) < 100 * tolerance
    apart = (found["temperature"] - wanted["temperature"]).abs() / wanted["temperature"].abs()
    assert float(apart) < 100 * tolerance


@pytest.mark.parametrize(
    ("layer", "how", "kind"), [(*at, kind) for at in GRID for kind in KINDS if at[1] != "recorded" or kind == "exact"]
)
def test_every_layer_under_every_kind_and_way_of_batching(layer: str, how: batch.How, kind: Kind) -> None:
    check(build(layer, steps=2, gradient=kind), how)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RULES)
def test_every_rule_under_every_kind(name: str, kind: Kind, steps: int) -> None:
    check(build("linear", RULES[name], steps, kind), "vmap", 1e-9)


@pytest.mark.parametrize("kind", FULL[1:])
def test_a_rate_of_each_step_and_tensor_gets_its_gradient(kind: Kind) -> None:
    learner, task = build("linear"), batch.take(episodes(), 0)
    start, temperature = (
        pytree.tree_map(lambda leaf: leaf.detach(), tree)
        for tree in (dict(learner.net.named_parameters()), learner.temperature)
    )
    rates = {name: torch.linspace(0.1, 0.3, 3, dtype=torch.float64) for name in start}

    def learnt(rates: dict[str, Tensor], gradient: Gradient) -> Tensor:
        weights = unroll(learner.inner, start, sgd(PerStep(rates)), 3, gradient, (temperature, task.support))
        return learner.inner(weights, (temperature, task.query))

    wanted, found = (grad(learnt)(rates, gradient) for gradient in ("exact", kind))
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-14)
        assert value.abs().min() > 0


def test_attention_is_left_as_it_was_found() -> None:
    """Threads that switch the fused one off, each for itself, would leave it off or on for one another."""
    for _ in range(5):
        batch.meta_gradient(build("attention", steps=1), episodes(), 0.0, "threads", inside=True)
        assert torch.backends.cuda.flash_sdp_enabled()


@pytest.mark.parametrize("kind", FULL)
def test_inner_batches_may_change_from_step_to_step(kind: Kind) -> None:
    def loss(params: dict[str, Tensor], given: Tensor) -> Tensor:
        return (params["w"] - given).square().sum()

    def end(batches: Tensor) -> Tensor:
        start = {"w": torch.zeros((), dtype=torch.float64)}
        return unroll(loss, start, sgd(0.25), 3, kind, lambda number: batches[number])["w"]

    batches = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    # w <- w / 2 + batch / 2
    torch.testing.assert_close(end(batches), torch.tensor(0.125 + 0.5 + 2, dtype=torch.float64))
    torch.testing.assert_close(grad(end)(batches), torch.tensor([0.125, 0.25, 0.5], dtype=torch.float64))


def quadratic(params: dict[str, Tensor], given: dict[str, Tensor]) -> Tensor:
    """1/2 w' A w - b' w."""
    w = params["w"]
    return 0.5 * w @ given["A"] @ w - given["b"] @ w


def problem() -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Start, the quadratic's numbers, and a direction in which the solution is judged."""
    generator = torch.Generator().manual_seed(1)
    root, b, start, judge = (torch.randn(4, *more, generator=generator).double() for more in ((4,), (), (), ()))
    return {"w": start}, {"A": root @ root.T / 4 + 0.5 * torch.eye(4).double(), "b": b}, judge


def test_truncation_to_all_steps_is_exact_and_to_none_is_first_order() -> None:
    start, given, judge = problem()

    def end(gradient: Gradient) -> Tensor:
        return grad(lambda p: unroll(quadratic, p, sgd(0.1), 4, gradient, given)["w"] @ judge)(start)["w"]

    torch.testing.assert_close(end(Truncated(4)), end("exact"))
    torch.testing.assert_close(end(Truncated(9)), end("exact"))
    torch.testing.assert_close(end(Truncated(0)), end("first-order"))
    step = torch.eye(4).double() - 0.1 * given["A"]
    torch.testing.assert_close(end(Truncated(1)), step @ judge)
    torch.testing.assert_close(end(Truncated(2)), step @ step @ judge)


@pytest.mark.parametrize("solver", ["cg", "neumann"])
@pytest.mark.parametrize("mapped", [False, True])
def test_the_implicit_gradient_is_that_of_the_closed_form(solver: Any, mapped: bool) -> None:
    """w* = (A + lambda)^-1 (b + lambda start); the gradients of A and b come through given."""
    start, given, judge = problem()
    proximal = 9.0 if solver == "neumann" else 2.0
    kind = Implicit(proximal=proximal, solver=solver, iterations=150 if solver == "neumann" else 8)

    def found(start: dict[str, Tensor], given: dict[str, Tensor]) -> Tensor:
        return unroll(quadratic, start, sgd(0.05), 400, kind, given)["w"] @ judge

    def wanted(start: dict[str, Tensor], given: dict[str, Tensor]) -> Tensor:
        held = given["A"] + proximal * torch.eye(4).double()
        return torch.linalg.solve(held, given["b"] + proximal * start["w"]) @ judge

    differentiate: Callable[..., Any] = grad(found, argnums=(0, 1))
    if mapped:
        twice = pytree.tree_map(lambda leaf: torch.stack([leaf, leaf]), (start, given))
        one = pytree.tree_map(lambda leaf: leaf[1], torch.vmap(differentiate)(*twice))
    else:
        one = differentiate(start, given)
    other = grad(wanted, argnums=(0, 1))(start, given)
    for left, right in zip(pytree.tree_leaves(one), pytree.tree_leaves(other), strict=True):
        torch.testing.assert_close(
            (left + left.mT if left.dim() == 2 else left), right + right.mT if right.dim() == 2 else right
        )


def test_the_trajectory_says_the_loss_before_each_step() -> None:
    start, given, _ = problem()
    for kind in KINDS:
        after = list(trajectory(quadratic, start, sgd(0.1), 3, kind, given))
        path = [start, *(params for params, _ in after)]
        for before, (_, loss) in zip(path, after, strict=False):
            torch.testing.assert_close(loss, quadratic(before, given))
            assert not loss.requires_grad


def peak(kind: Kind, steps: int) -> int:
    """Largest sum of tensors alive in bytes while a meta-gradient is taken."""
    learner, task = build("groupnorm", steps=steps, gradient=kind), batch.take(episodes(), 0)
    with LiveTensors() as live:
        loss = learner(task, 0.0)
        torch.autograd.grad(loss, list(learner.net.parameters()))
    return live.peak


def test_mixed_and_recomputed_steps_keep_no_activations() -> None:
    params = sum(value.numel() * value.element_size() for value in build("groupnorm").net.parameters())
    assert peak("exact", 9) - peak("exact", 1) > 8 * 4 * params
    for kind in FULL[1:]:
        # a step's parameters and its gradients
        assert peak(kind, 9) - peak(kind, 1) <= 8 * 2.2 * params, kind


def test_what_a_kind_cannot_do_is_said() -> None:
    start, given, _ = problem()
    shift = torch.ones(4, dtype=torch.float64, requires_grad=True)

    def closing(params: dict[str, Tensor], given: Any) -> Tensor:
        return (params["w"] * shift).sum()

    def by_default(params: dict[str, Tensor], given: Any, extra: dict[str, Tensor] = {"it": shift}) -> Tensor:  # noqa: B006
        return (params["w"] * extra["it"]).sum()

    def first(extra: Tensor, params: dict[str, Tensor], given: Any) -> Tensor:
        return (params["w"] * extra).sum()

    hidden = [(closing, "'shift'"), (by_default, "'extra'"), (partial(first, shift), "'argument 0'")]
    for kind in ("mixed", "recomputed", Implicit(proximal=1.0)):
        for loss, name in hidden:
            with pytest.raises(UserError, match=rf"closes over {name}.*Hand it over in given"):
                unroll(loss, start, sgd(0.1), 1, kind)
    unroll(closing, start, sgd(0.1), 1, "exact")
    with pytest.raises(UserError, match=r"unknown kind of meta-gradient 'exat'. Did you mean exact"):
        unroll(quadratic, start, sgd(0.1), 1, "exat", given)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"Did you mean Truncated\(2\)"):
        unroll(quadratic, start, sgd(0.1), 1, "truncated", given)  # type: ignore[arg-type]
    for number in (-1, 1.5):
        with pytest.raises(UserError, match=f"a truncated gradient goes through {number} steps"):
            Truncated(number)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="number of inner steps is -1"):
        unroll(quadratic, start, sgd(0.1), -1, given=given)
    with pytest.raises(UserError, match="has no steps to look at"):
        next(trajectory(quadratic, start, sgd(0.1), 2, Implicit(proximal=1.0), given))
    with pytest.raises(UserError, match="the same in all steps"):
        unroll(quadratic, start, sgd(0.1), 2, Implicit(proximal=1.0), lambda number: given)
    assert unroll(quadratic, start, sgd(0.1), 0, Implicit(proximal=1.0), given) == start
    for wrong in ({"proximal": 0.0}, {"proximal": 1.0, "solver": "lu"}, {"proximal": 1.0, "iterations": 0}):
        with pytest.raises(UserError):
            Implicit(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_given_may_be_nothing_or_hold_nothing(kind: Kind) -> None:
    start = {"w": torch.tensor([0.0], requires_grad=True)}
    for given in (None, (torch.zeros(1), None)):
        after = unroll(lambda p, _: (p["w"] - 3).square().sum(), start, sgd(0.1), 2, kind, given)
        (found,) = torch.autograd.grad(after["w"].sum(), start["w"])
        torch.testing.assert_close(found, torch.tensor([1.0 if kind == "first-order" else 0.64]))


@pytest.mark.parametrize("kind", FULL)
@pytest.mark.parametrize("steps", [1, 3])
def test_parameters_that_start_as_functions_of_one_another_move_on_their_own(kind: Kind, steps: int) -> None:
    """An output layer made of features, for one: inner gradients are partial, the meta-gradient is not."""
    seed = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def ends(kind: Kind) -> tuple[Tensor, Tensor]:
        start = {"a": 1 * seed, "b": seed.square()}
        loss: Callable[..., Tensor] = lambda params, given: (params["a"] * params["b"] - given) ** 2  # noqa: E731
        end = unroll(loss, start, sgd(0.1), steps, kind, torch.tensor(2.0, dtype=torch.float64))
        return end["a"], end["b"]

    def by_hand(seed: Tensor) -> tuple[Tensor, Tensor]:
        a, b = seed, seed.square()
        for _ in range(steps):
            residual = 2 * (a * b - 2)
            a, b = a - 0.1 * residual * b, b - 0.1 * residual * a
        return a, b

    found, wanted = ends(kind), by_hand(seed)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0)
    (one,), (other,) = (torch.autograd.grad(sum(pair), [seed]) for pair in (found, wanted))
    torch.testing.assert_close(one, other, rtol=1e-10, atol=0)
