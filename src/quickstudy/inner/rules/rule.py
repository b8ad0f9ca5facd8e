"""What every update rule shares: its two functions, its numbers, weight decay, averages.

A number may be one for all, one a parameter tensor, one a weight (Li, Zhou, Chen, Li 2017, "Meta-SGD: Learning to Learn
Quickly for Few-Shot Learning"), and may differ from inner step to inner step (Antoniou, Edwards, Storkey 2019, "How to
Train Your MAML", the per-layer per-step rates of MAML++). Rules have the semantics, defaults and names of torch.optim,
with ``rate`` for ``lr``; unlike there, everything is differentiable and nothing is changed in place.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from quickstudy.errors import UserError

Params = dict[str, Tensor]
State = dict[str, Params]
"""What a rule remembers of each parameter, by kind: ``{"momentum": {name: tensor}}``."""
Number = float | Tensor
Value = TypeVar("Value", bound=float | Tensor)


class PerStep(NamedTuple):
    """A number that differs from inner step to inner step."""

    values: Tensor | Mapping[str, Tensor]
    """[steps], or by parameter name [steps] or [steps, *shape of the parameter]."""


Setting = float | Tensor | Mapping[str, float | Tensor] | PerStep
"""One number, a scalar tensor, or by parameter name a number, a scalar or a tensor of the parameter's shape."""
Hyper = dict[str, Setting]
Update = Callable[[Hyper, Params, State, Params, int], tuple[Params, State]]


class Rule(NamedTuple):
    """``update(hyper, grads, state, params, step)`` is pure; steps count from 0."""

    init: Callable[[Params], State]
    update: Update
    hyper: Hyper
    """Every number of the rule. ``update`` reads none elsewhere, so that any can be learnt or replaced."""


def resolve(setting: Setting, key: str, name: str, step: int, param: Tensor) -> Number:
    """The number that ``setting``, called ``key``, is for parameter ``name`` at inner ``step``."""
    value: Number
    if isinstance(setting, PerStep):
        values = _named(setting.values, key, name)
        steps = len(values) if values.dim() else 0
        if step >= steps:
            raise UserError(
                f"{key} of parameter {name!r} has values for {steps} inner steps and step {step + 1} was asked for. "
                f"PerStep needs a leading axis with one entry a step: take fewer steps or give more values."
            )
        value = values[step]
    else:
        value = _named(setting, key, name)
    if not isinstance(value, Tensor):
        return value
    if not _broadcasts(value.shape, param.shape):
        raise UserError(
            f"{key} of shape {list(value.shape)} does not broadcast to parameter {name!r} of shape "
            f"{list(param.shape)}. Expected a scalar, or a mapping by name with tensors of the parameters' shapes."
        )
    return value.to(param.dtype)


def _named(setting: Value | Mapping[str, Value], key: str, name: str) -> Value:
    if not isinstance(setting, Mapping):
        return setting
    if name not in setting:
        raise UserError(f"{key} has no value for parameter {name!r}. It has values for {', '.join(setting) or 'none'}.")
    return setting[name]


def _broadcasts(shape: torch.Size, wanted: torch.Size) -> bool:
    pairs = zip(reversed(shape), reversed(wanted), strict=False)
    return len(shape) <= len(wanted) and all(size in (1, whole) for size, whole in pairs)


def absent(setting: Setting) -> bool:
    """True for a plain 0, of which no operation need be made; a learnt number may pass 0 and is never absent."""
    return isinstance(setting, (int, float)) and setting == 0


class At(NamedTuple):
    """The numbers of a rule for one parameter at one step: ``at("rate")``."""

    hyper: Hyper
    name: str
    step: int
    param: Tensor

    def __call__(self, key: str) -> Number:
        return resolve(self.hyper[key], key, self.name, self.step, self.param)

    def product(self, key: str) -> Number:
        """Product of the number over the steps so far, this one included: beta^t where it is constant."""
        setting = self.hyper[key]
        if not isinstance(setting, PerStep):
            return self(key) ** (self.step + 1)
        each = [resolve(setting, key, self.name, step, self.param) for step in range(self.step + 1)]
        return functools.reduce(operator.mul, each)


One = Callable[[At, Tensor, Params, Tensor], tuple[Tensor, Params]]
"""A rule for one parameter: (numbers, gradient, state by kind, parameter) -> new parameter, new state by kind."""


def build(one: One, hyper: Hyper, kinds: tuple[str, ...] = (), scalars: tuple[str, ...] = ()) -> Rule:
    """The rule that takes ``one`` for each parameter. State starts at zero; ``kinds`` are of the parameter's shape,
    ``scalars`` 0-d."""

    def init(params: Params) -> State:
        state = {kind: {name: torch.zeros_like(value) for name, value in params.items()} for kind in kinds}
        return state | {kind: {name: value.new_zeros(()) for name, value in params.items()} for kind in scalars}

    def update(hyper: Hyper, grads: Params, state: State, params: Params, step: int) -> tuple[Params, State]:
        moved: Params = {}
        kept: State = {kind: {} for kind in state}
        for name, param in params.items():
            old = {kind: values[name] for kind, values in state.items()}
            moved[name], new = one(At(hyper, name, step, param), grads[name], old, param)
            for kind, value in new.items():
                kept[kind][name] = value
        return moved, kept

    return Rule(init, update, _checked(hyper))


def _checked(hyper: Hyper) -> Hyper:
    """``hyper`` if its plain numbers are possible; what is learnt is for the learner to keep in range."""
    for key, value in hyper.items():
        most = 1.0 if key in ("beta1", "beta2") else float("inf")
        if not isinstance(value, (int, float, Tensor, Mapping, PerStep)):
            raise UserError(f"{key} is {value!r}. Expected a number, a tensor, a mapping by parameter name or PerStep.")
        if isinstance(value, (int, float)) and not 0 <= value < most:
            raise UserError(f"{key} is {value}. Expected a number of at least 0{' and below 1' * (most == 1)}.")
    return hyper


def decay(at: At, grad: Tensor, param: Tensor, decoupled: bool = False) -> tuple[Tensor, Tensor]:
    """Gradient and parameter with weight decay: added to the gradient, or ``decoupled`` taken off the parameter
    (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization")."""
    if absent(at.hyper["weight_decay"]):
        return grad, param
    if decoupled:
        return grad, param * (1 - at("rate") * at("weight_decay"))
    return grad + at("weight_decay") * param, param


def average(old: Tensor, new: Tensor, keep: Number) -> Tensor:
    """Exponential moving average."""
    return keep * old + (1 - keep) * new


def safe_sqrt(x: Tensor) -> Tensor:
    """Square root whose derivative at 0 is 0 instead of infinite; 0 for what rounding made negative.

    A squared gradient of 0 then passes on 0 and not 0 * inf. The inner ``where`` keeps the infinity out of the branch
    that the outer one drops, where a product with 0 would still make NaN of it.
    """
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)
