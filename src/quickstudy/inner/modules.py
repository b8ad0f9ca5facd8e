"""The inner loop for any module, loss and rule; nothing else of this library is needed.

    adapted, trace = adapt(net, loss, support, rule=sgd(0.1), steps=5)
    outer = loss(bound(net, adapted), query)            # backward() gives the meta-gradient in net.parameters()

A loss is ``loss(net, batch)``: ``net`` is called like the module and has the parameters of the moment, ``batch`` is any
tree of tensors, so a loss can need more than logits and labels.
"""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from quickstudy.errors import UserError, unknown
from quickstudy.inner.dropout import KNOWN, Masks
from quickstudy.inner.implicit import Implicit
from quickstudy.inner.quicker import quicker
from quickstudy.inner.rules import Params, Rule
from quickstudy.inner.side_effects import can_be_seen, watched
from quickstudy.inner.swapped import alone, called
from quickstudy.inner.unroll import Gradient, descend, unroll
from quickstudy.tasks import draw

Net = Callable[..., Any]
Loss = Callable[[Net, Any], Tensor]
Chosen = str | Sequence[str] | Callable[[str, nn.Parameter], bool] | None
"""Which parameters adapt: names with * for anything, a predicate of name and parameter, or None for all trainable."""


class Trace(NamedTuple):
    """What happened on the way."""

    losses: Tensor
    """[steps] inner loss before each step, a constant; [0] for an implicit gradient, which knows no way."""


def masks(key: Tensor | None) -> contextlib.AbstractContextManager[object]:
    """Dropout drawn from ``key``, where there is one."""
    return contextlib.nullcontext() if key is None else Masks(key)


def bound(module: nn.Module, params: Mapping[str, Tensor]) -> Net:
    """``module`` as a function with ``params`` in place of its own; those that are not named stay its own."""
    return lambda *args, **kwargs: called(module, params, args, kwargs)


def adapt(
    module: nn.Module,
    loss: Loss,
    support: Any,
    *,
    rule: Rule,
    steps: int,
    gradient: Gradient = "exact",
    adapts: Chosen = None,
    key: int | Tensor | None = None,
    until: float | None = None,
) -> tuple[Params, Trace]:
    """Take ``steps`` inner steps on ``loss(net, support)``: the adapted parameters, by name, and their trace.

    Args:
        module: any module; its own parameters are where the steps start, and are not changed.
        loss: of a net and a batch; scalar.
        support: a tree of tensors, or a function from the number of the step to one.
        rule: one of ``quickstudy.inner.RULES``; its numbers may be tensors that are learnt.
        gradient: see ``quickstudy.inner.unroll``.
        adapts: the parameters that change, for example ``"head.*"``; the others are frozen.
        key: int, or int64 [], from which the masks of dropout are hashed; without it a net with dropout is refused.
        until: a task whose inner loss is below it stands still from there on.

    Under autograd the result is a differentiable function of all parameters of ``module``, of the numbers of ``rule``
    and of ``support``. Raises UserError for a module that keeps running statistics, draws random numbers or writes into
    itself or its input, and for an inner loss that is not finite or does not depend on what adapts.
    """
    check_parts(module, rule)
    # a function of the step may be asked once for each; only where that fails is it asked again
    seen = (lambda net, _: loss(net, support(0)), None) if callable(support) else (loss, support)
    with alone(module), watched(module, {"support": seen}):
        params, trace = adapted(module, loss, support, rule, steps, gradient, adapts, key, until)
    if can_be_seen() and not bool(trace.losses.isfinite().all()):
        raise UserError(
            f"the inner loss is not finite before step {int((~trace.losses.isfinite()).nonzero()[0]) + 1}, with rate "
            f"{rule.hyper.get('rate')}. Take a smaller rate or fewer steps, or look for NaN in the support."
        )
    return params, trace


def adapted(
    module: nn.Module,
    loss: Loss,
    support: Any,
    rule: Rule,
    steps: int,
    gradient: Gradient,
    adapts: Chosen,
    key: int | Tensor | None,
    until: float | None,
) -> tuple[Params, Trace]:
    """``adapt`` of what is known to be right, which is looked at no more."""
    inner, params, given = described(quicker(module), loss, support, adapts, key)
    if isinstance(gradient, Implicit):
        if callable(support) or until is not None:
            raise UserError("an implicit gradient is of one solution: it needs one batch for all steps, and no until.")
        return unroll(inner, params, rule, steps, gradient, given(0)), Trace(torch.zeros(0))
    params, losses = descend(inner, params, rule, steps, gradient, given, until)
    return params, Trace(losses)


