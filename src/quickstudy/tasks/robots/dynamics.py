"""What a body does next: a task is a HalfCheetah with something wrong with it, its support the last steps of its own
motion, its query the steps that follow. Nagabandi, Clavera, Liu, Fearing, Abbeel, Levine, Finn (2019), "Learning to
Adapt in Dynamic, Real-World Environments Through Meta-Reinforcement Learning".

An example is a step of a twentieth of a second: x is state and torques, y how the state changes (``motion_rows.py``).
The support has the newest step first; queries are in the order of time. Bodies are held out by what is wrong with them
(``damages.py``), and everything was simulated once (``motion_table.py``).
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.sim.bodies import Condition
from quickstudy.sim.torques import JOINTS, STATE
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
from quickstudy.tasks.places import notice
from quickstudy.tasks.robots import motion_twin
from quickstudy.tasks.robots.conditions import held_joints, leaks
from quickstudy.tasks.robots.damages import HARMS, damages, harm
from quickstudy.tasks.robots.motion_rows import NAMES, Units, actions_of
from quickstudy.tasks.robots.motion_table import SMALL, USUAL, Motions, motions

LEAD = 32
"""Steps that there are before every query that is judged: the most shots."""


class Dynamics:
    """Motions of damaged bodies. Over three partitions in a row each joint is held out once.

    ``small`` simulates little, in seconds; ``simulated`` needs no simulator: arithmetic of the same format.
    """

    splits: tuple[Split, ...] = ("train", "val", "test")
    wrong: tuple[str, ...] = (*HARMS, "outside")
    """With bodies that are held out."""

    def __init__(self, *, partition: int = 0, small: bool = False, simulated: bool = False) -> None:
        if partition < 0:
            raise UserError(f"the partition of dynamics is {partition}; it must be 0 or more.")
        self.partition = partition
        size = SMALL if small or simulated else USUAL
        self.conditions = damages(len(JOINTS), size.count)
        self.motions: Motions = (
            motion_twin.simulated(self.conditions) if simulated else motions(self.conditions, size, small)
        )
        flags = {"small": small and not simulated, "simulated": simulated}
        name = "dynamics" + f":partition={partition}" * bool(partition)
        self.spec = Spec(
            name=name + "".join(f":{option}=true" for option, on in flags.items() if on),
            kind="regression",
            shape=(len(NAMES),),
            outputs=STATE,
            metric="nmse",
            shot_unit="step",
            names=NAMES,
            fingerprint=self.motions.fingerprint,
        )
        self._check()

    def _check(self) -> None:
        """Nothing held out is trained on."""
        held = held_joints(self.conditions.joints, self.partition)
        learnt = torch.cat([self._bodies["train"], self._bodies["val"]])
        if wrong := leaks(self.conditions, learnt, self._bodies["test"], held):
            raise AssertionError("; ".join(wrong))
        if self.motions.blew_up:
            notice(f"{self.spec.name}: left out {self.motions.blew_up} trajectories that blew up.")

    @cached_property
    def _bodies(self) -> dict[str, Tensor]:
        """Numbers of the bodies of each split that have a trajectory."""
        there = self.motions.count > 0
        found = {split: self.conditions.split(split, self.partition) for split in self.splits}
        return {split: which[there[which]] for split, which in found.items()}

    @cached_property
    def units(self) -> Units:
        """Moments of training bodies."""
        who = self._bodies["train"]
        good = self.motions.count[who].unsqueeze(-1) > torch.arange(self.motions.good.shape[1])
        return Units.of(self.motions.states[who.unsqueeze(-1), self.motions.good[who]][good])

    @cached_property
    def _rows(self) -> tuple[Tensor, Tensor]:
        """x [C, N, steps, 24] and y [C, N, steps, 17] of every step."""
        states = self.motions.states
        x = self.units.inputs(states[:, :, :-1], self.motions.actions)
        return x, self.units.changes(states[:, :, :-1], states[:, :, 1:])

    def bodies(self, split: Split) -> Tensor:
        """Numbers of the bodies of a split, which are the units of its episodes."""
        return self._bodies[check_split(self, split)]

    def condition(self, number: int) -> Condition:
        """What is wrong with a body."""
        return self.conditions.all[number]

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """Episodes ``index`` [T]: windows at random of bodies, in training by chance, else of each in turn.

        Before the queries of validation and test there are ``LEAD`` steps, however few of them are known.
        """
        bodies = self.bodies(split)
        check_counts(query=query)
        check_counts(least=0, shot=shot)
        steps = self.motions.actions.shape[2]
        if shot > LEAD or query > steps - LEAD:
            raise UserError(
                f"--shot is {shot} and --query {query}, but {self.spec.name} has {LEAD} steps before what is asked "
                f"about and {steps - LEAD} after. Ask for fewer."
            )
        key = draw.keys(index, "dynamics", split, seed)
        turn = draw.bits(key, 1, "body")[:, 0] if split == "train" else index.to(torch.int64)
        who = bodies[turn % len(bodies)]
        which = self.motions.good[who, draw.bits(key, 1, "trajectory")[:, 0] % self.motions.count[who]]
        first = shot if split == "train" else LEAD
        now = first + draw.bits(key, 1, "moment")[:, 0] % (steps - query - first + 1)
        return Task(
            support=self._examples(who, which, now.unsqueeze(-1) - 1 - torch.arange(shot)),
            query=self._examples(who, which, now.unsqueeze(-1) + torch.arange(query)),
            classes=key.new_zeros((len(who), 0)),
            unit=who,
            key=key,
        )

    def _examples(self, who: Tensor, which: Tensor, at: Tensor) -> Examples:
        x, y = self._rows
        place = (who.unsqueeze(-1), which.unsqueeze(-1), at)
        return Examples(x[place], y[place], torch.ones(at.shape, dtype=torch.bool))

    def tasks(self, split: Split) -> WholeTasks:
        """Every body with all its steps."""
        bodies = self.bodies(split).tolist()

        def whole(number: int) -> Examples:
            good = self.motions.good[bodies[number], : int(self.motions.count[bodies[number]])]
            x, y = (rows[bodies[number], good].flatten(0, 1) for rows in self._rows)
            return Examples(x, y, torch.ones(len(x), dtype=torch.bool))

        return WholeTasks(len(bodies), whole)

    def members(self, split: Split) -> frozenset[str] | None:
        name = self.spec.name.replace(f":partition={self.partition}", "")
        return frozenset(f"{name}/body {at}" for at in self.bodies(split).tolist())

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """Each [T]: ``nmse`` of the changes in one step, 1 being their variance in training; ``rollout``, the squared
        error of the state after all steps of the query, 1 being the variance of training states, reached from the
        first by a learner's own answers and the torques there were; both again for bodies with a dead, weak or reversed
        motor and for those outside the trained range, NaN for all others; where there are intervals for 90 %, the share
        ``coverage90`` that they hold.
        """
        prediction = predict(task.query.x, task.query.mask)
        error = prediction[0] - task.query.y
        found = {
            "nmse": masked_mean(error.square().mean(-1), task.query.mask),
            "rollout": self.rolled(predict, task.query),
        }
        kinds = self.kinds[task.unit.cpu()].to(error.device)
        more = {
            f"{metric}_{kind}": torch.where(kinds == at, value, torch.nan)
            for metric, value in found.items()
            for at, kind in enumerate(self.wrong)
        }
        if hasattr(prediction, "std"):
            found["coverage90"] = self._held(error, prediction.std, task.query.mask)
        return found | more

    @staticmethod
    def _held(error: Tensor, std: Tensor, mask: Tensor) -> Tensor:
        """[T] share of all numbers within their intervals."""
        return held90(error.flatten(1), std.flatten(1), mask.repeat_interleave(error.shape[-1], 1))

    @cached_property
    def kinds(self) -> Tensor:
        """[C] place of what is wrong with each body in ``wrong``; -1 of intact ones."""
        names = [harm(self.conditions, at) or self.conditions.kind[at] for at in range(len(self.conditions.all))]
        return torch.tensor([self.wrong.index(name) if name in self.wrong else -1 for name in names])

    def rolled(self, predict: Predict, query: Examples) -> Tensor:
        """[T] error of the state after the last step of ``query`` [T, n], which has no padding."""
        units = Units(*(value.to(query.x) for value in self.units))
        believed = units.states(query.x[:, 0])
        true = believed + (query.y * units.change).sum(1)
        for action in actions_of(query.x).unbind(1):
            x = units.inputs(believed, action).unsqueeze(1)
            believed = units.advance(believed, predict(x, x.new_ones(x.shape[:2], dtype=torch.bool))[0][:, 0])
        return units.error(believed, true)
