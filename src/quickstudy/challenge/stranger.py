"""A stranger's program as a learner of the protocol, so that the one evaluator judges it too.

Host and entry exchange lines of JSON. The host speaks first:

    {"do": "begin", "kind": "classification", "shape": [1, 28, 28], "outputs": 0, "ways": [2, 20], "shots": [1, 5],
     "budget": {"cpu": 2, "wall": 10, "memory": 3, "training": 60}, ...}

The entry may now learn to learn. It may ask, {"ask": "tasks", "split": "train", "first": 0, "count": 4, "way": 5,
"shot": 1, "query": 5}, and is given {"tasks": [{"support": {"x": ..., "y": ...}, "query": {"x": ..., "y": ...},
"classes": [...]}, ...]}. When it has learnt it says {"ready": true}. Then come the tasks of the test, without the
labels of their queries, each when the last is answered:

    {"do": "task", "task": 0, "way": 5, "support": {"x": ..., "y": ...}, "query": {"x": ...}}
    {"task": 0, "scores": [[0.1, 0.7, ...], ...]}

``wire`` says what else an answer may hold. With "more": true another answer to the same task follows; what an entry had
answered when its time was over counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from quickstudy.challenge import wire
from quickstudy.challenge.process import EndedError, Process
from quickstudy.errors import UserError
from quickstudy.learners.base import Adapted, Learner, Logits, Point, Prediction, Traits
from quickstudy.tasks.base import Examples, Spec

LOADING = 10.0
"""Seconds of the processors in which an entry may load its libraries."""
MOST_ANSWERS = 100
"""To one task; what comes later is not read."""
Answerer = Callable[[dict[str, Any], bool], dict[str, Any]]
"""(what an entry asks for before it is ready, whether it reads base64) -> the host's answer."""


@dataclass(frozen=True, kw_only=True)
class NoConfig:
    """Nothing to set."""


class Chance(Learner):
    """Every class alike; in regression the mean of the training tasks, which is 0 in standard units."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"))
    Config: ClassVar[type[Any]] = NoConfig

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """The shape of y [way], or [d], as zeros."""
        return {"zeros": torch.zeros_like(support.y[:1] if len(support.y) else support.y.sum(0, keepdim=True))[0]}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        """Zeros [n, way or d]."""
        return nothing(self.spec, len(x), adapted["zeros"].shape[-1])


def nothing(spec: Spec, asked: int, outputs: int) -> Prediction:
    """The prediction of who knows nothing."""
    zeros = torch.zeros(asked, outputs)
    return Point(zeros) if spec.kind == "regression" else Logits(zeros)


class Given(NamedTuple):
    """One answer, and the seconds of the processors that its task had taken until then."""

    seconds: float
    prediction: Prediction


class Stranger(Learner):
    """Asks an entry's process. What it cannot answer is answered as who knows nothing would."""

    traits: ClassVar[Traits] = Traits(kinds=("classification", "regression"))
    Config: ClassVar[type[Any]] = NoConfig

    def __init__(self, spec: Spec, process: Process, cpu: float, wall: float) -> None:
        super().__init__(spec, NoConfig())
        self.process, self.seconds, self.wall = process, cpu, wall
        self.binary = False
        self.ended: str | None = None
        """Why there will be no more answers."""
        self.wrong: list[str] = []
        """What was no answer."""
        self.given: list[Given] = []
        """All answers to the last task."""
        self.replayed: int | None = None
        """Which of them ``predict`` gives again, without asking."""
        self._number, self._counted = 0, 0.0
        self.trained = 0.0
        """Seconds of the processors before it was ready."""
        self.about: dict[str, Any] = {}
        """What it says of itself; nobody checks it."""

    def begin(self, hello: dict[str, Any], training: float, answer: Answerer) -> None:
        """Let the entry learn to learn. UserError for one that says why it cannot, or ends; ``ended`` is set for one
        whose time is over before it is ready. That Python and torch are loaded first costs an entry nothing."""
        start, until = self.process.cpu, self.process.clock + 10 * (training + LOADING) + self.wall
        most = start + training + LOADING
        try:
            self.process.send({"do": "begin"} | hello)
            while "ready" not in (message := self.process.receive(most, until)):
                if "started" in message:
                    start = self.process.cpu
                    most = min(most, start + training)
                if "failed" in message:
                    raise UserError(str(message["failed"])[:500])
                if "ask" in message:
                    asked = self.process.clock
                    self.process.send(answer(message, message.get("arrays") == "base64"))
                    until += self.process.clock - asked  # what the host takes is nobody's time
            self.binary = message.get("arrays") == "base64"
        except EndedError as error:
            if error.itself:
                raise UserError(f"before it was ready {str(error).rstrip('.')}. Mend it and enter again.") from error
            self.ended = f"before it was ready {error}"
        else:
            self._counted = self.process.cpu
            self.trained = self._counted - start
            self.about = wire.facts(message.get("about"))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        """The support itself: it is handed over with the questions."""
        return {"x": support.x, "y": support.y, "mask": support.mask}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Prediction:
        """The entry's last answer for ``x`` [n, ...]; only rows of ``mask`` [n] are asked."""
        outputs = adapted["y"].shape[-1]
        if self.replayed is None:
            self.given = self.ask(Examples(**adapted), x[mask], outputs)
            at = len(self.given) - 1
        else:
            at = min(self.replayed, len(self.given) - 1)
        blank = nothing(self.spec, len(x), outputs)
        if at < 0:
            return blank
        found = self.given[at].prediction
        full = [torch.ones(len(x), outputs).index_put((mask.nonzero()[:, 0],), value) for value in found]
        return type(found)(*full)

    def ask(self, support: Examples, x: Tensor, outputs: int) -> list[Given]:
        """All answers to one task, in order; none where there are none any more."""
        if self.ended is not None or not len(x):
            return []
        number, found = self._number, list[Given]()
        self._number += 1
        kind = self.spec.kind
        # what was done since the last answer, while nobody asked, is counted too
        start = self._counted if self.process.counts else self.process.cpu
        until = self.process.clock + self.wall
        asked = {
            "do": "task",
            "task": number,
            "support": wire.examples(support, kind, self.binary),
            "query": {"x": wire.pack(x, self.binary)},
        }
        self.process.send(asked | ({"way": outputs} if kind == "classification" else {"outputs": outputs}))
        try:
            while True:
                message = self.process.receive(start + self.seconds, until)
                if message.get("task") != number:
                    continue  # what is left of an earlier one
                self._counted = self.process.cpu
                seconds = self._counted - start
                if "failed" in message:
                    raise wire.WrongError(str(message["failed"])[:300])
                found.append(Given(seconds, wire.answers(message, len(x), outputs, kind)))
                if message.get("more") is not True or len(found) == MOST_ANSWERS:
                    break
        except EndedError as error:
            self.ended = str(error)
        except wire.WrongError as error:
            self.wrong.append(f"task {number}: {error}")
        return found
