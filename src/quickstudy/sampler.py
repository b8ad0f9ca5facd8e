"""The tasks of each meta-step: how many ways and shots they have, who draws them, and when."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import torch

from quickstudy.parallel import World
from quickstudy.plan import TrainConfig
from quickstudy.tasks import draw
from quickstudy.tasks.base import OnDevice, Task, TaskFamily, check_room


class Sampler:
    """Draws what a training is trained on, this process's share of it, a function of the seed and the step alone.

    A family that can draws on the device itself. Of any other, beside a GPU, the processor draws the next meta-step's
    tasks while this one's are computed with.
    """

    def __init__(self, family: TaskFamily, config: TrainConfig, device: torch.device, world: World) -> None:
        self.family, self.config, self.device, self.world = family, config, device, world
        self._place = device if isinstance(family, OnDevice) else torch.device("cpu")
        self._drawer = ThreadPoolExecutor(1) if self._place != device else None
        self.ahead: tuple[int, Future[Task]] | None = None
        """The meta-step whose tasks are being drawn."""

    def at(self, step: int) -> Task:
        """The tasks of that meta-step, on the device."""
        return self._drawn(step, self.way(step), self.shot(step)).to(self.device)

    def next(self, step: int, steps: int) -> Task:
        """The same, drawn during the last meta-step; those of the next of ``steps`` are begun."""
        if self._drawer is None:
            return self.at(step)
        now = self.ahead[1].result() if self.ahead and self.ahead[0] == step else None
        coming = step + 1
        if coming < steps:
            self.ahead = coming, self._drawer.submit(self._drawn, coming, self.way(coming), self.shot(coming))
        return self.at(step) if now is None else now.to(self.device)

    def shot(self, step: int) -> int:
        """Support examples of each class, or of a task, in that meta-step."""
        return self._between("shot", step, self.config.shot or 0, self.config.max_shot or 0)

    def way(self, step: int) -> int:
        """Classes in that meta-step's tasks."""
        return self._between("way", step, self.config.way or 0, self.config.most_ways or 0)

    def largest(self, step: int) -> Task:
        """Tasks as large as any that will be asked for, on the device; UserError if the family cannot give them."""
        c = self.config
        return self._drawn(step, c.most_ways or c.way or 0, c.max_shot or c.shot or 0).to(self.device)

    def _drawn(self, step: int, way: int, shot: int) -> Task:
        c = self.config
        share, first = self.world.share(c.tasks_per_step or 1), step * (c.tasks_per_step or 1)
        index = torch.arange(first + share.start, first + share.stop, device=self._place)
        size = {"way": way, "shot": shot, "query": c.query or 0}
        check_room(self.family.spec, len(index), **size)
        return self.family.sample("train", index, **size, seed=c.seed)

    def _between(self, what: str, step: int, least: int, most: int) -> int:
        if not most:
            return least
        drawn = int(draw.bits(draw.keys(torch.tensor(step), what, self.config.seed), 1, what))
        return least + drawn % (most - least + 1)
