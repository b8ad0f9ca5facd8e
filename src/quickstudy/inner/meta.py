"""Meta-gradients of many tasks at once, for any module, loss and rule.

    losses, grads, hyper = meta_grad(net, loss, supports, queries, rule=sgd(rate), steps=5)

A task's outer loss is that of its query under the parameters that ``adapt`` finds on its support; ``grads`` is the
gradient of the mean over tasks for every parameter of ``net``, ``hyper`` that for the rule's learnt numbers.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from quickstudy.devices import synchronise
from quickstudy.errors import UserError
from quickstudy.inner import batch as batching
from quickstudy.inner import choosing
from quickstudy.inner.implicit import Implicit
from quickstudy.inner.modules import (
    Chosen,
    Loss,
    Trace,
    adapted,
    bound,
    check_parts,
    dependent,
    described,
    masks,
    scalar,
)
from quickstudy.inner.recorded import form
from quickstudy.inner.rules import Params, Rule
from quickstudy.inner.side_effects import watched
from quickstudy.inner.unroll import Gradient, check_steps, trajectory
from quickstudy.tasks import draw

QUERY = draw.salt("query")
"""What sets the masks of the outer loss apart from those of the inner steps."""


class MetaGradient(NamedTuple):
    """Of a batch of tasks."""

    losses: Tensor
    """[T] outer loss of each task."""
    params: Params
    """Gradient of their mean for every parameter of the module, by name."""
    hyper: dict[str, Any]
    """The same for the rule's numbers: shaped like ``rule.hyper``, None for what is not learnt."""


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
    step_weights: Sequence[float] | None = None,
    how: batching.How | Literal["auto"] = "auto",
) -> MetaGradient:
    """Adapt to each of T tasks and differentiate the mean of ``outer(net, query)`` (by default ``loss``).

    With ``step_weights`` a task's outer loss is the weighted sum of those after each inner step (Antoniou, Edwards,
    Storkey 2019, "How to Train Your MAML", eq. 3), which may change from call to call.

    ``supports`` and ``queries`` have a leading [T] in every leaf; ``supports`` may be a function from the number of the
    inner step to such a tree, where each step has a batch of its own. ``how`` is a way of batching of
    ``inner/batch.py``, auto the one that is fastest here for a net and tasks of these shapes; for the rest see
    ``adapt``. Raises UserError, with task and step, where an inner loss is not finite.
    """
    if step_weights is not None and (len(step_weights) != steps or isinstance(gradient, Implicit)):
        raise UserError(
            f"{len(step_weights)} step_weights for {steps} inner steps with gradient {gradient}; expected one for each "
            f"step, and a gradient that has steps."
        )
    check_parts(module, rule)
    check_steps(steps)
    if by_step := callable(supports):
        supports = [supports(number) for number in range(steps)]
    _check_counts(supports, queries)
    inner = Inner(module, loss, rule, steps, gradient, adapts, until, key is not None, by_step)
    number = torch.arange(batching.size(queries), device=pytree.tree_leaves(queries)[0].device)
    tasks = (supports, queries, number if key is None else draw.keys(number, key))
    learner = Outer(inner, outer or loss, step_weights)
    kind = _kind(learner, tasks)
    if kind not in LOOKED_AT:
        _look(learner, tasks)
        LOOKED_AT.add(kind)
    if how == "auto":
        losses, grads = _fastest(learner, tasks, kind)
    else:
        losses, grads = batching.meta_gradient(learner, tasks, 0.0, batching.check(how), inside=True)
    if not bool(losses.isfinite().all()):
        _name_the_first_that_is_not_finite(inner, tasks, losses)
    if isinstance(gradient, Implicit) and not all(bool(value.isfinite().all()) for value in grads.values()):
        _name_the_first_that_is_not_solved(learner, tasks)
    prefix = "inner.module."
    own = {name.removeprefix(prefix): value for name, value in grads.items() if name.startswith(prefix)}
    numbers = iter([value for name, value in grads.items() if name.startswith("inner.numbers.")])
    hyper = pytree.tree_map(lambda leaf: next(numbers) if leaf is None else None, inner.rule.hyper)
    return MetaGradient(losses, own, hyper)


