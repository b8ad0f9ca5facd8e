"""The host, as an entry's process sees it: lines in, lines out, and tasks to learn from."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from quickstudy.challenge import wire
from quickstudy.errors import UserError
from quickstudy.tasks.base import Examples, Predict, Spec, Split, Task, WholeTasks, accuracy, squared_error


class Host:
    """Lines of JSON on what was standard input and output; what a stranger prints goes to standard error."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._in = os.fdopen(os.dup(0), encoding="utf-8")
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = sys.stderr
        self.about: dict[str, Any] = {}
        """What there is to say of the entry once it is ready: its learner, and how that was trained."""

    def say(self, message: dict[str, Any]) -> None:
        """Hand over a message."""
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def hear(self) -> dict[str, Any] | None:
        """The host's next message; None where it has gone."""
        line = self._in.readline()
        message: dict[str, Any] | None = json.loads(line) if line else None
        return message

    def ask(self, what: str, **more: Any) -> dict[str, Any]:
        """The answer to a question before the tasks. UserError where the host refuses."""
        self.say({"ask": what, "arrays": "base64"} | more)
        answer = self.hear()
        if answer is None:
            sys.exit(1)
        if "refused" in answer:
            raise UserError(answer["refused"])
        return answer


class Streamed:
    """The family that an entry may learn from: the host draws its train and val tasks, and no others."""

    def __init__(self, host: Host, hello: dict[str, Any]) -> None:
        self.host, self.spec = host, spec_of(hello["spec"])
        self.splits: tuple[Split, ...] = tuple(hello["splits"])

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """Episodes ``index`` [T], as ``TaskFamily.sample``."""
        asked = {"split": split, "index": index.tolist(), "way": way, "shot": shot, "query": query, "seed": seed}
        return wire.task_of(self.host.ask("batch", **asked)["leaves"])

    def tasks(self, split: Split) -> WholeTasks:
        """Every class or task of the split whole."""

        def whole(number: int) -> Examples:
            return wire.examples_of(self.host.ask("whole", split=split, number=number)["leaves"])

        return WholeTasks(int(self.host.ask("count", split=split)["count"]), whole)

    def members(self, split: Split) -> frozenset[str] | None:
        """None: the host keeps the names, and has checked them."""
        return None

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """Accuracy, or the squared error: enough to choose weights by."""
        return (accuracy if self.spec.kind == "classification" else squared_error)(predict, task)


def spec_of(found: dict[str, Any]) -> Spec:
    """The specification of a family that came as JSON."""
    known = {field.name for field in fields(Spec)}
    values = {name: value for name, value in found.items() if name in known}
    values |= {"shape": tuple(found["shape"]), "names": tuple(found["names"])}
    return Spec(**values | {"parents": tuple(tuple(each) for each in found["parents"])})


def support_of(message: dict[str, Any], spec: Spec) -> Examples:
    """The support of a task that is asked."""
    x, y = (wire.unpack(message["support"][name]) for name in ("x", "y"))
    if spec.kind == "classification":
        y = torch.nn.functional.one_hot(y.long(), message["way"]).float()
    return Examples(x.reshape(-1, *spec.shape), y, torch.ones(len(x), dtype=torch.bool))
