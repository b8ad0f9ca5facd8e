"""Learned linear maps of gradients. Park and Oliva (2019), "Meta-Curvature".

    MC(G) = G x_1 M_1 x_2 M_2 x_3 M_3                       (section 3.1; x_n multiplies along mode n)
    (G x_n M)[.., j, ..] = sum_i M[j, i] G[.., i, ..]
    theta <- theta - rate MC(grad L(theta))                 (any other rule may take MC(grad) instead)

The modes of a weight are its outputs, its inputs and, for a convolution, all positions of the kernel as one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from quickstudy.errors import UserError, unknown
from quickstudy.inner.rules.rule import Hyper, Params, Rule, State

KEYS = ("curvature1", "curvature2", "curvature3")
"""In ``hyper``, each a mapping from parameter name to that mode's matrix."""


def modes(shape: Sequence[int]) -> tuple[int, ...]:
    """Sizes of the modes of a parameter: [a, b, h, w] has (a, b, h w), a 0-d one has none."""
    return tuple(shape) if len(shape) < 3 else (*shape[:2], math.prod(shape[2:]))


def identities(params: Params) -> dict[str, list[Tensor]]:
    """For each parameter the identity matrix of each mode: where meta-training starts."""
    return {
        name: [torch.eye(size, dtype=value.dtype, device=value.device) for size in modes(value.shape)]
        for name, value in params.items()
    }


def preconditioned(rule: Rule, matrices: Mapping[str, Sequence[Tensor]]) -> Rule:
    """``rule`` on transformed gradients. ``matrices`` has a square matrix a mode for each parameter named; gradients
    of the others are left as they are."""
    if KEYS[0] in rule.hyper:
        raise UserError("this rule is preconditioned already. Multiply the matrices instead.")
    hyper: Hyper = {
        key: {name: each[mode] for name, each in matrices.items() if mode < len(each)} for mode, key in enumerate(KEYS)
    }

    def init(params: Params) -> State:
        _check(params, matrices)
        return rule.init(params)

    def update(hyper: Hyper, grads: Params, state: State, params: Params, step: int) -> tuple[Params, State]:
        turned = {name: _transform(grad, _matrices(hyper, name)) for name, grad in grads.items()}
        return rule.update(hyper, turned, state, params, step)

    return Rule(init, update, rule.hyper | hyper)


def _transform(grad: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    if not matrices:
        return grad
    turned = grad.reshape(modes(grad.shape))
    for mode, matrix in enumerate(matrices):
        turned = torch.tensordot(matrix.to(grad.dtype), turned, ([1], [mode])).movedim(0, mode)
    return turned.reshape(grad.shape)


def _matrices(hyper: Hyper, name: str) -> list[Tensor]:
    given = [setting[name] for key in KEYS if isinstance(setting := hyper[key], Mapping) and name in setting]
    return [matrix for matrix in given if isinstance(matrix, Tensor)]


def _check(params: Params, matrices: Mapping[str, Sequence[Tensor]]) -> None:
    for name, each in matrices.items():
        if name not in params:
            raise unknown("parameter", name, params)
        found, wanted = [list(matrix.shape) for matrix in each], [[size, size] for size in modes(params[name].shape)]
        if found != wanted:
            raise UserError(
                f"matrices of parameter {name!r} of shape {list(params[name].shape)} have shapes {found}. "
                f"Expected {wanted}: one a mode."
            )
