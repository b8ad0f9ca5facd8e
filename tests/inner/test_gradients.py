"""Kinds of meta-gradient in float64: against a plain loop of ``torch.autograd``, closed forms, and one another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from layers import build, episodes
from torch import Tensor
from torch.func import grad
from torch.utils import _pytree as pytree

from quickstudy.cost import LiveTensors
from quickstudy.errors import UserError
from quickstudy.inner import Implicit, PerStep, Truncated, batch, sgd, trajectory, unroll
from quickstudy.inner.unroll import KINDS, Gradient, Kind

pytestmark = pytest.mark.usefixtures("seemingly_two_cores")
FULL: tuple[Kind, ...] = ("exact", "mixed", "recomputed")


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
