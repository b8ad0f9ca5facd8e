"""How far a classifier's answers can be trusted, learnt from validation tasks and kept beside the weights.

temperature     one for each way and shot: calibration.py
answer sets     all labels k with 1 - p_k <= q, where q is the quantile at ``coverage`` of 1 - p_true over the
                queries of validation tasks: the true label is in the set of that share of queries of a new task
                like those (split conformal prediction: Vovk, Gammerman, Shafer 2005; Sadinle, Lei, Wasserman 2019,
                eq. 4). Queries of one task are not independent, so the correction for a finite sample counts tasks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quickstudy import runs, scoring
from quickstudy.calibration import Answers, Overheard, log_probabilities, temperature
from quickstudy.errors import UserError
from quickstudy.learners.base import Learner
from quickstudy.tasks.base import Split, TaskFamily
from quickstudy.typicality import Typical, typical

FILE = "confidence.safetensors"
FORMAT = 1
WAYS, SHOTS = (2, 5, 10, 20), (1, 2, 5, 10)
QUERY = 5
TABLES = ("accuracy", "temperature", "scores")
_NONE = Typical(torch.empty(0), torch.empty(0, 0), torch.empty(0))
LEVELS = 400
"""Quantiles of 1 - p_true that are kept, evenly from 0 to 1."""
COLDEST = 0.5
"""Smallest temperature: where every answer was right, nothing says how sure to be."""
SUPPORTS = 4
"""Supports that typicality is measured on, for every episode of a way and shot."""


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """Of one learner, from one family's validation tasks."""

    tasks: str
    episodes: int
    """Of every way and shot."""
    seed: int
    ways: tuple[int, ...]
    shots: tuple[int, ...]
    accuracy: Tensor
    """[ways, shots]."""
    temperature: Tensor
    """[ways, shots]."""
    scores: Tensor
    """[ways, shots, LEVELS + 1] quantiles of 1 - p_true at that temperature."""
    typical: Typical | None
    """None for a learner without a backbone."""

    def degree(self, way: int, shot: float) -> float:
        """The temperature for tasks of that way and shot, geometrically between those that were measured."""
        return float(self._between(self.temperature.log(), way, shot).exp())

    def expected(self, way: int, shot: float) -> float:
        """The accuracy on validation tasks of that way and shot."""
        return float(self._between(self.accuracy, way, shot))

    def threshold(self, way: int, shot: float, coverage: float) -> float:
        """The largest 1 - p of a label in the answer set."""
        level = coverage * (1 + 1 / self.episodes)
        if level > 1:
            return 1.0
        place = level * LEVELS
        low = min(int(place), LEVELS - 1)
        quantiles = self._between(self.scores, way, shot)
        return float(torch.lerp(quantiles[low], quantiles[low + 1], place - low))

    def measured(self, way: int, shot: float) -> bool:
        """Whether so many classes were measured, and no more examples of each: with more, answers are no worse."""
        return self.ways[0] <= way <= self.ways[-1] and shot >= self.shots[0]

    def _between(self, table: Tensor, way: int, shot: float) -> Tensor:
        """Of ``table`` [ways, shots, ...] at a way and shot, linearly in their logarithms and flat outside."""
        for counts, at in ((self.ways, way), (self.shots, shot)):
            low, share = _place(counts, at)
            table = torch.lerp(table[low], table[min(low + 1, len(counts) - 1)], share)
        return table

    def tensors(self) -> dict[str, Tensor]:
        """What ``read`` makes it of, with ``note``."""
        like = self.typical or _NONE
        # the largest of all, and a thousandth of a distance decides nothing
        return {name: getattr(self, name) for name in TABLES} | like._asdict() | {"whiten": like.whiten.half()}

    def note(self) -> dict[str, Any]:
        """The rest, as JSON."""
        names = ("tasks", "episodes", "seed", "ways", "shots")
        return {"format": FORMAT} | {name: getattr(self, name) for name in names}


def check_coverage(coverage: object) -> None:
    """UserError for what is no share."""
    if not isinstance(coverage, Real) or not 0 < float(coverage) < 1:
        raise UserError(f"the coverage is {coverage!r}; expected a share between 0 and 1, such as 0.9.")


