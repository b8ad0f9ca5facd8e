"""Meta-gradients of many tasks at once, for any module, loss and rule.

    losses, grads, hyper = meta_grad(net, loss, supports, queries, rule=sgd(rate), steps=5)

A task's outer loss is that of its query under the parameters that ``adapt`` finds on its support; ``grads`` is the
gradient of the mean over tasks for every parameter of ``net``, ``hyper`` that for the rule's learnt numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from quickstudy.errors import UserError
from quickstudy.inner import batch as batching
from quickstudy.inner import calls
from quickstudy.inner.implicit import Implicit
from quickstudy.inner.modules import Chosen, Loss, check_parts
from quickstudy.inner.outer import Inner, Outer
from quickstudy.inner.recorded import form
from quickstudy.inner.rules import Hyper, Params, Rule
from quickstudy.inner.swapped import alone
from quickstudy.inner.unroll import Gradient, check_steps
from quickstudy.tasks import draw


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
    ``adapt``. A loss that is a module has no gradient for parameters of its own here: put them into ``module``.
    Raises UserError, with task and step, where an inner loss is not finite.
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
    count, device = _counted(supports, queries)
    inner = Inner(module, loss, rule, steps, gradient, adapts, until, key is not None, by_step)
    number = _numbers(count, device)
    tasks = (supports, queries, number if key is None else draw.keys(number, key))
    learner = Outer(inner, outer or loss, step_weights)
    with alone(module):
        losses, grads = calls.meta_gradient(learner, tasks, how if how == "auto" else batching.check(how))
    # the sum is one operation where looking at each is three
    if not math.isfinite(losses.sum().item()) and not bool(losses.isfinite().all()):
        _name_the_first_that_is_not_finite(inner, tasks, losses)
    if isinstance(gradient, Implicit) and not all(bool(value.isfinite().all()) for value in grads.values()):
        _name_the_first_that_is_not_solved(learner, tasks)
    prefix = "inner.module."
    own = {name.removeprefix(prefix): value for name, value in grads.items() if name.startswith(prefix)}
    return MetaGradient(losses, own, _of_numbers(inner.rule.hyper, grads))


def _of_numbers(hyper: Hyper, grads: Params) -> dict[str, Any]:
    """The gradients of what is learnt, in its places in ``hyper``, which are None there."""
    if all(type(value) is float for value in hyper.values()):
        return dict.fromkeys(hyper)
    numbers = iter([value for name, value in grads.items() if name.startswith("inner.numbers.")])
    found: dict[str, Any] = pytree.tree_map(lambda leaf: next(numbers) if leaf is None else None, hyper)
    return found


def _counted(supports: Any, queries: Any) -> tuple[int, torch.device]:
    """The number of tasks and where they are; UserError unless every leaf has the same leading [T]."""
    leaves: list[Any] = []
    form((supports, queries), leaves)
    counts = {leaf.shape[0] if isinstance(leaf, Tensor) and leaf.dim() else None for leaf in leaves}
    if len(counts) == 1 and not counts & {None, 0}:
        return len(leaves[-1]), leaves[-1].device
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


@functools.lru_cache(maxsize=16)
def _numbers(count: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # for other calls too
        return torch.arange(count, device=device)


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
