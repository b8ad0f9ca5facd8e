"""Chapter 7: an inner step that can be differentiated, the meta-gradient, and the one of first order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from quickstudy.course.exercise import Exercise, is_tensor, must, same

if TYPE_CHECKING:
    from torch import Tensor

TEXT = '''
import torch


def inner_step(w, loss, rate):
    """The weights w after one step down loss(w), such that the result can itself be differentiated by w.

    w is a tensor that requires a gradient, loss a function from w to one number.
    torch.autograd.grad(value, w, create_graph=True) keeps what a second derivative needs.
    """


def meta_gradient(w, tasks, rate):
    """The gradient by w of the mean query loss after one inner step in each task.

    tasks is a list of (support_loss, query_loss), functions from w to one number.
    """


def first_order(w, tasks, rate):
    """The same without second derivatives: the slope of each query loss at the adapted weights, averaged over tasks."""
'''
Loss = Callable[["Tensor"], "Tensor"]


def quartic(centre: float, scale: float) -> Loss:
    """A loss whose curvature changes with w."""
    return lambda w: scale * ((w - centre).square() + 0.1 * (w - centre).pow(4)).sum()


TASKS = [(quartic(1.0, 0.5), quartic(1.5, 0.5)), (quartic(-2.0, 1.0), quartic(-1.0, 1.0))]


def wanted(w: Tensor, rate: float, exact: bool) -> Tensor:
    """The right answer, by autograd."""
    import torch

    total = torch.zeros_like(w)
    for support, query in TASKS:
        (slope,) = torch.autograd.grad(support(w), w, create_graph=exact)
        moved = w - rate * slope
        (part,) = torch.autograd.grad(query(moved), w)
        total += part / len(TASKS)
    return total


def start() -> Tensor:
    import torch

    return torch.tensor([0.3, -0.4], requires_grad=True)


def check_step(inner_step: Callable[..., Any]) -> None:
    import torch

    w, (support, query) = start(), TASKS[0]
    found = inner_step(w, support, 0.1)
    (slope,) = torch.autograd.grad(support(w), w)
    same(found, (w - 0.1 * slope).detach(), "One step is w - rate * slope; return new weights and leave w as it is.")
    must(found.requires_grad, "The result has lost its tie to w: no .detach(), no torch.no_grad(), no .data.")
    (part,) = torch.autograd.grad(query(found), w, allow_unused=True)
    hint = "Differentiated through, it gives a wrong slope: ask for the gradient with create_graph=True."
    must(part is not None, hint)
    (right,) = torch.autograd.grad(query(w - 0.1 * torch.autograd.grad(support(w), w, create_graph=True)[0]), w)
    same(part, right, hint)


def check_meta(meta_gradient: Callable[..., Any]) -> None:
    w = start()
    found, right, first = meta_gradient(w, TASKS, 0.2), wanted(w, 0.2, True), wanted(w, 0.2, False)
    if is_tensor(found) and found.shape == first.shape:
        must(
            not found.allclose(first, atol=1e-4),
            "That is the one of first order: the inner step has lost its graph.",
        )
        must(not found.allclose(2 * right, atol=1e-4), "That is the sum over tasks; expected is the mean.")
    same(
        found,
        right,
        "Step on each support loss, sum up the query losses there, divide by the tasks, differentiate by w.",
    )


def check_first(first_order: Callable[..., Any]) -> None:
    w = start()
    found, right, exact = first_order(w, TASKS, 0.2), wanted(w, 0.2, False), wanted(w, 0.2, True)
    if is_tensor(found) and found.shape == exact.shape:
        must(
            not found.allclose(exact, atol=1e-4),
            "That is the exact one. Hold the inner slope constant, e.g. by .detach().",
        )
    same(
        found,
        right,
        "Take the slope of the query loss at the adapted weights as if they were the start, and average over tasks.",
    )


EXERCISES = (
    Exercise("inner_step", "a step that can be differentiated", check_step),
    Exercise("meta_gradient", "through the step", check_meta),
    Exercise("first_order", "without second derivatives", check_first),
)
