"""The inner loop for any module, loss and rule; nothing else of this library is needed.

    adapted, trace = adapt(net, loss, support, rule=sgd(0.1), steps=5)
    outer = loss(bound(net, adapted), query)            # backward() gives the meta-gradient in net.parameters()

    losses, grads = meta_grad(net, loss, supports, queries, rule=sgd(0.1), steps=5)      # many tasks at once

A loss is ``loss(net, batch)``: ``net`` is called like the module and has the parameters of the moment, ``batch`` is any
tree of tensors, so a loss can need more than logits and labels.
"""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.utils import _pytree as pytree

from quickstudy.errors import UserError, unknown
from quickstudy.inner import batch as batching
from quickstudy.inner.dropout import KNOWN, Masks
from quickstudy.inner.implicit import Implicit
from quickstudy.inner.rules import Params, Rule
from quickstudy.inner.unroll import Gradient, trajectory, unroll
from quickstudy.tasks import draw

Net = Callable[..., Any]
Loss = Callable[[Net, Any], Tensor]
Chosen = str | Sequence[str] | Callable[[str, nn.Parameter], bool] | None
"""Which parameters adapt: names with * for anything, a predicate of name and parameter, or None for all trainable."""


QUERY = draw.salt("query")
"""What sets the masks of the outer loss apart from those of the inner steps."""


class Trace(NamedTuple):
    """What happened on the way."""

    losses: Tensor
    """[steps] inner loss before each step, a constant; [0] for an implicit gradient, which knows no way."""


class MetaGradient(NamedTuple):
    """Of a batch of tasks."""

    losses: Tensor
    """[T] outer loss of each task."""
    params: Params
    """Gradient of their mean for every parameter of the module, by name."""
    hyper: dict[str, Any]
    """The same for the rule's numbers: shaped like ``rule.hyper``, None for what is not learnt."""


def masks(key: Tensor | None) -> contextlib.AbstractContextManager[object]:
    """Dropout drawn from ``key``, where there is one."""
    return contextlib.nullcontext() if key is None else Masks(key)


