"""Strides of a robot: a task is a body on a ground, a shot is a stride, and the question is what another gait would
feel like.

An input is a gait, a few numbers from -1 to 1 (``sim/gaits.py``); the answer is what the body feels in one second of
it, speed first (``sim/strides.py``), in standard units of the training grounds. Grounds are held out by what is wrong
with them (``conditions.py``), gaits come from one library, and everything was simulated once
(``table.py``). Held-out grounds on which no gait is known that goes forward are left out, and counted.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import torch
from torch import Tensor

from quickstudy.errors import UserError, unknown
from quickstudy.sim import bodies
from quickstudy.sim.bodies import Body
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
    held90,
    masked_mean,
)
from quickstudy.tasks.places import find, held, notice
from quickstudy.tasks.robots import twin
from quickstudy.tasks.robots.conditions import held_joints, leaks
from quickstudy.tasks.robots.table import SIZES, SMALL, Table, all_conditions, table

SOLVED = 0.2
"""Metres a second that a gait must go on a held-out ground for it to be asked about."""
COMMANDS = (0.25, 0.5, 0.75, 0.9)
"""Speeds that are asked for, as shares of the fastest that the library has on the ground."""


class Choice(NamedTuple):
    """What may be tried on T grounds."""

    x: Tensor
    """[G, numbers] the library."""
    y: Tensor
    """[T, G, outcomes] what would be felt, in standard units."""
    speed: Tensor
    """[T, G] in metres a second; 0 where the body falls."""
    cem: Tensor
    """[T, tries] best speed after each try of the cross-entropy method."""
    still: Tensor
    """[] a speed of 0, in standard units."""
    unit: Tensor
    """[] metres a second of a standard unit."""


class Strides:
    """Bodies on grounds. ``body`` is cheetah, ant, go1 or the MJCF file of one's own.

    Over three partitions in a row each joint is held out once. ``small`` simulates little, in seconds;
    ``simulated`` needs no simulator: arithmetic of the same format.
    """

    splits: tuple[Split, ...] = ("train", "val", "test")

    def __init__(
        self, *, body: str = "cheetah", partition: int = 0, small: bool = False, simulated: bool = False
    ) -> None:
        if partition < 0:
            raise UserError(f"the partition of strides is {partition}; it must be 0 or more.")
        self.partition = partition
        made = None if simulated else body_named(body)
        self.body: Body | None = made
        joints = twin.JOINTS if made is None else made.joints
        size = SMALL if small or made is None else SIZES.get(made.name, SIZES["go1"])
        self.conditions = all_conditions(len(joints), size)
        self.table: Table = (
            twin.simulated(self.conditions) if made is None else table(made, self.conditions, size, small)
        )
        self.outcomes = twin.OUTCOMES if made is None else made.outcomes
        options = {"body": (quote(body, "/\\ "), "cheetah"), "partition": (str(partition), "0")}
        name = "strides" + "".join(f":{option}={value}" for option, (value, usual) in options.items() if value != usual)
        flags = {"small": small, "simulated": simulated}
        self.spec = Spec(
            name=name + "".join(f":{option}=true" for option, on in flags.items() if on),
            kind="regression",
            shape=(self.table.gaits.shape[1],),
            outputs=len(self.outcomes),
            metric="speed_error",
            shot_unit="stride",
            form="gaits",
            names=() if made is None else made.gait.names,
            fingerprint=self.table.fingerprint,
        )
        self._check()

    def _check(self) -> None:
        """Nothing held out is trained on, and there is something to ask about."""
        held = held_joints(self.conditions.joints, self.partition)
        learnt = torch.cat([self._grounds["train"], self._grounds["val"]])
        if wrong := leaks(self.conditions, learnt, self._grounds["test"], held):
            raise AssertionError("; ".join(wrong))
        if not len(self._grounds["test"]):
            raise UserError(f"no held-out ground of {self.spec.name} has a gait that goes forward.")
        if self.unsolvable:
            notice(f"{self.spec.name}: left out {self.unsolvable} held-out grounds on which no gait goes forward.")

    @cached_property
    def _grounds(self) -> dict[str, Tensor]:
        """Numbers of the conditions of each split."""
        found: dict[str, Tensor] = {split: self.conditions.split(split, self.partition) for split in self.splits}
        found["test"] = found["test"][self.table.best[found["test"]] >= SOLVED]
        return found

    @property
    def unsolvable(self) -> int:
        """Held-out grounds that are left out."""
        return len(self.conditions.split("test", self.partition)) - len(self._grounds["test"])

    @cached_property
    def units(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation [outcomes] over training grounds."""
        y = self.table.outcomes[self._grounds["train"]].flatten(0, 1).double()
        return y.mean(0).float(), y.std(0, correction=0).clamp(min=1e-6).float()

    @cached_property
    def _y(self) -> Tensor:
        """[C, G, outcomes] in standard units of the training grounds."""
        mean, std = self.units
        return (self.table.outcomes - mean) / std

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """Episodes ``index`` [T]: in training of grounds by chance, else of each in turn; gaits of the library."""
        grounds = self._grounds[check_split(self, split)]
        check_counts(query=query)
        check_counts(least=0, shot=shot)
        count = len(self.table.gaits)
        if shot >= count:
            raise UserError(f"--shot is {shot}, but {self.spec.name} has {count} gaits. Ask for at most {count - 1}.")
        key = draw.keys(index, "strides", split, seed)
        turn = draw.bits(key, 1, "ground")[:, 0] if split == "train" else index.to(torch.int64)
        who = grounds[turn % len(grounds)]
        rank = draw.bits(key, count, "gaits")  # from the front the support, from the back the query
        return Task(
            support=self._examples(who, rank.topk(shot, largest=False).indices),
            query=self._examples(who, rank.topk(min(query, count - shot)).indices),
            classes=key.new_zeros((len(who), 0)),
            unit=who,
            key=key,
        )

    def _examples(self, who: Tensor, which: Tensor) -> Examples:
        y = self._y[who.unsqueeze(-1), which]
        return Examples(self.table.gaits[which], y, torch.ones(which.shape, dtype=torch.bool))

    def tasks(self, split: Split) -> WholeTasks:
        """Every ground with every gait of the library."""
        grounds = self._grounds[check_split(self, split)].tolist()
        there = torch.ones(len(self.table.gaits), dtype=torch.bool)
        return WholeTasks(len(grounds), lambda at: Examples(self.table.gaits, self._y[grounds[at]], there))

    def members(self, split: Split) -> frozenset[str] | None:
        name = self.spec.name.replace(f":partition={self.partition}", "")
        return frozenset(f"{name}/ground {at}" for at in self._grounds[check_split(self, split)].tolist())

    def choice(self, units: Tensor) -> Choice:
        """What may be tried on grounds ``units`` [T]."""
        mean, std = self.units
        speed = self.table.outcomes[units, :, 0]
        return Choice(self.table.gaits, self._y[units], speed, self.table.cem[units], -mean[0] / std[0], std[0])

    def grounds(self, split: Split) -> Tensor:
        """Numbers of the grounds of a split, which are the units of its episodes."""
        return self._grounds[check_split(self, split)]

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """Each [T]: ``speed_error``, in m/s, of the gaits that are chosen to go at ``COMMANDS``; ``nmse`` of the speed
        of queries, 1 being the variance over training grounds and gaits; ``mse`` of all outcomes; where there is an
        interval for 90 % of speeds, the share ``coverage90`` that it holds.

        The gait chosen is the one whose expected squared error from the speed asked for is least.
        """
        prediction = predict(task.query.x, task.query.mask)
        error = prediction[0] - task.query.y
        found = {
            "speed_error": self._commanded(predict, task),
            "nmse": masked_mean(error[..., 0].square(), task.query.mask),
            "mse": masked_mean(error.square().mean(-1), task.query.mask),
        }
        if hasattr(prediction, "std"):
            found["coverage90"] = held90(error[..., 0], prediction.std[..., 0], task.query.mask)
        return found

    def _commanded(self, predict: Predict, task: Task) -> Tensor:
        """[T] mean error of the speeds of the gaits that are chosen."""
        x = self.table.gaits.to(task.query.x).expand(len(task.unit), -1, -1)
        prediction = predict(x, x.new_ones(x.shape[:2], dtype=torch.bool))
        mean, std = (value.to(x) for value in self.units)
        spread = prediction.std[..., 0] * std[0] if hasattr(prediction, "std") else torch.zeros_like(x[..., 0])
        speed, asked = self._asked(task)
        return _missed(prediction[0][..., 0] * std[0] + mean[0], spread, speed, asked)

    def commands(self, units: Tensor) -> Tensor:
        """[T, commands] speeds, in metres a second, that are asked for on grounds ``units`` [T]."""
        return self.table.outcomes[units, :, 0].amax(1, keepdim=True).clamp(min=0) * torch.tensor(COMMANDS)

    def oracle(self, task: Task) -> Tensor:
        """[T] error of whoever knows what every gait of the library does."""
        speed, asked = self._asked(task)
        return _missed(speed, torch.zeros_like(speed), speed, asked)

    def _asked(self, task: Task) -> tuple[Tensor, Tensor]:
        """Speeds [T, G] of the library, and those that are asked for [T, commands]."""
        units = task.unit.cpu()
        return self.table.outcomes[units, :, 0].to(task.query.x), self.commands(units).to(task.query.x)


def _missed(mean: Tensor, spread: Tensor, speed: Tensor, asked: Tensor) -> Tensor:
    """[T] mean distance between ``asked`` [T, commands] and the ``speed`` [T, G] of the gaits chosen for it."""
    chosen = risk(mean.unsqueeze(1), spread.unsqueeze(1), asked.unsqueeze(-1)).argmin(-1)
    return (speed.gather(1, chosen) - asked).abs().mean(-1)


def risk(mean: Tensor, spread: Tensor, asked: Tensor) -> Tensor:
    """Expected squared distance from the speed ``asked`` for, of speeds with this mean and standard deviation."""
    return (mean - asked).square() + spread.square()


def body_named(name: str) -> Body:
    """A body by name, or from the MJCF file of one's own."""
    if name == "go1":
        return bodies.go1(held("robot_go1"))
    if name in bodies.BODIES:
        return bodies.BODIES[name]()
    path: Path = find(name)
    if path.suffix == ".xml" and not path.is_file():
        known = ", ".join(bodies.names())
        raise UserError(f"there is no file {path}. Give the path of an MJCF file, or one of {known}.")
    if path.is_file():
        return bodies.of_file(path)
    raise unknown("body of strides", name, bodies.names())
