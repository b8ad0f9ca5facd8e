"""How hard to grip: a task is an object between two fingers, its support a few test lifts, its query the least force
that holds it through a lift and 2 s of shaking.

Rows are those of ``grips_rows.py``; the objects and their tries come from ``grips_objects.py``. In training the object
of each task is made heavier or lighter by up to ``wider``, and more or less slippery by up to its root: by Coulomb's
law its rows are then the same ones, moved (``moved``), so that learners meet more than was simulated.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.sim.gripper import GRAVITY, STRONGEST, WEAKEST
from quickstudy.sim.gripper_formula import FormulaGripper
from quickstudy.sim.gripper_mujoco import MuJoCoGripper
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
from quickstudy.tasks.robots import grips_rows
from quickstudy.tasks.robots.grips_objects import LIFTS, kept
from quickstudy.tasks.robots.grips_rows import SLIPPED, UNIT, Sensed, newtons, noisy

FOLDS = 5


class Grips:
    """Boxes of unlike mass and friction; over five partitions in a row each is tested once.

    ``objects`` outside the trained range, and of other shapes (cylinders and spheres), are there to be tested alone.
    A test lift is one of those that were simulated: in training of any force, or, as always in a test, of the one
    that is nearest to what follows from the lifts before (``next_force``).
    """

    def __init__(
        self,
        *,
        objects: Literal["inside", "outside", "shapes"] = "inside",
        partition: int = 0,
        wider: float = 4.0,
        simulated: bool = False,
    ) -> None:
        if partition < 0:
            raise UserError(f"the partition of grips is {partition}; it must be 0 or more.")
        if not 1 <= wider <= 100:
            raise UserError(f"wider of grips is {wider}; expected a number from 1, which changes nothing, to 100.")
        self.which, self.partition, self.wider = objects, partition, float(wider)
        self.splits: tuple[Split, ...] = ("train", "val", "test") if objects == "inside" else ("test",)
        self.gripper = FormulaGripper if simulated else MuJoCoGripper
        self.kept = kept(objects, self.gripper, "formula" if simulated else "mujoco")
        name = "grips" + f":objects={objects}" * (objects != "inside") + f":partition={partition}" * (partition > 0)
        name += f":wider={wider:g}" * (wider != 4) + ":simulated=true" * simulated
        self.spec = Spec(
            name=name,
            kind="regression",
            shape=(len(grips_rows.NAMES),),
            outputs=2,
            metric="rmse",
            shot_unit="test lift",
            form="lifts",
            names=grips_rows.NAMES,
            fingerprint=fingerprint(self.kept.need, self.kept.felt.load),
        )

    @cached_property
    def folds(self) -> dict[str, Tensor]:
        """Numbers of the objects of each split, in the order of a hash of their names and the repeat."""
        repeat, fold = divmod(self.partition, FOLDS)
        names = self.kept.names
        ordered = torch.tensor(sorted(range(len(names)), key=lambda i: draw.salt("fold", repeat, names[i])))
        if self.which != "inside":
            return {"test": ordered}
        place = torch.arange(len(names)) % FOLDS
        test, val = place == fold, place == (fold + 1) % FOLDS
        return {"train": ordered[~(test | val)], "val": ordered[val], "test": ordered[test]}

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        """Episodes ``index`` [T]: in training of objects by chance, else of each in turn."""
        check_split(self, split)
        check_counts(query=query)
        check_counts(least=0, shot=shot)
        able = self.folds[split]
        key = draw.keys(index, "grips", split, seed)
        training = split == "train"
        turn = draw.bits(key, 1, "object")[:, 0] if training else index.to(torch.int64)
        who = able[turn % len(able)]
        change = draw.uniform(key, 2, "wider", -1, 1) * (math.log2(self.wider) if training else 0.0)
        heavier, rougher = change[:, :1], change[:, 1:] / 2
        support = self._lifts(who, key, (heavier, rougher), shot, training)
        asked = draw.uniform(key, query, "asked", math.log(WEAKEST), math.log(STRONGEST)).exp()
        return Task(
            support=support,
            query=moved(self._shakes(who, asked), heavier, rougher),
            classes=key.new_zeros((len(who), 0)),
            unit=who,
            key=key,
        )

    def _lifts(self, who: Tensor, key: Tensor, by: tuple[Tensor, Tensor], shot: int, training: bool) -> Examples:
        """Test lifts one after the other [T, shot], of objects that are changed ``by`` so much (``moved``)."""
        rows: list[Examples] = []
        by_chance = (draw.uniform(key, 1, "by chance") < 0.5) & training
        anyhow = draw.bits(key, max(shot, 1), "which lift") % LIFTS
        for number in range(shot):
            wanted = next_force(rows, like=by[0])
            nearest = (
                (self.kept.force[who].log() - (wanted * (by[1] - by[0]).exp2()).log()).abs().argmin(-1, keepdim=True)
            )
            which = torch.where(by_chance, anyhow[:, number : number + 1], nearest)
            force = self.kept.force[who].gather(-1, which)
            felt = Sensed(*(leaf[who].gather(-1, which) for leaf in self.kept.felt))
            x, y = grips_rows.lifts(force, noisy(felt, key, f"lift {number}"))
            lift = Examples(x, y, torch.ones(x.shape[:2], dtype=torch.bool))
            rows.append(moved(lift, *by))
        if not rows:
            none = torch.zeros(len(who), 0, 2)
            return Examples(none, none, torch.zeros(len(who), 0, dtype=torch.bool))
        return Examples(*(torch.cat(leaves, 1) for leaves in zip(*rows, strict=True)))

    def _shakes(self, who: Tensor, force: Tensor) -> Examples:
        """The question, asked at ``force`` [T, n]."""
        weight = GRAVITY * torch.from_numpy(self.kept.objects.mass).float()[who].unsqueeze(-1)
        x, y = grips_rows.shakes(force, weight, self.kept.need[who].unsqueeze(-1))
        return Examples(x, y, torch.ones(x.shape[:2], dtype=torch.bool))

    def tasks(self, split: Split) -> WholeTasks:
        """Every object of the split with all its lifts, without noise, and the question at the force of each."""
        check_split(self, split)
        members = self.folds[split]

        def whole(number: int) -> Examples:
            who = members[number : number + 1]
            x, y = grips_rows.lifts(self.kept.force[who], Sensed(*(leaf[who] for leaf in self.kept.felt)))
            asked = self._shakes(who, self.kept.force[who])
            x, y = torch.cat([x, asked.x], 1)[0], torch.cat([y, asked.y], 1)[0]
            return Examples(x, y, torch.ones(len(x), dtype=torch.bool))

        return WholeTasks(len(members), whole)

    def members(self, split: Split) -> frozenset[str] | None:
        check_split(self, split)
        return frozenset(self.kept.names[number] for number in self.folds[split].tolist())

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        """Each [T], of the force needed, in doublings: ``rmse`` and ``mse``; where there is an interval for 90 % of
        them, the share ``coverage90`` that it holds and its mean ``width``."""
        prediction = predict(task.query.x, task.query.mask)
        error = (prediction[0] - task.query.y)[..., 1]
        mse = masked_mean(error.square(), task.query.mask)
        found = {"rmse": mse.sqrt(), "mse": mse}
        if hasattr(prediction, "std"):
            std = prediction.std[..., 1]
            found["coverage90"] = held90(error, std, task.query.mask)
            found["width"] = masked_mean(2 * NINETY * std, task.query.mask)
        return found


def moved(rows: Examples, heavier: Tensor, rougher: Tensor) -> Examples:
    """Those of objects heavier by so many doublings [T, 1], with a friction of so many more, gripped as much harder.

    Of F, m g and mu only 2 mu F / m g decides what slips, and how far: with m and mu changed, and F so that this stays
    the same, what is felt per force grows as mu does, and the force needed as F does.
    """
    x = torch.stack([rows.x[..., 0], rows.x[..., 1] + heavier - rougher], -1)
    return rows._replace(x=x, y=torch.stack([rows.y[..., 0] + rougher, rows.y[..., 1]], -1))


def next_force(lifts: list[Examples], like: Tensor) -> Tensor:
    """[T, 1] N, of the test lift after those ``lifts`` [T, 1] each; nobody's belief is asked.

    The first has ``UNIT``. Then a force that slipped is made 3 times as strong and one that held 3 times as weak, until
    both have been seen; from then on it lies halfway between the strongest that slipped and the weakest that held.
    """
    if not lifts:
        return torch.full_like(like, UNIT)
    force, felt = torch.cat([lift.x for lift in lifts], 1)[..., 1], torch.cat([lift.y for lift in lifts], 1)[..., 1]
    slipped = felt > SLIPPED
    far = math.log2(3)
    weak = torch.where(slipped, force, -math.inf).amax(-1, keepdim=True)
    strong = torch.where(slipped, math.inf, force).amin(-1, keepdim=True)
    weak, strong = (
        torch.where(weak.isinf(), strong - 2 * far, weak),
        torch.where(strong.isinf(), weak + 2 * far, strong),
    )
    return newtons((weak + strong) / 2)
