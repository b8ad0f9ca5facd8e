"""The meta-gradient of a solution, from the conditions that it meets and not from the way to it.

    phi* = argmin over phi of L(phi, d) + lambda / 2 |phi - theta|^2                                        (1)
    so    grad L(phi*, d) + lambda (phi* - theta) = 0
    adjoint a of phi* gives   v = (I + H / lambda)^-1 a   as the adjoint of theta,
                              -(1 / lambda) (d grad L / d d)^T v   as that of d                             (2)

Rajeswaran, Finn, Kakade, Levine (2019), "Meta-Learning with Implicit Gradients" (iMAML), eqs. 3 and 6. The inverse is
applied by conjugate gradients, which need I + H / lambda positive definite, or by the Neumann series
v = a - H v / lambda, repeated, which needs |H| < lambda (Lorraine, Vicol, Duvenaud 2020, "Optimizing Millions of
Hyperparameters by Implicit Differentiation").

It assumes that the inner steps come near phi*, which nothing checks, and that the solver converges: what it leaves of
its right-hand side a is known, and refused above a tolerance. Where L is convex that bounds the error, for then
|(I + H / lambda)^-1| <= 1. The way to phi*, and the numbers of its rule, get no gradient. Without the proximal term
there would be no theta in (1) and no gradient for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.func import grad
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from quickstudy.errors import UserError
from quickstudy.inner.forward import derivative
from quickstudy.inner.recompute import Loss, keep, recall
from quickstudy.inner.rules import Hyper, Params
from quickstudy.inner.side_effects import can_be_seen


@dataclass(frozen=True, kw_only=True)
class Implicit:
    """Differentiate the solution of a proximal problem instead of the steps towards it."""

    proximal: float
    """lambda in (1): how strongly the solution is held to the start; must be positive."""
    solver: Literal["cg", "neumann"] = "cg"
    """Conjugate gradients, or the Neumann series."""
    iterations: int = 5
    """Hessian-vector products of the solver."""
    tolerance: float = 0.1
    """What the solver may leave of its right-hand side, as a part of it; infinite for anything, which is not looked at.

    Where that is more, backward raises UserError; inside vmap it gives NaN.
    """

    def __post_init__(self) -> None:
        if not isinstance(self.proximal, int | float) or not 0 < self.proximal < math.inf:
            raise UserError(
                f"the proximal term of an implicit gradient is {self.proximal}; expected a positive number. Without it "
                f"the solution does not depend on the start: use exact or mixed."
            )
        if self.solver not in SOLVERS:
            raise UserError(f"unknown solver {self.solver!r} of an implicit gradient. Expected cg or neumann.")
        if not isinstance(self.iterations, int) or self.iterations < 1:
            raise UserError(f"an implicit gradient needs at least 1 iteration of its solver, found {self.iterations}.")
        if not isinstance(self.tolerance, int | float) or not self.tolerance > 0:
            raise UserError(f"the tolerance of an implicit gradient is {self.tolerance!r}; expected a positive number.")


Solve = Callable[[Loss, Params, Any, Hyper], Params]
"""(loss, start, given, numbers of the rule) -> where the inner steps end."""


class Problem(NamedTuple):
    """What is solved, and how."""

    loss: Loss
    solve: Solve
    kind: Implicit
    spec: pytree.TreeSpec
    """How the leaves make (start, given, numbers of the rule)."""

    def proximal_loss(self, params: Params, leaves: Any) -> Tensor:
        start, given = leaves
        apart = sum((value - start[name]).square().sum() for name, value in params.items())
        return self.loss(params, given) + self.kind.proximal / 2 * apart


class Solution(torch.autograd.Function):
    """(problem, *leaves) -> leaves of the solution."""

    generate_vmap_rule = True

    @staticmethod
    def forward(problem: Problem, *leaves: Any) -> tuple[Tensor, ...]:
        start, given, hyper = pytree.tree_unflatten(list(leaves), problem.spec)
        return tuple(problem.solve(problem.proximal_loss, start, (start, given), hyper).values())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.problem, *leaves = inputs
        keep(ctx, leaves, output)

    @staticmethod
    def backward(ctx: Any, *adjoint: Tensor) -> tuple[Tensor | None, ...]:
        problem: Problem = ctx.problem
        leaves, saved = recall(ctx)
        start, given, _ = pytree.tree_unflatten(leaves, problem.spec)
        solution = dict(zip(start, saved, strict=True))
        asked, first = ctx.needs_input_grad[1:], len(start)
        seen = [at for at in range(first, first + len(pytree.tree_leaves(given))) if asked[at]]

        def gradient(params: Params, wanted: list[int]) -> tuple[Params, list[Tensor]]:
            def loss(params: Params, chosen: list[Tensor]) -> Tensor:
                new = dict(zip(wanted, chosen, strict=True))
                now = [new.get(at, leaf) for at, leaf in enumerate(leaves)]
                return problem.loss(params, pytree.tree_unflatten(now, problem.spec)[1])

            found: tuple[Params, list[Tensor]] = grad(loss, argnums=(0, 1))(params, [leaves[at] for at in wanted])
            return found

        def hessian(v: Params) -> Params:
            return _scaled(1 / problem.kind.proximal, derivative(lambda p: gradient(p, [])[0], solution, v))

        with sdpa_kernel(SDPBackend.MATH):
            a = dict(zip(start, adjoint, strict=True))
            v, left = SOLVERS[problem.kind.solver](hessian, a, problem.kind.iterations)
            v = _checked(v, left, _dot(a, a), problem.kind)
            products = derivative(lambda p: gradient(p, seen)[1], solution, v) if seen else []
        found: list[Tensor | None] = [*v.values(), *[None] * (len(leaves) - first)]
        for at, product in zip(seen, products, strict=True):
            found[at] = -product / problem.kind.proximal
        return (None, *found)


def _scaled(factor: float | Tensor, v: Params) -> Params:
    return {name: factor * value for name, value in v.items()}


def _sum(one: Params, other: Params, factor: float | Tensor = 1.0) -> Params:
    return {name: value + factor * other[name] for name, value in one.items()}


def _dot(one: Params, other: Params) -> Tensor:
    return torch.stack([(value * other[name]).sum() for name, value in one.items()]).sum()


def _checked(v: Params, left: Tensor, whole: Tensor, kind: Implicit) -> Params:
    """``v`` if the square ``left`` of what its solver left is small beside ``whole``; UserError, or NaN, otherwise."""
    if kind.tolerance == math.inf:
        return v
    wrong = ~(left <= kind.tolerance**2 * whole)  # NaN is wrong too
    if not can_be_seen():
        return {name: torch.where(wrong, math.nan, value) for name, value in v.items()}
    if not bool(wrong):
        return v
    name = {"cg": "conjugate gradients", "neumann": "the Neumann series"}[kind.solver]
    need = {"cg": "no curvature of the inner loss below -proximal", "neumann": "all curvatures below proximal"}
    raise UserError(
        f"the implicit gradient is not solved: after {kind.iterations} iterations {name} left "
        f"{float((left / whole).sqrt()):.2g} of the right-hand side, and {kind.tolerance:g} is allowed. Take more "
        f"iterations or a larger proximal term than {kind.proximal:g} ({name} need {need[kind.solver]}), more inner "
        f"steps or a smaller rate if these do not settle, or Implicit(tolerance=...) to go on with it."
    )


def _conjugate_gradients(hessian: Callable[[Params], Params], a: Params, iterations: int) -> tuple[Params, Tensor]:
    """v with (I + hessian) v = a, and |a - (I + hessian) v|^2; stands still once it is there."""
    v = _scaled(0.0, a)
    residual = direction = a
    size = left = _dot(a, a)
    for _ in range(iterations):
        image = _sum(direction, hessian(direction))
        curvature = _dot(direction, image)
        going = (size > 0) & (curvature > 0)
        step = torch.where(going, size / torch.where(going, curvature, 1.0), 0.0)
        v, residual = _sum(v, direction, step), _sum(residual, image, -step)
        left = _dot(residual, residual)
        direction = _sum(residual, direction, torch.where(going, left / torch.where(size > 0, size, 1.0), 0.0))
        size = torch.where(going, left, 0.0)
    return v, left


def _neumann(hessian: Callable[[Params], Params], a: Params, iterations: int) -> tuple[Params, Tensor]:
    """v with (I + hessian) v = a as a - hessian a + hessian^2 a - ..., and the square of its last term."""
    v = last = a
    for _ in range(iterations):
        last, v = v, _sum(a, hessian(v), -1.0)
    term = _sum(v, last, -1.0)  # what was left before it; so what is left is smaller if the terms are getting so
    return v, _dot(term, term)


SOLVERS = {"cg": _conjugate_gradients, "neumann": _neumann}


def solution(loss: Loss, params: Params, solve: Solve, given: Any, hyper: Hyper, kind: Implicit) -> Params:
    """The solution of (1) from ``params``, differentiable by (2) with respect to ``params`` and ``given``."""
    leaves, spec = pytree.tree_flatten((params, given, hyper))
    made = Solution.apply(Problem(loss, solve, kind, spec), *leaves)  # type: ignore[no-untyped-call]
    return dict(zip(params, made, strict=True))
