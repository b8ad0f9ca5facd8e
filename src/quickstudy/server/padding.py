"""Tasks of different users padded to a few sizes, so that they stack: absent classes, and examples that do not count.

Whether a learner answers the same then, and whether its tasks go through in one call, is tried when it is loaded.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners.base import Adapted, Learner, Logits
from quickstudy.tasks.base import Examples

TOLERANCE = 1e-5
"""Of probabilities."""


class Pads(NamedTuple):
    """What a learner was found to bear."""

    classes: bool
    """More classes than have examples."""
    examples: bool
    """Examples of the support that do not count."""
    tasks: bool
    """Tasks in one vectorised call."""


def bucket(count: int) -> int:
    """The smallest power of 2 that is ``count`` or more, and at least 2."""
    return max(2, 1 << (count - 1).bit_length())


def support(x: Tensor, numbers: Tensor, way: int, pads: Pads) -> Examples:
    """The examples ``x`` [n, ...] of classes ``numbers`` [n] out of ``way``, padded as far as ``pads`` allows."""
    count, width = len(x), bucket(way) if pads.classes else way
    rows = bucket(count) if pads.examples else count
    mask = torch.arange(rows) < count
    y = torch.zeros(rows, width)
    y[torch.arange(count), numbers] = 1
    return Examples(torch.cat([x, x.new_zeros(rows - count, *x.shape[1:])]), y, mask)


def one_prediction(learner: Learner, adapted: Adapted, x: Tensor, mask: Tensor) -> Logits:
    """``learner.predict``, of one task."""
    found = learner.predict(adapted, x, mask)
    assert isinstance(found, Logits)
    return found


@torch.no_grad()
def pads(head: Learner) -> Pads:
    """What ``head`` bears, found on a task drawn at random: 3 classes, 2 examples of each."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(9, *head.spec.shape, generator=generator)
    numbers = torch.arange(3).repeat(2)
    plain = _answer(head, x, numbers, Pads(False, False, False))
    alike = [_alike(head, x, numbers, plain, tried) for tried in (Pads(True, False, False), Pads(False, True, False))]
    found = Pads(alike[0], alike[1], False)
    return found._replace(tasks=_stacks(head, x, numbers, found))


def _answer(head: Learner, x: Tensor, numbers: Tensor, tried: Pads) -> Tensor:
    """[3, 3] probabilities."""
    adapted = head.adapt(support(x[:6], numbers, 3, tried))
    logits = one_prediction(head, adapted, x[6:], torch.ones(3, dtype=torch.bool)).logits
    return torch.softmax(logits, -1)[:, :3]


def _alike(head: Learner, x: Tensor, numbers: Tensor, plain: Tensor, tried: Pads) -> bool:
    try:
        return torch.allclose(_answer(head, x, numbers, tried), plain, atol=TOLERANCE, rtol=0)
    except (UserError, RuntimeError):  # it takes only as many classes as it was trained with, for instance
        return False


def _stacks(head: Learner, x: Tensor, numbers: Tensor, found: Pads) -> bool:
    tasks = [(head.adapt(support(part, numbers, 3, found)), x[6:]) for part in (x[:6], x[3:])]
    mask = torch.ones(3, dtype=torch.bool)
    singly = torch.stack([one_prediction(head, adapted, asked, mask).logits for adapted, asked in tasks])
    try:
        stacked = batch.stack([(adapted, asked, mask) for adapted, asked in tasks])
        together: Logits = batch.map_tasks(one_prediction, head, stacked, "vmap")
    except (UserError, RuntimeError):
        return False
    return torch.allclose(torch.softmax(together.logits, -1), torch.softmax(singly, -1), atol=TOLERANCE, rtol=0)
