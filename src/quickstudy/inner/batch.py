"""The one place that maps a function of one task over a batch of tasks.

How          what it does                                                        where it is fastest
===========  ==================================================================  =====================================
compiled     recorded, and that translated to machine code, which takes half a   tiny nets, many more meta-steps
             minute and a C++ compiler (compiling.py)
recorded     vmap, or threads where convolutions are on a CPU, written down      many meta-steps
             once and played back (recorded.py), on a CUDA GPU in one launch
             (capturing.py)
vmap         all tasks in one vectorised call                                    tiny nets; a GPU
chunks       vectorised calls of ``CHUNK`` tasks                                 between the two
threads      one task a thread, each on its own copy of the modules              convolutions on a CPU
loop         one after the other                                                 one task, one core; the reference

Meta-gradients of learners that take gradients while adapting are ``vmap(grad(loss))``, never ``grad`` of a vmap: with
the fused normalisations of PyTorch the latter is wrong in second order. Learners that take none get one ``grad``
outside of vmap, over all tasks' examples at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, Protocol, TypeVar, get_args

import torch
from torch import Tensor, nn
from torch.func import grad_and_value, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from quickstudy.devices import autocasts, keep_freed_memory, mind_own_limit
from quickstudy.errors import UserError
from quickstudy.inner import room
from quickstudy.inner.playing import Gradients, Written, convolves_on_cpu, is_full, played, played_singly, written_of
from quickstudy.inner.playing import convolves as convolves
from quickstudy.inner.precise import full_float32
from quickstudy.inner.quicker import quicker
from quickstudy.inner.recorded import replay
from quickstudy.inner.swapped import called
from quickstudy.inner.trees import size as size
from quickstudy.inner.trees import stack as stack
from quickstudy.inner.trees import take as take
from quickstudy.inner.twins import calls_itself, twin
from quickstudy.nets import fused

How = Literal["compiled", "recorded", "vmap", "chunks", "threads", "loop"]
HOWS: tuple[How, ...] = get_args(How)
EAGER: tuple[How, ...] = HOWS[1:]
"""Those that need no compiler."""
WRITTEN = ("compiled", "recorded")
VECTORISED = (*WRITTEN, "vmap", "chunks")
CHUNK = 4
Tree = TypeVar("Tree")


class TaskModule(Protocol):
    """What is needed of a learner here: ``forward(task, progress)`` is the loss of one task.

    A recording takes ``progress`` as a tensor. A loss that decides by it what to compute has a method
    ``stage(progress)`` that says how it decides, or None while what it computes changes from step to step.
    """

    def __call__(self, task: Any, progress: float) -> Tensor: ...


# Fused attention has no batching rule and no second derivative. Inner steps choose the plain one for themselves, but
# threads that set it back, each for itself, would do so for one another.
plain_attention = sdpa_kernel(SDPBackend.MATH)


@plain_attention
def map_tasks(function: Callable[..., Tree], module: nn.Module, batch: tuple[Any, ...], how: How) -> Tree:
    """``function(module, *task)`` over the tasks of ``batch`` (a tuple of trees with leading [T]), results stacked."""
    if how in VECTORISED:
        mapped = vmap(lambda *task: function(module, *task), chunk_size=CHUNK if how == "chunks" else None)
        result: Tree = mapped(*batch)
        return result
    if how == "loop" or size(batch) == 1:
        return stack([function(module, *take(batch, i)) for i in range(size(batch))])
    return stack(_on_threads(function, module, batch))


def meta_gradient(module: nn.Module, batch: Any, progress: float, how: How, inside: bool) -> tuple[Tensor, Gradients]:
    """Losses [T] of a batch of tasks and the gradient of their mean for every parameter.

    ``inside`` says that the loss itself takes gradients (``Traits.gradient``).
    """
    written = None
    if inside and how in WRITTEN:
        written = written_of(module, progress, how == "compiled")
        if written is None:
            how = usual(module)
        # before anything else: small nets take as long to be looked at as to be computed with
        elif (found := played(module, _detached(module), batch, written)) is not None:
            return found
    return _computed(module, batch, progress, how, inside, written)


def replayed(module: nn.Module, batch: Any, progress: float, how: How) -> tuple[Tensor, Gradients] | None:
    """``meta_gradient`` by playing what was recorded in an earlier call; None where nothing was."""
    if how not in WRITTEN or (written := written_of(module, progress, how == "compiled")) is None:
        return None
    return played(module, _detached(module), batch, written)


def _detached(module: nn.Module) -> Gradients:
    """``named_parameters`` that are trained, for which PyTorch takes twice as long."""
    found: Gradients = {}
    _collect(module, "", found, set())
    return found


def _collect(module: nn.Module, prefix: str, found: Gradients, seen: set[int]) -> None:
    for name, value in module._parameters.items():
        if value is not None and id(value) not in seen:
            seen.add(id(value))
            if value.requires_grad:
                found[prefix + name] = value.detach()
    for name, part in module._modules.items():
        if part is not None:
            _collect(part, f"{prefix}{name}.", found, seen)


@plain_attention
def _computed(
    module: nn.Module, batch: Any, progress: float, how: How, inside: bool, written: Written | None
) -> tuple[Tensor, Gradients]:
    keep_freed_memory()
    mind_own_limit()
    module = quicker(module)
    params: Gradients = {name: value for name, value in module.named_parameters() if value.requires_grad}
    if not inside and size(batch) == 1:
        how = "loop"
    if inside or how in ("threads", "loop"):
        with full_float32(module), torch.enable_grad():
            return _inside(module, params, batch, progress, how, written)
    losses = map_tasks(lambda learner, task: learner(task, progress), module, (batch,), "vmap")
    values = torch.autograd.grad(losses.mean(), list(params.values()), allow_unused=True)
    return losses.detach(), _filled(params, values)


def _inside(
    module: nn.Module, params: Gradients, batch: Any, progress: float, how: How, written: Written | None
) -> tuple[Tensor, Gradients]:
    check_room = partial(_check_room, module, batch, progress, how)
    if written is not None:
        return _recorded(module, batch, progress, written, check_room)
    check_room()
    if how in VECTORISED:
        return _vectorised(module, CHUNK if how == "chunks" else None, progress, _detached(module), batch)

    def task_gradient(learner: nn.Module, task: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        value = learner(task, progress)
        own = [value for value in learner.parameters() if value.requires_grad]
        return value.detach(), torch.autograd.grad(value, own, allow_unused=True, materialize_grads=True)

    losses, values = map_tasks(task_gradient, module, (batch,), how)
    return losses, {name: value.mean(0) for name, value in zip(params, values, strict=True)}


@plain_attention
def check_room(module: nn.Module, batch: Any, progress: float, how: How) -> None:
    """UserError if meta-gradients of a learner that takes gradients while adapting would not fit, call after call."""
    _check_room(quicker(module), batch, progress, how, ahead=True)


def _check_room(module: nn.Module, batch: Any, progress: float, how: How, ahead: bool = False) -> None:
    tasks = size(batch)
    singly = how not in VECTORISED or (how in WRITTEN and convolves_on_cpu(module))
    ways = {"chunks": CHUNK, "threads": torch.get_num_threads(), "loop": 1}
    at_once = min(tasks, ways["threads"] if singly and how != "loop" else ways.get(how, tasks))

    def compute(own: nn.Module, some: Any) -> object:
        params = _detached(own)
        if singly:
            return _one_task(own, progress, params, take(some, 0))
        return _vectorised(own, None, progress, params, some)

    room.check(module, batch, compute, at_once, 1 if singly else at_once, ways, ahead)


def _recorded(
    module: nn.Module, batch: Any, progress: float, written: Written, check_room: Callable[[], None]
) -> tuple[Tensor, Gradients]:
    """All tasks at once; one after the other on threads where convolutions are on a CPU, which lose by the former."""
    params, (now, known, kept, compiled) = _detached(module), written
    if compiled and convolves(module):
        raise UserError(
            "convolutional nets gain nothing by being compiled: nearly all their time goes into PyTorch's "
            "convolutions. Take recorded, or another way of batching."
        )
    if not convolves_on_cpu(module):
        all_tasks = partial(_vectorised, module, None, progress)
        return replay(all_tasks, (params, batch, *now.given), known, kept, check_room, compiled)
    full = is_full(batch)

    def one(own: nn.Module, task: Any) -> tuple[Tensor, Gradients]:
        played: tuple[Tensor, Gradients] = replay(
            partial(_one_task, own, progress), (params, task, *now.given), (known, full), kept, check_room
        )
        return played

    with fused.blind(full):
        one(module, take(batch, 0))
    found = played_singly(params, batch, written)
    if found is not None:
        return found
    losses, grads = map_tasks(one, module, (batch,), "threads")
    return losses, {name: value.mean(0) for name, value in grads.items()}


def _one_task(
    module: nn.Module, progress: float, params: Gradients, task: Any, now: Tensor | None = None
) -> tuple[Tensor, Gradients]:
    own = {name: value.detach().requires_grad_() for name, value in params.items()}
    with torch.enable_grad():
        loss: Tensor = called(module, own, (task, progress if now is None else now))
        grads = torch.autograd.grad(loss, [*own.values()], allow_unused=True, materialize_grads=True)
    return loss.detach(), dict(zip(own, grads, strict=True))


def _vectorised(
    module: nn.Module, chunk: int | None, progress: float, params: Gradients, batch: Any, now: Tensor | None = None
) -> tuple[Tensor, Gradients]:
    def loss(params: Gradients, task: Any) -> Tensor:
        value: Tensor = called(module, params, (task, progress if now is None else now))
        return value

    try:
        grads, losses = vmap(grad_and_value(loss), in_dims=(None, 0), chunk_size=chunk)(params, batch)
    except RuntimeError as error:
        if "vmap" not in str(error) and "broadcast shape" not in str(error):
            raise
        guilty = [f"{path} ({type(part).__name__})" for path, part in module.named_modules() if _writes_in_place(part)]
        why = f"{', '.join(guilty)} writes in place" if guilty else str(error)
        raise UserError(
            f"tasks of this net cannot go through in one vectorised call ({why}). Batch them in another way: "
            f"threads or loop."
        ) from error
    return losses, {name: value.mean(0) for name, value in grads.items()}


def _writes_in_place(part: nn.Module) -> bool:
    return isinstance(part, nn.RNNBase) or getattr(part, "inplace", False) is True


def _filled(params: Gradients, values: Sequence[Tensor | None]) -> Gradients:
    pairs = zip(params.items(), values, strict=True)
    return {name: torch.zeros_like(param) if value is None else value for (name, param), value in pairs}


def _on_threads(function: Callable[..., Tree], module: nn.Module, batch: tuple[Any, ...]) -> list[Tree]:
    """Tasks dealt to one thread a core. Parameters are swapped in (swapped.py), so each thread has its own copy.

    Whether gradients are kept, and in which precision operations are, PyTorch asks each thread for itself.
    """
    if path := calls_itself(module):
        raise UserError(
            f"{path} is a function over the module that has it, so that no thread can have a net of its own. Make it a "
            "method, or batch the tasks in another way: vmap or loop."
        )
    threads = min(torch.get_num_threads(), size(batch))
    grad_enabled = torch.is_grad_enabled()
    casts = autocasts()

    def work(first: int) -> list[Tree]:
        torch.set_num_threads(1)
        own = twin(module)
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.set_grad_enabled(grad_enabled))
            for kind, dtype in casts:
                stack.enter_context(torch.autocast(kind, dtype))
            return [function(own, *take(batch, i)) for i in range(first, size(batch), threads)]

    with ThreadPoolExecutor(threads) as pool:
        dealt = list(pool.map(work, range(threads)))
    return [dealt[i % threads][i // threads] for i in range(size(batch))]


def check(how: str) -> How:
    """``how`` if it is one; UserError otherwise."""
    for known in HOWS:
        if how == known:
            return known
    raise UserError(f"unknown way to batch tasks {how!r}. Expected auto, {', '.join(HOWS)}.")


def usual(module: nn.Module) -> How:
    """What is fastest where no task takes a gradient: convolutions on a CPU lose half their speed inside vmap."""
    return "threads" if convolves_on_cpu(module) else "vmap"