def described(
    module: nn.Module, loss: Loss, support: Any, adapts: Chosen, key: int | Tensor | None
) -> tuple[Callable[[Params, Any], Tensor], Params, Callable[[int], Any]]:
    """What ``trajectory`` needs: a loss of parameters and of what a step is given, the start, and that by step."""
    check(module, key)
    start, frozen = split(module, adapts)
    keyed = None if key is None else draw.mix(torch.as_tensor(key, dtype=torch.int64))

    def given(number: int) -> Any:
        mask_key = None if keyed is None else draw.mix(keyed ^ number)
        return frozen, support(number) if callable(support) else support, mask_key

    def inner(params: Params, given: Any) -> Tensor:
        frozen, batch, mask_key = given
        with masks(mask_key):
            return dependent(scalar(loss(bound(module, params | frozen), batch)), "inner loss")

    return inner, start, given


def split(module: nn.Module, adapts: Chosen) -> tuple[Params, Params]:
    """The parameters that adapt and those that are frozen, by name; a tied one has the first of its names."""
    named = dict(module.named_parameters())
    if adapts is None:
        chosen = {name for name, value in named.items() if value.requires_grad}
    elif callable(adapts):
        chosen = {name for name, value in named.items() if adapts(name, value)}
    else:
        chosen = set()
        for pattern in [adapts] if isinstance(adapts, str) else adapts:
            found = fnmatch.filter(named, pattern)
            if not found:
                raise unknown("parameter", pattern, named)
            chosen |= {*found}
    if not chosen:
        raise UserError(f"none of the parameters adapts. The module has: {', '.join(named) or 'none'}.")
    return {n: v for n, v in named.items() if n in chosen}, {n: v for n, v in named.items() if n not in chosen}


def scalar(value: object) -> Tensor:
    """What a loss gave; UserError if it is not one number."""
    if isinstance(value, Tensor) and not value.dim():
        return value
    found = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
    raise UserError(f"the loss gave {found}; expected a tensor of one number, for example the mean over examples.")


def dependent(value: Tensor, what: str) -> Tensor:
    """``value`` of a loss; UserError where it is taken for its gradient and has none."""
    if not value.requires_grad and torch.is_grad_enabled() and can_be_seen():
        raise UserError(
            f"the {what} does not depend on the parameters: all its gradients would be zero. Does it detach its value, "
            f"turn it into a number, or not call the net?"
        )
    return value


def check_parts(module: object, rule: object) -> None:
    """UserError for what is no module with parameters, or a rule that is none."""
    if not isinstance(module, nn.Module):
        raise UserError(f"the module is a {type(module).__name__}; expected a torch.nn.Module.")
    if not isinstance(rule, Rule):
        raise UserError(
            f"the rule is a {type(rule).__name__}; expected one of quickstudy.inner.RULES, for example "
            f"rule=qs.inner.sgd(0.01) in place of an optimiser."
        )
    if not any(True for _ in module.parameters()):
        raise UserError(f"{type(module).__name__} has no parameters that could adapt.")


def check(module: nn.Module, key: object) -> None:
    """UserError for parts whose state or random numbers an inner step cannot keep apart from one task to the next."""
    for path, part in module.named_modules():
        if not part.training:
            continue
        name = f"{path or 'the module'} ({type(part).__name__})"
        if isinstance(part, _NormBase) and part.track_running_stats:
            raise UserError(
                f"{name} would update its running statistics in every inner step of every task. Build it with "
                f"track_running_stats=False, or put it into .eval() so that they stay as they are."
            )
        if isinstance(part, KNOWN) and part.p > 0 and key is None:
            raise UserError(f"{name} draws masks. Give a key to hash them from, or put it into .eval().")
        if not isinstance(part, KNOWN) and (isinstance(part, _DropoutNd) or getattr(part, "dropout", False)):
            raise UserError(
                f"{name} draws masks that cannot be drawn again for a derivative. Set its dropout to 0, put it into "
                f".eval(), or use nn.Dropout around it."
            )
