"""A robot of one's own: suggest a gait, run it, tell what was felt, with a history on disk that survives a crash.

    python examples/own_robot.py

The robot here is a function that stands for a real one: gait in, what was felt out, speed first, or None where it fell.
With a body of your own, load strides:body=mine.xml (MJCF) and send each gait to the machine instead.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from quickstudy import learners, tasks
from quickstudy.control.history import Candidates, Search, go
from quickstudy.tasks.robots.strides import Strides


class Robot:
    """Replays a ground that nothing in training was like; every fifth run is lost, as on real machines."""

    def __init__(self, family: Strides, ground: int) -> None:
        self.family, self.ground, self.runs = family, ground, 0

    def __call__(self, gait: Sequence[float]) -> list[float] | None:
        self.runs += 1
        if self.runs % 5 == 0:
            return None
        at = int((self.family.table.gaits == torch.tensor(gait)).all(-1).long().argmax())
        felt: list[float] = self.family.table.outcomes[self.ground, at].tolist()
        print(f"run {self.runs}: {felt[0]:+.2f} m/s, trunk tilted by {felt[1]:.2f} rad")
        return felt


def main(name: str = "strides:simulated=true", history: Path = Path("runs/own-robot.json"), tries: int = 8) -> float:
    """Speed of the best gait after ``tries`` tries; run again with the same history, it goes on with more."""
    family = tasks.load(name)
    assert isinstance(family, Strides)
    learner = learners.build("taskgp", family.spec, learners.configure("taskgp", {}), seed=0)
    learner.prepare(family.tasks("train"))
    robot = Robot(family, int(family.grounds("test")[0]))
    search = Search(learner, Candidates.of(family), history)
    best = go(search, robot, tries)
    assert best is not None
    print(f"best of {len(search.tries)} tries: gait {best.gait}, {best.outcome[0]:+.2f} m/s")
    print(f"for half that speed: frequency {search.at_speed(best.outcome[0] / 2)[0]:+.2f}, ...")
    return best.outcome[0]


if __name__ == "__main__":
    main()
