"""Trial and error on something real: ``suggest`` a gait, run it, ``tell`` what was felt.

What was told is in a file before ``tell`` comes back, whole or not at all, so that a search goes on where it was cut
off: the same suggestion is made again until its outcome is told. What a learner makes of the tries is computed anew
each time, and nothing of it is stored.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from quickstudy import runs
from quickstudy.control.acquisition import RULES, Rule, wanted
from quickstudy.control.trials import predicted
from quickstudy.errors import UserError, unknown
from quickstudy.learners.base import Gaussian, Learner, Prediction
from quickstudy.tasks import draw
from quickstudy.tasks.base import Examples
from quickstudy.tasks.cached import fingerprint
from quickstudy.tasks.robots.strides import Strides, risk

FORMAT = 1
FAR = 1e6
"""Standard deviations from what is usual beyond which a number is no measurement."""

Environment = Callable[[Sequence[float]], "Sequence[float] | None"]
"""One's own robot: parameters in, what was felt out, speed first; None where it fell or nothing could be measured."""


class Try(NamedTuple):
    """One try."""

    gait: int
    """Number of the candidate."""
    outcome: tuple[float, ...]
    """What was felt, in the body's units."""
    fell: bool


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What may be tried, and the units of what is felt."""

    x: Tensor
    """[G, numbers]."""
    outcomes: tuple[str, ...]
    mean: Tensor
    """[outcomes] of training grounds."""
    std: Tensor

    @classmethod
    def of(cls, family: Strides) -> Candidates:
        """The library of a family, and its units."""
        mean, std = family.units
        return cls(x=family.table.gaits, outcomes=family.outcomes, mean=mean, std=std)

    @classmethod
    def read(cls, path: Path) -> Candidates:
        """Those that ``write`` wrote; UserError where the file is damaged."""
        tensors, note = runs.read_tensors(path)
        try:
            told = {name: tensors[name].float() for name in ("x", "mean", "std")}
            return cls(outcomes=tuple(note["outcomes"]), **told)
        except (KeyError, TypeError) as error:
            raise UserError(f"{path} is no library of gaits ({error}). Delete it, and it is made anew.") from error

    def write(self, path: Path) -> None:
        """To one file."""
        tensors = {"x": self.x, "mean": self.mean, "std": self.std}
        runs.write_tensors(path, tensors, {"outcomes": list(self.outcomes)})

    @property
    def fingerprint(self) -> str:
        """Hash of the candidates, so that a history is not read with others."""
        return fingerprint(self.x)


class Search:
    """Trial and error with a history on disk: for the fastest gait or, with ``speed``, one that goes at it (m/s).

    Raises UserError for a learner of other tasks, and for a history that is damaged or of another search.
    """

    def __init__(
        self,
        learner: Learner,
        candidates: Candidates,
        history: Path | str,
        *,
        rule: Rule = "improvement",
        speed: float | None = None,
        seed: int = 0,
    ) -> None:
        spec = learner.spec
        asked = (candidates.x.shape[1],), len(candidates.outcomes)
        if (spec.shape, spec.outputs) != asked:
            raise UserError(
                f"the learner ({spec.name}) takes {spec.shape} numbers and gives {spec.outputs}; these candidates "
                f"have {asked[0]} and {asked[1]}. Use a run of the same body."
            )
        if rule not in RULES:
            raise unknown("rule", rule, RULES)
        self.learner, self.candidates, self.path = learner.eval(), candidates, Path(history)
        self.rule, self.speed = rule, speed
        self._chance = draw.uniform(draw.keys(torch.tensor([seed]), "search"), len(candidates.x), "ties")
        self.tries: tuple[Try, ...] = self._read() if self.path.exists() else ()
        self._suggested: int | None = None

    def suggest(self) -> list[float]:
        """The numbers of the gait to try next; UserError where all have been tried."""
        if len(self.tries) == len(self.candidates.x):
            raise UserError(f"all {len(self.tries)} candidates of {self.path} have been tried.")
        value = self._wanted() if self.speed is None else -self._risk(self.speed)
        value[[one.gait for one in self.tries]] = -torch.inf
        self._suggested = int(value.argmax())
        return self._numbers(self._suggested)

    @property
    def suggested(self) -> int | None:
        """Number of the candidate that was suggested and not told of."""
        return self._suggested

    def tell(self, outcome: Sequence[float] | None, fell: bool = False) -> None:
        """What was felt of the gait that was suggested, in the order of ``candidates.outcomes``.

        None, or a number that is none, infinite or beyond all measure, counts as a fall: it got nowhere. What was felt
        of another fall may be told.
        """
        if self._suggested is None:
            raise UserError("nothing has been suggested. Call suggest(), try that gait, then tell what was felt.")
        felt = None if outcome is None else self._measured(outcome)
        nothing = (0.0,) * len(self.candidates.outcomes)
        if self.path.exists() and len(self._read()) != len(self.tries):
            raise UserError(f"another process has told {self.path} something. Open the search again.")
        tries = (*self.tries, Try(self._suggested, felt or nothing, fell or felt is None))
        self._write(tries)
        self.tries, self._suggested = tries, None

    def _measured(self, outcome: Sequence[float]) -> tuple[float, ...] | None:
        """Its numbers; None where one of them is no measurement, and UserError for what are none."""
        names = self.candidates.outcomes
        expected = f"expected {len(names)} numbers: {', '.join(names)}"
        try:
            if isinstance(outcome, str | Mapping):
                raise TypeError
            felt = tuple(float(value) for value in outcome)
        except OverflowError:
            return None
        except (TypeError, ValueError):
            raise UserError(f"what was told is {type(outcome).__name__} {reprlib.repr(outcome)}; {expected}.") from None
        if len(felt) != len(names):
            raise UserError(f"{len(felt)} outcomes were told; {expected}.")
        off = (torch.tensor(felt, dtype=torch.float64) - self.candidates.mean).abs()
        return felt if bool((off <= FAR * self.candidates.std).all()) else None

    @property
    def best(self) -> Try | None:
        """The fastest so far that did not fall."""
        stood = [one for one in self.tries if not one.fell]
        return max(stood, key=lambda one: one.outcome[0]) if stood else None

    def believed(self, after: int | None = None) -> tuple[Tensor, Tensor]:
        """Speed [G] of every candidate, in metres a second, and its deviation, which is NaN where the learner tells
        none: by all tries, or by the first ``after``."""
        prediction = self._predicted(after)
        scale = self.candidates.std[0]
        mean = prediction[0][0, :, 0] * scale + self.candidates.mean[0]
        std = prediction.std[0, :, 0] if isinstance(prediction, Gaussian) else torch.full_like(mean, torch.nan)
        return mean, std * scale

    def nearest(self, speed: float, after: int | None = None) -> int:
        """Number of the candidate that is believed to go at ``speed``, in metres a second."""
        return int(self._risk(speed, after).argmin())

    def at_speed(self, speed: float) -> list[float]:
        """Its numbers."""
        return self._numbers(self.nearest(speed))

    def _wanted(self) -> Tensor:
        """[G] how much each should be tried for the fastest."""
        still = (0.0 - self.candidates.mean[0]) / self.candidates.std[0]
        best = torch.cat([still.reshape(1), self._support().y[0, :, 0]]).max()
        return wanted(self._predicted(), best.reshape(1), self.rule, self._chance)[0]

    def _risk(self, speed: float, after: int | None = None) -> Tensor:
        """[G] expected squared distance from ``speed``; of what was tried, the distance that was felt."""
        mean, std = self.believed(after)
        value = risk(mean, std.nan_to_num(0.0), torch.tensor(speed))
        for one in self.tries[:after]:
            value[one.gait] = (one.outcome[0] - speed) ** 2
        return value

    def _numbers(self, which: int) -> list[float]:
        found: list[float] = self.candidates.x[which].tolist()
        return found

    def _support(self, after: int | None = None) -> Examples:
        """[1, tries] in standard units."""
        which = torch.tensor([one.gait for one in self.tries[:after]], dtype=torch.int64)
        felt = torch.tensor([one.outcome for one in self.tries[:after]]).reshape(-1, len(self.candidates.outcomes))
        y = (felt - self.candidates.mean) / self.candidates.std
        return Examples(self.candidates.x[which][None], y[None], torch.ones(1, len(which), dtype=torch.bool))

    @torch.no_grad()
    def _predicted(self, after: int | None = None) -> Prediction:
        x = self.candidates.x[None]
        return predicted(self.learner, self._support(after), x, torch.ones(x.shape[:2], dtype=torch.bool), "vmap")

    def _write(self, tries: Sequence[Try]) -> None:
        told = [{"gait": one.gait, "outcome": list(one.outcome), "fell": one.fell} for one in tries]
        runs.write_json(self.path, {"format": FORMAT, "candidates": self.candidates.fingerprint, "tries": told})

    def _read(self) -> tuple[Try, ...]:
        try:
            found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            version, candidates = found["format"], found["candidates"]
            tries = tuple(Try(one["gait"], tuple(one["outcome"]), one["fell"]) for one in found["tries"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self.path} is no history of a search ({error!r}). Begin another.") from error
        if version != FORMAT:
            raise UserError(f"{self.path} is a history of format {version}; this version reads {FORMAT}.")
        if candidates != self.candidates.fingerprint:
            raise UserError(f"{self.path} is the history of another library of gaits. Begin another search.")
        for number, one in enumerate(tries):
            if not self._can_be(one) or one.gait in [earlier.gait for earlier in tries[:number]]:
                raise UserError(
                    f"{self.path} is damaged: its try {number + 1} is {reprlib.repr(tuple(one))}. Expected a gait "
                    f"below {len(self.candidates.x)} that no other try has, {len(self.candidates.outcomes)} numbers "
                    "and whether it fell. Begin another search."
                )
        return tries

    def _can_be(self, one: Try) -> bool:
        """Whether it is a try of these candidates."""
        numbers = all(type(value) in (int, float) and math.isfinite(value) for value in one.outcome)
        whole = type(one.gait) is int and 0 <= one.gait < len(self.candidates.x) and type(one.fell) is bool
        return whole and numbers and len(one.outcome) == len(self.candidates.outcomes)


def go(search: Search, environment: Environment, tries: int) -> Try | None:
    """Try until the history has ``tries`` tries; the best of them."""
    while len(search.tries) < tries:
        search.tell(environment(search.suggest()))
    return search.best