def bound(module: nn.Module, params: Mapping[str, Tensor]) -> Net:
    """``module`` as a function with ``params`` in place of its own; those that are not named stay its own."""
    return lambda *args, **kwargs: functional_call(module, dict(params), args, kwargs)


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
    and of ``support``. Raises UserError for a module that keeps running statistics or draws random numbers.
    """
    check(module, key)
    start, frozen = split(module, adapts)
    keyed = None if key is None else draw.mix(torch.as_tensor(key, dtype=torch.int64))

    def given(number: int) -> Any:
        mask_key = None if keyed is None else draw.mix(keyed ^ number)
        return frozen, support(number) if callable(support) else support, mask_key

    def inner(params: Params, given: Any) -> Tensor:
        frozen, batch, mask_key = given
        with masks(mask_key):
            return loss(bound(module, params | frozen), batch)

    if isinstance(gradient, Implicit):
        if callable(support) or until is not None:
            raise UserError("an implicit gradient is of one solution: it needs one batch for all steps, and no until.")
        return unroll(inner, start, rule, steps, gradient, given(0)), Trace(torch.zeros(0))
    losses = []
    for after, value in trajectory(inner, start, rule, steps, gradient, given, until):
        start = after
        losses.append(value)
    return start, Trace(torch.stack(losses) if losses else torch.zeros(0))


def meta_grad(
    module: nn.Module,
    loss: Loss,
    supports: Any,
    queries: Any,
    *,
    rule: Rule,
    steps: int,
    outer: Loss | None = None,
    gradient: Gradient = "exact",
    adapts: Chosen = None,
    key: int | None = None,
    until: float | None = None,
    how: batching.How | Literal["auto"] = "auto",
) -> MetaGradient:
    """Adapt to each of T tasks and differentiate the mean of ``outer(net, query)`` (by default ``loss``).

    ``supports`` and ``queries`` have a leading [T] in every leaf; ``how`` is a way of batching of ``inner/batch.py``,
    auto the one that is fastest when a net and tasks of these shapes come first; for the rest see ``adapt``. Raises
    UserError, with task and step, where an inner loss is not finite.
    """
    inner = Inner(module, loss, rule, steps, gradient, adapts, until, key is not None)
    tasks = (supports, queries, draw.keys(torch.arange(batching.size(supports)), key or 0))
    learner = Outer(inner, outer or loss)
    chosen = fastest(learner, tasks) if how == "auto" else batching.check(how)
    losses, grads = batching.meta_gradient(learner, tasks, 0.0, chosen, inside=True)
    if not bool(losses.isfinite().all()):
        _name_the_first_that_is_not_finite(inner, tasks, losses)
    own = {name.removeprefix("inner.module."): value for name, value in grads.items() if ".module." in name}
    numbers = iter([value for name, value in grads.items() if ".numbers." in name])
    hyper = pytree.tree_map(lambda leaf: next(numbers) if leaf is None else None, inner.rule.hyper)
    return MetaGradient(losses, own, hyper)


MEASURED: dict[Hashable, batching.How] = {}
"""The fastest way of batching, by what decides it."""


def fastest(learner: Outer, tasks: Any) -> batching.How:
    """The way of batching that was fastest for a net, tasks and steps of these shapes on this many threads."""
    inner, leaves = learner.inner, [*learner.parameters(), *pytree.tree_leaves(tasks)]
    shapes = tuple((tuple(leaf.shape), leaf.dtype, leaf.device) for leaf in leaves if isinstance(leaf, Tensor))
    parts = tuple(type(part) for part in learner.modules())
    key = (shapes, parts, tuple(inner.rule.hyper), inner.steps, inner.gradient, torch.get_num_threads())
    if key not in MEASURED:
        device = next(learner.parameters()).device

        def run(how: batching.How) -> object:
            return batching.meta_gradient(learner, tasks, 0.0, how, inside=True)

        MEASURED[key] = batching.fastest(run, learner, device)
    return MEASURED[key]


class Inner(nn.Module):
    """The inner loop with its settings; the learnt numbers of the rule are parameters here."""

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        rule: Rule,
        steps: int,
        gradient: Gradient,
        adapts: Chosen,
        until: float | None,
        keyed: bool,
    ) -> None:
        super().__init__()
        self.module, self.loss, self.steps = module, loss, steps
        self.gradient, self.adapts, self.until, self.keyed = gradient, adapts, until, keyed
        learnt = [leaf for leaf in pytree.tree_leaves(rule.hyper) if _is_learnt(leaf)]
        self.numbers = nn.ParameterList([nn.Parameter(leaf.detach()) for leaf in learnt])
        self.rule = rule._replace(hyper=pytree.tree_map(lambda leaf: None if _is_learnt(leaf) else leaf, rule.hyper))

    def forward(self, support: Any, key: Tensor) -> tuple[Params, Trace]:
        learnt = iter(self.numbers)
        hyper = pytree.tree_map(lambda leaf: next(learnt) if leaf is None else leaf, self.rule.hyper)
        return adapt(
            self.module,
            self.loss,
            support,
            rule=self.rule._replace(hyper=hyper),
            steps=self.steps,
            gradient=self.gradient,
            adapts=self.adapts,
            key=key if self.keyed else None,
            until=self.until,
        )


class Outer(nn.Module):
    """One task's outer loss, as ``inner/batch.py`` maps it."""

    def __init__(self, inner: Inner, loss: Loss) -> None:
        super().__init__()
        self.inner, self.loss = inner, loss

    def forward(self, task: tuple[Any, Any, Tensor], progress: float) -> Tensor:
        support, query, key = task
        adapted, _ = self.inner(support, key)
        with masks(draw.mix(key ^ QUERY) if self.inner.keyed else None):
            return self.loss(bound(self.inner.module, adapted), query)


def _is_learnt(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.requires_grad


@torch.no_grad()
def _name_the_first_that_is_not_finite(inner: Inner, tasks: Any, losses: Tensor) -> None:
    task = int((~losses.isfinite()).nonzero()[0])
    support, _, key = batching.take(tasks, task)
    _, trace = inner(support, key)
    wrong = (~trace.losses.isfinite()).nonzero()
    where = f"before inner step {int(wrong[0]) + 1} its inner loss is" if len(wrong) else "its outer loss is"
    raise UserError(
        f"task {task} diverged: {where} not finite, with rate {inner.rule.hyper.get('rate')}. Take a smaller rate or "
        f"fewer steps, or look for NaN in its data."
    )


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
