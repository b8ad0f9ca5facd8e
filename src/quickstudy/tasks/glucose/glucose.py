"""One patient's glucose: from a sensor's first hours, with the meals and boluses in them, to predictions days later."""

from __future__ import annotations

from urllib.parse import quote

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import (
    Examples,
    Predict,
    Spec,
    Split,
    Task,
    WholeTasks,
    check_counts,
    check_split,
)
from quickstudy.tasks.glucose.cells import MG
from quickstudy.tasks.glucose.files import read
from quickstudy.tasks.glucose.lives import DAY, Records
from quickstudy.tasks.glucose.population import divided, founders, records
from quickstudy.tasks.glucose.scores import scores
from quickstudy.tasks.glucose.windows import LEAD, STEPS, Windows, names
from quickstudy.tasks.places import notice

HOUR = DAY // 24
MORNING = 6 * HOUR
"""Step of the day at which simulated records begin."""
ASKED_DAYS = 2
"""At the end of a record, from which queries are: they are the same after six hours and after a week."""
SIZES = {False: (10, 30, 30, 10), True: (5, 3, 1, 4)}
"""Founders of each group, kin and distant kin of each, days: of the family, and of its small simulated twin."""


class Glucose:
    """Changes of glucose in 30 and in 60 minutes, with meals and insulin to come unknown; ``shot`` counts hours.

    A task is a person. The support is every moment of the first ``shot`` hours from which both answers lie in them,
    at 5-minute steps; queries are moments of two days at the end. People are simulated; with ``path`` they are those
    of your own files (see ``files.py``), to evaluate on. ``partition`` says which of them are tested.

    Raises UserError for files that cannot be read, and for a partition below 0.
    """

    def __init__(self, *, path: str = "", partition: int = 0, simulated: bool = False) -> None:
        if partition < 0:
            raise UserError(f"the partition of glucose is {partition}; it must be 0 or more.")
        if path and (partition or simulated):
            raise UserError("glucose takes a path, or partition and simulated. Leave one of them out.")
        name, self.in_unit = "glucose", MG
        self._who: dict[Split, Tensor] = {}
        if path:
            own = read(path)
            name += ":path=" + quote(str(own.path), "/\\ ")
            self._unit, self._names, fingerprint = torch.arange(len(own.names)), own.names, own.fingerprint
            self._windows = Windows(own.records, own.start)
            self._last = own.last
            self._who["test"] = torch.arange(len(own.names))
            self.in_unit = own.unit
            notice(f"{path}: errors are in {own.unit.name}.")
        else:
            each, kin, distant, days = SIZES[simulated]
            made = founders(each, simulated)
            name += f":partition={partition}" * bool(partition) + ":simulated=true" * simulated
            self._names, fingerprint = made.names, made.fingerprint
            parts = (leaf[:, MORNING:] for leaf in records(made, kin, distant, days))
            whole = kin + distant
            self._unit = torch.arange(len(made.names)).repeat_interleave(whole)
            self._windows = Windows(Records(*parts), torch.full_like(self._unit, MORNING))
            self._last = torch.full_like(self._unit, self._windows.steps)
            for split, some in divided(len(made.names), partition).items():  # so that any few are of many founders
                rank = torch.arange(whole if split == "train" else kin).unsqueeze(-1)
                self._who[split] = (some * whole + rank).flatten()
        self.splits: tuple[Split, ...] = tuple(self._who)
        self.spec = Spec(
            name=name,
            kind="regression",
            shape=(len(names()),),
            outputs=len(STEPS),
            metric="rmse",
            shot_unit="hour",
            form="glucose",
            names=names(),
            fingerprint=fingerprint,
        )

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """[T] people; in training their records begin on a day at random, and end on a later one."""
        known = check_split(self, split)
        check_counts(query=query)
        check_counts(least=0, shot=shot)
        key = draw.keys(index, self.spec.name.partition(":")[0], split, seed)
        pool = self.people(known)
        if known == "train":
            who = pool[draw.bits(key, 1, "who")[:, 0] % len(pool)]
        else:  # everybody in turn
            first = int(draw.keys(torch.tensor(0), "first", seed)) if seed else 0
            who = pool[(index.to(torch.int64) + first) % len(pool)]
        begin, ask, room = self._days(known, who, shot, key)
        support = begin.unsqueeze(-1) + torch.arange(LEAD, max(HOUR * shot - STEPS[-1], LEAD))
        most, room = int(room.max()), room.unsqueeze(-1)
        chosen = draw.order(key, most, "query", min(query, most), torch.arange(most) < room).sort(-1).values
        queries = self._examples(who, ask.unsqueeze(-1) + chosen.minimum(room - 1), begin)
        return Task(
            support=self._examples(who, support, begin),
            query=queries._replace(mask=queries.mask & (chosen < room)),
            classes=key.new_zeros((len(index), 0)),
            unit=self._unit[who],
            key=key,
        )

    def _days(self, split: Split, who: Tensor, shot: int, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Step at which each record begins, first step of its queries, and how many there are, each [T]."""
        asked = (ASKED_DAYS * DAY - STEPS[-1]) * torch.ones_like(who)
        last = self._last[who]
        asked = torch.minimum(asked, last // 2)
        begin, ask = torch.zeros_like(who), last - STEPS[-1] - asked
        if bool((ask < HOUR * shot).any()):
            most = int(ask.min()) // HOUR
            raise UserError(f"--shot is {shot}, but {self.spec.name} has {most} hours before what is asked about.")
        if split == "train":
            days = int(ask.min() // DAY)
            taken = -(-HOUR * shot // DAY)
            begin = draw.bits(key, 1, "begin")[:, 0] % (days - min(taken, days) + 1)
            spare = (days - begin - taken).clamp(min=0)
            ask = ask - DAY * (draw.bits(key, 1, "ask")[:, 0] % (spare + 1))
            begin = begin * DAY
        return begin, ask, asked

    def _examples(self, who: Tensor, at: Tensor, begin: Tensor) -> Examples:
        y, there = self._windows.answers(who, at)
        return Examples(self._windows.inputs(who, at, begin), torch.where(there.unsqueeze(-1), y, 0), there)

    def people(self, split: Split) -> Tensor:
        """[P] numbers of the people of a split."""
        return self._who[check_split(self, split)]

    def tasks(self, split: Split) -> WholeTasks:
        """Each person's whole record."""
        pool = self.people(split)

        def whole(number: int) -> Examples:
            who = pool[number : number + 1]
            at = torch.arange(LEAD, int(self._last[who]) - STEPS[-1]).unsqueeze(0)
            return Examples(*(leaf[0] for leaf in self._examples(who, at, torch.zeros(1, dtype=torch.int64))))

        return WholeTasks(len(pool), whole)

    def members(self, split: Split) -> frozenset[str] | None:
        """Founders of the split's people, or those of your files."""
        return frozenset(f"glucose/{self._names[int(unit)]}" for unit in self._unit[self.people(split)])

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """Errors, in mg/dL or in the unit of your own files, and shares [T]; see ``scores.py``."""
        return scores(predict(task.query.x, task.query.mask), task.query, self.in_unit.mg)
