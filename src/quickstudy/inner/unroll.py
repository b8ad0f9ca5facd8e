"""Inner steps that stay differentiable, and how they are differentiated: one argument for every learner.

kind           meta-gradient                                            memory of n steps        assumes
=============  =======================================================  =======================  ======================
exact          through every step (Finn et al. 2017, algorithm 2)       n activations            -
mixed          the same; Hessian products forward over reverse          sqrt(n) parameters       forward-mode formulas
recomputed     the same; each step taken again, reverse over reverse    sqrt(n) parameters       -
first-order    inner gradients are constants (Finn et al. 2017, 5.2)    1 activation             -
Truncated(k)   exact through the last k steps; what the steps before    k activations            -
               changed is a constant (Shaban et al. 2019)
Implicit(..)   of the solution, not of the steps (implicit.py)          1 activation             steps that converge
=============  =======================================================  =======================  ======================

Inside vmap mixed and recomputed keep the parameters of all n steps.

A loss is ``loss(params, given)``. mixed, recomputed and Implicit differentiate their arguments alone, never what a loss
closes over, so what has a gradient belongs into ``given``; where every step has a batch of its own, ``given`` is a
function of the step's number.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from quickstudy.errors import UserError, unknown
from quickstudy.inner import reverse, segments
from quickstudy.inner.implicit import Implicit, solution
from quickstudy.inner.recompute import Loss, recomputed_step
from quickstudy.inner.rules import Hyper, Params, Rule, State

Kind = Literal["exact", "mixed", "recomputed", "first-order"]
Tree = TypeVar("Tree")
KINDS: tuple[Kind, ...] = get_args(Kind)


def check_steps(steps: object) -> None:
    """UserError unless there can be so many."""
    if not isinstance(steps, int) or steps < 0:
        raise UserError(f"the number of inner steps is {steps!r}; expected a whole number that is 0 or more.")


@dataclass(frozen=True)
class Truncated:
    """Differentiate the last ``steps`` steps; those before moved the parameters by a constant."""

    steps: int

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int) or self.steps < 0:
            raise UserError(f"a truncated gradient goes through {self.steps!r} steps; expected a whole number from 0.")


Gradient = Kind | Truncated | Implicit


def unroll(
    loss: Loss, params: Params, rule: Rule, steps: int, gradient: Gradient = "exact", given: Any = None
) -> Params:
    """``params`` after ``steps`` updates on ``loss``, as a differentiable function of ``params`` and ``given``."""
    if isinstance(gradient, Implicit):
        check(loss, gradient, steps)
        if callable(given):
            raise UserError("an implicit gradient is of one solution: given has to be the same in all steps.")
        if not steps:
            return params
        solve = partial(_end, rule._replace(hyper={}), steps)  # no tensor may hide in there
        return solution(loss, params, solve, given, rule.hyper, gradient)
    return descend(loss, params, rule, steps, gradient, given)[0]


def descend(
    loss: Loss,
    params: Params,
    rule: Rule,
    steps: int,
    gradient: Gradient = "exact",
    given: Any = None,
    until: float | None = None,
) -> tuple[Params, Tensor]:
    """Where ``trajectory`` ends, and the inner losses [steps] on the way; in less memory where that can be."""
    saving = gradient in ("mixed", "recomputed") and until is None and steps >= segments.FROM
    if saving and not reverse.inside_transform():  # PyTorch loses count of the levels of such nesting
        check(loss, gradient, steps)
        each = given if callable(given) else lambda number: given
        return segments.descend(loss, params, rule, steps, each, mixed=gradient == "mixed")
    losses = []
    for after, value in trajectory(loss, params, rule, steps, gradient, given, until):
        params = after
        losses.append(value)
    return params, torch.stack(losses) if losses else torch.zeros(0)


def _end(rule: Rule, steps: int, loss: Loss, params: Params, given: Any, hyper: Hyper) -> Params:
    return unroll(loss, params, rule._replace(hyper=hyper), steps, "exact", given)


def trajectory(
    loss: Loss,
    params: Params,
    rule: Rule,
    steps: int,
    gradient: Gradient = "exact",
    given: Any = None,
    until: float | None = None,
) -> Iterator[tuple[Params, Tensor]]:
    """For each of ``steps`` updates: the parameters after it, and the inner loss before it (a constant).

    Where the loss before a step is below ``until``, nothing moves.
    """
    if isinstance(gradient, Implicit):
        raise UserError("an implicit gradient has no steps to look at, only an end. Ask unroll for it.")
    check(loss, gradient, steps)
    start, state = params, rule.init(params)
    for number in range(steps):
        batch = given(number) if callable(given) else given
        # fused attention has no second derivative
        with sdpa_kernel(SDPBackend.MATH):
            moved, kept, value = _step(loss, rule, params, state, batch, number, gradient)
        if until is not None:
            moved, kept = _where(value >= until, (moved, kept), (params, state))
        params, state = moved, kept
        if isinstance(gradient, Truncated) and number + 1 == steps - gradient.steps:
            params, state = _moved(start, params), _constant(state)
        yield params, value


def _step(
    loss: Loss, rule: Rule, params: Params, state: State, given: Any, number: int, gradient: Gradient
) -> tuple[Params, State, Tensor]:
    if gradient in ("mixed", "recomputed"):
        return recomputed_step(loss, rule, params, state, given, number, mixed=gradient == "mixed")
    grads, value = reverse.gradient(loss, params, given, graph=gradient != "first-order")
    if gradient == "first-order":
        grads = _constant(grads)
    return *rule.update(rule.hyper, grads, state, params, number), value.detach()


def _constant(tree: Tree) -> Tree:
    constant: Tree = pytree.tree_map(lambda leaf: leaf.detach(), tree)
    return constant


def _where(going: Tensor, new: Tree, old: Tree) -> Tree:
    chosen: Tree = pytree.tree_map(lambda one, other: torch.where(going, one, other), new, old)
    return chosen


def _moved(start: Params, params: Params) -> Params:
    """``params`` as a constant away from ``start``."""
    return {name: value + (params[name] - value).detach() for name, value in start.items()}


def check(loss: Loss, gradient: Gradient, steps: int) -> None:
    """UserError for an unknown kind, or one that would miss a gradient that ``loss`` needs."""
    check_steps(steps)
    if not isinstance(gradient, Truncated | Implicit) and gradient not in KINDS:
        raise unknown("kind of meta-gradient", gradient, [*KINDS, "Truncated(2)", "Implicit(1.0)"])
    if gradient in ("mixed", "recomputed") or isinstance(gradient, Implicit):
        for name, value in _closed_over(loss).items():
            if any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in pytree.tree_leaves(value)):
                raise UserError(
                    f"the inner loss closes over {name!r}, which has a gradient that a {gradient} meta-gradient would "
                    f"miss. Hand it over in given, or use exact."
                )


def _closed_over(loss: Loss) -> dict[str, Any]:
    """What a function sees beside its arguments, by name; the parameters of modules are not looked into."""
    if isinstance(loss, partial):
        bound = {f"argument {number}": value for number, value in enumerate(loss.args)} | loss.keywords
        return bound | _closed_over(loss.func)
    if not inspect.isfunction(loss):
        return {}
    seen = inspect.getclosurevars(loss)
    defaults = {name: one.default for name, one in inspect.signature(loss).parameters.items()}
    return {**seen.globals, **seen.nonlocals, **defaults}