def _place(counts: Sequence[int], at: float) -> tuple[int, float]:
    """The last of ``counts`` up to ``at``, and how far ``at`` is on the way to the next."""
    at = min(max(at, counts[0]), counts[-1])
    low = max(number for number, count in enumerate(counts) if count <= at)
    if low + 1 == len(counts):
        return low, 0.0
    first, last = math.log(counts[low]), math.log(counts[low + 1])
    return low, (math.log(at) - first) / (last - first)


def measure(
    learner: Learner,
    family: TaskFamily,
    *,
    split: Split = "val",
    ways: Sequence[int] = WAYS,
    shots: Sequence[int] = SHOTS,
    episodes: int = 200,
    seed: int = 0,
    device: torch.device | str = "cpu",
    advance: Callable[[], None] = lambda: None,
    twin: Learner | None = None,
) -> Confidence:
    """From ``episodes`` tasks of every way and shot; UserError where the learner or the tasks are of another kind.

    ``twin``, trained alike on fewer classes, answers in place of a learner that has seen them all; what supports are
    usual is still seen through the learner's own net.
    """
    answering = twin or learner
    if answering.spec.kind != "classification":
        raise UserError("confidence is of classifiers; a regressor's is its standard deviation (gp, cnp).")
    if split not in family.splits:
        raise UserError(
            f"{family.spec.name} has no {split} split. Name tasks that were not trained on, glyphs for example."
        )
    degrees, quantiles = torch.empty(len(ways), len(shots)), torch.empty(len(ways), len(shots), LEVELS + 1)
    right = torch.empty_like(degrees)
    for row, way in enumerate(ways):
        for column, shot in enumerate(shots):
            which = scoring.Episodes(split=split, way=way, shot=shot, query=QUERY, episodes=episodes, seed=seed)
            heard = Overheard(family)
            scoring.score(answering, heard, which, device=device)
            answers = heard.answers()
            right[row, column] = (answers.logits.argmax(-1) == answers.label).float().mean()
            degrees[row, column] = degree = max(temperature(answers), COLDEST)
            quantiles[row, column] = torch.quantile(_missed(answers, degree), torch.linspace(0, 1, LEVELS + 1).double())
            advance()
    return Confidence(
        tasks=family.spec.name,
        episodes=episodes,
        seed=seed,
        ways=tuple(ways),
        shots=tuple(shots),
        accuracy=right,
        temperature=degrees,
        scores=quantiles,
        typical=typical(learner, family, split, SUPPORTS * episodes, seed + 1, device),
    )


def _missed(answers: Answers, degree: float) -> Tensor:
    """[N] 1 - p_true."""
    return 1 - log_probabilities(answers, degree).exp().gather(-1, answers.label.unsqueeze(-1)).squeeze(-1)


def write(found: Confidence, path: Path) -> None:
    """Into the file ``path``."""
    runs.write_tensors(path, found.tensors(), found.note())


def read(path: Path) -> Confidence | None:
    """That of the file ``path``; None where there is none. UserError where it is damaged or of a newer version."""
    return parse(*runs.read_tensors(path), path) if path.is_file() else None


def parse(tensors: dict[str, Tensor], note: dict[str, Any], path: Path) -> Confidence:
    """What ``tensors`` and ``note`` say."""
    if not isinstance(note.get("format"), int) or note["format"] > FORMAT:
        raise UserError(f"{path} has format {note.get('format')}, and this reads up to {FORMAT}. Upgrade quickstudy.")
    try:
        known = {name: note[name] for name in ("tasks", "episodes", "seed")}
        like = Typical(*(tensors[name].float() for name in Typical._fields))
        return Confidence(
            **known,
            ways=tuple(note["ways"]),
            shots=tuple(note["shots"]),
            accuracy=tensors["accuracy"],
            temperature=tensors["temperature"],
            scores=tensors["scores"],
            typical=like if len(like.distances) else None,
        )
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}). Calibrate the run again.") from error
