"""Whether a classifier's probabilities can be believed, and the one temperature that makes them more so.

Guo, Pleiss, Sun, Weinberger (2017), "On Calibration of Modern Neural Networks":

    ECE = sum over bins of (share of the answers in it) |accuracy - mean confidence|            (eq. 3)
    q   = softmax(logits / T), T > 0 minimises the NLL of other tasks than those judged         (section 4.2)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from quickstudy.tasks.base import Predict, Split, Task, TaskFamily, WholeTasks

BINS = 15
DEEPEST = -1e6
"""Of a logit below the largest: a class that is out of the running has finfo.min, whose products would be infinite."""
HOTTEST = 1e3
"""Largest temperature, and one over the smallest: where every answer is right, the best one is 0."""


class Answers(NamedTuple):
    """Of all queries of all episodes."""

    logits: Tensor
    """[N, way] float64."""
    label: Tensor
    """[N] int64: the true class."""


class Bin(NamedTuple):
    """The answers whose confidence lies in one of ``BINS`` equal parts of [0, 1]."""

    answers: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Of one learner on one set of episodes."""

    ece: float
    nll: float
    bins: list[Bin]
    temperature: float | None
    """Learnt on validation tasks; None where there are none, and then nothing is known of after."""
    ece_after: float | None
    nll_after: float | None
    bins_after: list[Bin]


class Overheard:
    """``base``, and the logits of every query that its score asks for."""

    def __init__(self, base: TaskFamily) -> None:
        self.base, self.spec, self.splits = base, base.spec, base.splits
        self._heard: list[Answers] = []

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        return self.base.sample(split, index, way=way, shot=shot, query=query, seed=seed)

    def tasks(self, split: Split) -> WholeTasks:
        return self.base.tasks(split)

    def members(self, split: Split) -> frozenset[str] | None:
        return self.base.members(split)

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """The base's."""

        def heard(x: Tensor, mask: Tensor) -> Any:
            prediction = predict(x, mask)
            if x is task.query.x:
                label = task.query.y.argmax(-1)
                self._heard.append(Answers(prediction[0][mask].double().cpu(), label[mask].cpu()))
            return prediction

        return self.base.score(heard, task)

    def answers(self) -> Answers:
        """All that was heard."""
        return Answers(*(torch.cat(leaves) for leaves in zip(*self._heard, strict=True)))


def calibrate(answers: Answers, degree: float | None = None) -> Calibration:
    """That of ``answers`` as they are and, where there is one, at the temperature ``degree``."""
    before = reliability(answers)
    after = [] if degree is None else reliability(answers, degree)
    return Calibration(
        ece=ece(before),
        nll=nll(answers),
        bins=before,
        temperature=degree,
        ece_after=None if degree is None else ece(after),
        nll_after=None if degree is None else nll(answers, degree),
        bins_after=after,
    )


def reliability(answers: Answers, degree: float = 1.0) -> list[Bin]:
    """Confidence and accuracy by confidence: ``BINS`` bins, each with its upper edge; zeros in an empty one."""
    confidence, guess = log_probabilities(answers, degree).exp().max(-1)
    right = (guess == answers.label).double()
    place = (confidence * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    count = torch.bincount(place, minlength=BINS)
    means = [
        torch.zeros(BINS, dtype=torch.float64).index_add(0, place, values) / count.clamp(min=1)
        for values in (confidence, right)
    ]
    return [Bin(*each) for each in zip(count.tolist(), *(mean.tolist() for mean in means), strict=True)]


def ece(bins: Sequence[Bin]) -> float:
    """Expected calibration error."""
    total = sum(one.answers for one in bins)
    return sum(one.answers * abs(one.accuracy - one.confidence) for one in bins) / max(total, 1)


def nll(answers: Answers, degree: float = 1.0) -> float:
    """Mean negative log-likelihood of the true classes."""
    return float(F.nll_loss(log_probabilities(answers, degree), answers.label))


def log_probabilities(answers: Answers, degree: float = 1.0) -> Tensor:
    """[N, way] at the temperature ``degree``."""
    logits = answers.logits - answers.logits.amax(-1, keepdim=True)
    return F.log_softmax(logits.clamp(min=DEEPEST) / degree, -1)


def temperature(answers: Answers, halvings: int = 40) -> float:
    """The one that minimises the NLL of ``answers``.

    The NLL is convex in one over the temperature, where its slope is the mean of (expected logit - true logit): the
    zero of that is found by bisection.
    """
    logits = (answers.logits - answers.logits.amax(-1, keepdim=True)).clamp(min=DEEPEST)
    true = logits.gather(-1, answers.label.unsqueeze(-1)).squeeze(-1)
    low, high = (torch.tensor(edge, dtype=torch.float64).log() for edge in (1 / HOTTEST, HOTTEST))
    for _ in range(halvings):
        middle = (low + high) / 2
        expected = (F.softmax(logits * middle.exp(), -1) * logits).sum(-1)
        low, high = (low, middle) if (expected - true).mean() > 0 else (middle, high)
    return float((-(low + high) / 2).exp())
