"""Adapting, and predictions for many users at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.estimator.inputs import Array, Reader
from quickstudy.inner import batch
from quickstudy.learners.base import Adapted
from quickstudy.server.padding import Pads, bucket, one_prediction, support
from quickstudy.server.refusals import RefusedError
from quickstudy.server.served import Served


@dataclass(frozen=True)
class Question:
    """What one user asks."""

    served: Served
    adapted: Adapted
    classes: int
    """How many classes there are; ``adapted`` may have room for more."""
    kept: Array
    """[n, ...] inputs, as the reader keeps them."""
    reads: Reader
    beside: Array | None = None
    """What was learnt from, where inputs are what they are only beside that."""

    @property
    def x(self) -> Tensor:
        """[n, *shape] what the learner takes."""
        return self.reads.inputs(self.kept, self.kept if self.beside is None else self.beside)


@torch.no_grad()
def adapt(served: Served, features: Tensor, numbers: Sequence[int], way: int) -> Adapted:
    """What ``served`` finds in ``features`` [n, ...] of the classes ``numbers``, of which there are ``way``."""
    told = torch.tensor(numbers)
    try:
        found = served.head.adapt(support(features, told, way, served.pads))
    except UserError:
        found = served.head.adapt(support(features, told, way, Pads(False, False, False)))
    if not all(bool(value.isfinite().all()) for value in found.values() if value.is_floating_point()):
        raise RefusedError(
            f"learning from these examples diverged: {served.name} finds numbers that are not finite in them. Bring "
            f"inputs to about the size of those that it was trained on."
        )
    return {name: value.contiguous().clone() for name, value in found.items()}


@torch.no_grad()
def answer(questions: list[Question]) -> list[Tensor | Exception]:
    """Logits [n, classes] of each question, or why there are none."""
    found: list[Tensor | Exception | None] = [None] * len(questions)
    for served, numbers in _by_learner(questions):
        try:
            sizes = [len(questions[number].kept) for number in numbers]
            features = served.features(_inputs([questions[number] for number in numbers])).split(sizes)
            for group in _alike(questions, numbers, features):
                for number, logits in zip(group, _logits(served, questions, group, features, numbers), strict=True):
                    found[number] = _checked(logits[: len(questions[number].kept), : questions[number].classes])
        except (UserError, RuntimeError) as error:
            for number in numbers:
                found[number] = found[number] if found[number] is not None else error
    return [one for one in found if one is not None]


def _inputs(questions: list[Question]) -> Tensor:
    """[n, *shape] those of all questions, in one go where each is what it is on its own."""
    if all(question.beside is None for question in questions):
        kept = np.concatenate([question.kept for question in questions])
        return questions[0].reads.inputs(kept, kept)
    return torch.cat([question.x for question in questions])


def _by_learner(questions: list[Question]) -> list[tuple[Served, list[int]]]:
    groups: dict[int, tuple[Served, list[int]]] = {}
    for number, question in enumerate(questions):
        groups.setdefault(id(question.served), (question.served, []))[1].append(number)
    return list(groups.values())


def _alike(questions: list[Question], numbers: list[int], features: Sequence[Tensor]) -> list[list[int]]:
    """Questions whose adapted states have the same shapes, and about as many inputs."""
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for number, own in zip(numbers, features, strict=True):
        shapes = tuple((name, value.shape) for name, value in sorted(questions[number].adapted.items()))
        groups[shapes, rows(len(own))].append(number)
    return list(groups.values())


def rows(count: int) -> int:
    """Inputs that a question of ``count`` is padded to."""
    return 1 if count == 1 else bucket(count)


def _logits(
    served: Served, questions: list[Question], group: list[int], features: Sequence[Tensor], numbers: list[int]
) -> list[Tensor]:
    """[rows, way] of each question in ``group``."""
    at = dict(zip(numbers, features, strict=True))
    if len(group) == 1 or not served.stacks:
        return [_alone(served, questions[number].adapted, at[number]) for number in group]
    wanted = rows(len(at[group[0]]))
    padded = torch.stack([torch.cat([at[n], at[n].new_zeros(wanted - len(at[n]), *at[n].shape[1:])]) for n in group])
    mask = torch.stack([torch.arange(wanted) < len(at[number]) for number in group])
    adapted = batch.stack([questions[number].adapted for number in group])
    together = batch.map_tasks(one_prediction, served.head, (adapted, padded, mask), "vmap")
    return list(together.logits)


def _alone(served: Served, adapted: Adapted, features: Tensor) -> Tensor:
    return one_prediction(served.head, adapted, features, torch.ones(len(features), dtype=torch.bool)).logits


def _checked(logits: Tensor) -> Tensor | Exception:
    if bool(logits.isfinite().all()):
        return logits
    return RefusedError(
        "the answer is not a finite number. Bring inputs to about the size of those that the learner was trained on."
    )