RECORD_AT = 30
"""The call of a kind at which it is tried whether a recording is faster: it takes seconds to make."""
COMPILE_AFTER = choosing.WORTH_COMPILING
"""Seconds spent on calls of a kind after which compiled is tried, once: translating takes half a minute."""
MEASURED: dict[Hashable, batching.How] = {}
"""The fastest way of batching, by what decides it."""
CALLS: Counter[Hashable] = Counter()
SPENT: dict[Hashable, float] = {}
"""Seconds of all calls so far; infinite once it has been tried whether compiled is faster."""


LOOKED_AT: set[Hashable] = set()
"""The kinds of calls whose net and losses were seen to do nothing that they must not."""


def forget() -> None:
    """All that was measured of any kind of call; recordings stay."""
    MEASURED.clear()
    CALLS.clear()
    SPENT.clear()


def _kind(learner: Outer, tasks: Any) -> Hashable:
    """What decides which way is fastest: net, losses, shapes of tasks, steps and threads."""
    inner, leaves, parts = learner.inner, list[Tensor](), list[Hashable]()
    tree = form(tasks, leaves)
    _read(learner, parts)
    shapes = tuple([(leaf.shape, leaf.dtype, leaf.device) for leaf in leaves])
    settings = tuple(inner.rule.hyper), inner.steps, inner.gradient, inner.by_step
    return tree, shapes, tuple(parts), _code(inner.loss), _code(learner.loss), settings, torch.get_num_threads()


def _read(module: nn.Module, parts: list[Hashable]) -> None:
    """Every part and what its parameters are, for ``parts``; PyTorch's own walks take five times as long."""
    parts.append((type(module), module.training))
    for value in module._parameters.values():
        if value is not None:
            parts.append((value.shape, value.dtype, value.device, value.requires_grad))
    for part in module._modules.values():
        if part is not None:
            _read(part, parts)


def _code(loss: Loss) -> Hashable:
    """What a loss computes, by which it is known again where it is written in the call."""
    inside: Any = loss
    while isinstance(inside, partial):
        inside = inside.func
    code: Hashable = getattr(inside, "__code__", None)
    return code or type(inside).__qualname__


def _look(learner: Outer, tasks: Any) -> None:
    """UserError for what a forward pass of each loss on the first task shows to be wrong."""
    support, query, key = batching.take(tasks, 0)
    inner, mine = learner.inner, key if learner.inner.keyed else None
    loss, start, given = described(inner.module, inner.loss, inner.batches(support), inner.adapts, mine)
    params = {name: value.detach().requires_grad_() for name, value in start.items()}

    def backward(value: Tensor) -> None:
        torch.autograd.grad(value, [*params.values()], allow_unused=True)

    first = support[0] if inner.by_step and support else support
    passes = {"support": (inner.loss, first), "query": (learner.loss, query)}
    with torch.enable_grad(), watched(inner.module, passes):
        if inner.steps:
            backward(loss(params, given(0)))
        backward(dependent(learner.judge(params, query, key), "outer loss"))


def _fastest(learner: Outer, tasks: Any, key: Hashable) -> tuple[Tensor, Params]:
    """The meta-gradient, batched as was fastest for calls of this kind."""

    def run(how: batching.How) -> tuple[Tensor, Params]:
        return batching.meta_gradient(learner, tasks, 0.0, how, inside=True)

    CALLS[key] += 1
    if key not in MEASURED:
        MEASURED[key] = choosing.fastest(run, learner, next(learner.parameters()).device, calls=1)
    if CALLS[key] == RECORD_AT:
        MEASURED[key], _ = choosing.or_faster(run, MEASURED[key], "recorded")
    if COMPILE_AFTER < SPENT.get(key, 0.0) < math.inf and MEASURED[key] == "recorded":
        SPENT[key] = math.inf
        MEASURED[key], _ = choosing.or_faster(run, "recorded", "compiled")
    start = time.perf_counter()
    found = run(MEASURED[key])
    synchronise(found[0].device)
    SPENT[key] = SPENT.get(key, 0.0) + time.perf_counter() - start
    return found


