"""One patient's pharmacokinetics: a task is a patient, its support the first levels in the blood, its query later ones.

A reading is one flat vector (``dosing.py``): its time, what is known of the patient, and all doses before it. The
answer is the natural logarithm of the level, in the drug's own unit (``drugs.py``), so an error of 0.1 is one of 10 %.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks import draw
from quickstudy.tasks.base import (
    NINETY,
    Examples,
    Predict,
    Spec,
    Split,
    Task,
    WholeTasks,
    check_counts,
    check_split,
    held90,
    masked_mean,
)
from quickstudy.tasks.cached import fingerprint
from quickstudy.tasks.doses import drugs
from quickstudy.tasks.doses.dosing import Records, names, records
from quickstudy.tasks.doses.simulated_patients import simulated as simulate
from quickstudy.tasks.places import held

FOLDS = 5


class PK:
    """Patients of one drug. Over five partitions in a row each patient is tested once.

    ``order`` says which levels are the support: the first in time, or any. Where a patient has fewer levels than asked
    for, the support has what is left beside one query. Patients with a single level are never asked about, but
    ``tasks`` has them: they say something of the population. There is no split for validation, for there are few
    patients.
    """

    splits: tuple[Split, ...] = ("train", "test")

    def __init__(
        self,
        *,
        drug: Literal["phenobarbital", "quinidine", "remifentanil", "theophylline"] = "phenobarbital",
        order: Literal["time", "random"] = "time",
        partition: int = 0,
        simulated: bool = False,
    ) -> None:
        if partition < 0:
            raise UserError(f"the partition of pk is {partition}; it must be 0 or more.")
        self.order, self.partition = order, partition
        self.drug, self.about = drug, drugs.DRUGS[drug]
        patients = simulate(drug) if simulated else drugs.read(drug, held("pk"))
        self.patients = tuple(patient.name for patient in patients)
        self.records: Records = records(patients, self.about.fields, self.about.slots)
        options = {"drug": (drug, "phenobarbital"), "order": (order, "time"), "partition": (partition, 0)}
        name = "pk" + "".join(f":{option}={value}" for option, (value, usual) in options.items() if value != usual)
        self.spec = Spec(
            name=name + ":simulated=true" * simulated,
            kind="regression",
            shape=tuple(self.records.x.shape[2:]),
            outputs=1,
            metric="rmse",
            shot_unit="level of the patient",
            form="doses",
            names=names([one.name for one in self.about.covariates], self.about.slots, self.about.fields),
            fingerprint=fingerprint(self.records.x, self.records.y),
        )

    @cached_property
    def _folds(self) -> dict[str, Tensor]:
        """Numbers of the patients of each split, in the order of a hash of their names and the repeat."""
        repeat, fold = divmod(self.partition, FOLDS)
        hashed = sorted(range(len(self.patients)), key=lambda i: draw.salt("fold", repeat, self.patients[i]))
        place = torch.arange(len(hashed)) % FOLDS
        ordered = torch.tensor(hashed)
        return {"train": ordered[place != fold], "test": ordered[place == fold]}

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """Episodes ``index`` [T]: in training of patients by chance, else of each in turn."""
        check_split(self, split)
        check_counts(query=query)
        check_counts(least=0, shot=shot)
        able = self._folds[split]
        able = able[self.records.readings[able] >= 2]
        if split == "test" and shot >= (most := int(self.records.readings[able].max())):
            raise UserError(
                f"--shot is {shot}, but no patient of {self.spec.name}, split {split}, has more than {most} levels, "
                f"and one must be left for the query. Ask for at most {most - 1}."
            )
        key = draw.keys(index, "pk", split, seed)
        turn = draw.bits(key, 1, "patient")[:, 0] if split == "train" else index.to(torch.int64)
        who = able[turn % len(able)]
        count, most = self.records.readings[who].unsqueeze(-1), self.records.x.shape[1]
        slot = torch.arange(most)
        if self.order == "random":
            slot = draw.order(draw.mix(key ^ who), most, "levels", allowed=slot < count)
        else:
            slot = slot.expand(len(who), -1)
        queries = torch.minimum(torch.full_like(count, query), (count - shot).clamp(min=1))
        supports = torch.minimum(torch.full_like(count, shot), count - queries)
        place = torch.arange(most)
        back = (count - 1 - place[:query]).clamp(min=0)
        return Task(
            support=self._examples(who, slot[:, :shot], place[:shot] < supports),
            query=self._examples(who, slot.gather(-1, back), place[:query] < queries),
            classes=key.new_zeros((len(who), 0)),
            unit=who,
            key=key,
        )

    def _examples(self, who: Tensor, which: Tensor, mask: Tensor) -> Examples:
        x, y = (leaf[who.unsqueeze(-1), which] * mask.unsqueeze(-1) for leaf in self.records[:2])
        return Examples(x, y, mask)

    def tasks(self, split: Split) -> WholeTasks:
        """Every patient of the split with all levels."""
        check_split(self, split)
        members = [number for number in self._folds[split].tolist() if self.records.readings[number] > 0]

        def whole(number: int) -> Examples:
            who = members[number]
            count = int(self.records.readings[who])
            x, y = self.records.x[who, :count], self.records.y[who, :count]
            return Examples(x, y, torch.ones(count, dtype=torch.bool))

        return WholeTasks(len(members), whole)

    def members(self, split: Split) -> frozenset[str] | None:
        check_split(self, split)
        return frozenset(self.patients[number] for number in self._folds[split].tolist())

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """Each [T], of the logarithms: ``rmse`` and ``mse`` of a patient's queries; where there is an interval for 90 %
        of them, the share ``coverage90`` that it holds and its mean ``width``."""
        prediction = predict(task.query.x, task.query.mask)
        error = (prediction[0] - task.query.y).squeeze(-1)
        mse = masked_mean(error.square(), task.query.mask)
        found = {"rmse": mse.sqrt(), "mse": mse}
        if hasattr(prediction, "std"):
            std = prediction.std.squeeze(-1)
            found["coverage90"] = held90(error, std, task.query.mask)
            found["width"] = masked_mean(2 * NINETY * std, task.query.mask)
        return found