class Inner(nn.Module):
    """The inner loop with its settings; the learnt numbers of the rule are parameters here."""

    numbers: nn.ParameterList | tuple[()]
    rule: Rule
    steps: int
    gradient: Gradient
    adapts: Chosen
    until: float | None
    keyed: bool
    by_step: bool

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
        by_step: bool = False,
    ) -> None:
        super().__init__()
        self.module, self.loss = module, loss
        learnt = [leaf for leaf in pytree.tree_leaves(rule.hyper) if _is_learnt(leaf)]
        if learnt:
            self.numbers = nn.ParameterList([nn.Parameter(leaf.detach()) for leaf in learnt])
            rule = rule._replace(hyper=pytree.tree_map(lambda leaf: None if _is_learnt(leaf) else leaf, rule.hyper))
        # a module's own way to set an attribute asks of each whether it is a part, which takes a tenth of a small call
        settings: dict[str, Any] = {} if learnt else {"numbers": ()}
        settings |= {"rule": rule, "steps": steps, "gradient": gradient, "adapts": adapts, "until": until}
        vars(self).update(settings, keyed=keyed, by_step=by_step)

    def forward(self, support: Any, key: Tensor) -> tuple[Params, Trace]:
        """``adapt``."""
        mine, batch = key if self.keyed else None, self.batches(support)
        return adapted(
            self.module, self.loss, batch, self._rule(), self.steps, self.gradient, self.adapts, mine, self.until
        )

    def batches(self, support: Any) -> Any:
        """The batch of all steps, or the function from a step's number to its own."""
        return support.__getitem__ if self.by_step else support

    def path(self, support: Any, key: Tensor) -> Iterator[tuple[Params, Tensor]]:
        """The parameters after each step, and the inner loss before it."""
        mine, batch = key if self.keyed else None, self.batches(support)
        loss, start, given = described(self.module, self.loss, batch, self.adapts, mine)
        return trajectory(loss, start, self._rule(), self.steps, self.gradient, given, self.until)

    def _rule(self) -> Rule:
        if not self.numbers:
            return self.rule
        learnt = iter(self.numbers)
        return self.rule._replace(
            hyper=pytree.tree_map(lambda leaf: next(learnt) if leaf is None else leaf, self.rule.hyper)
        )


class Outer(nn.Module):
    """One task's outer loss, as ``inner/batch.py`` maps it."""

    def __init__(self, inner: Inner, loss: Loss, step_weights: Sequence[float] | None) -> None:
        super().__init__()
        self.inner, self.loss, self.step_weights = inner, loss, step_weights

    def forward(self, task: tuple[Any, Any, Tensor], progress: float) -> Tensor:
        support, query, key = task
        if self.step_weights is None:
            return self.judge(self.inner(support, key)[0], query, key)
        after = [self.judge(params, query, key) for params, _ in self.inner.path(support, key)]
        return sum((w * value for w, value in zip(self.step_weights, after, strict=True)), torch.zeros(()))

    def judge(self, adapted: Params, query: Any, key: Tensor) -> Tensor:
        """The outer loss of ``adapted`` parameters."""
        with masks(draw.mix(key ^ QUERY) if self.inner.keyed else None):
            return scalar(self.loss(bound(self.inner.module, adapted), query))


def _check_counts(supports: Any, queries: Any) -> None:
    """UserError unless every leaf has the same leading [T]."""
    leaves = [*pytree.tree_leaves(supports), *pytree.tree_leaves(queries)]
    counts = {leaf.shape[0] if isinstance(leaf, Tensor) and leaf.dim() else None for leaf in leaves}
    if len(counts) == 1 and not counts & {None, 0}:
        return
    shapes = {
        f"{part}{pytree.keystr(path)}": list(leaf.shape) if isinstance(leaf, Tensor) else type(leaf).__name__
        for part, tree in (("supports", supports), ("queries", queries))
        for path, leaf in pytree.tree_leaves_with_path(tree)
    }
    said = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"
    raise UserError(
        f"supports and queries need the same number of tasks, one or more, in front of every tensor; found {said}. For "
        f"one task alone use adapt."
    )


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


def _name_the_first_that_is_not_solved(learner: Outer, tasks: Any) -> None:
    """Alone, a task can say it itself."""
    for number in range(batching.size(tasks)):
        try:
            batching.meta_gradient(learner, batching.stack([batching.take(tasks, number)]), 0.0, "loop", inside=True)
        except UserError as error:
            raise UserError(f"task {number}: {error}") from error
