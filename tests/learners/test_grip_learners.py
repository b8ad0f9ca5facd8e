"""Rules and the estimator for grips: closed forms on objects that obey Coulomb's law."""

import pytest
import torch
from torch import Tensor

from quickstudy import learners, tasks
from quickstudy.learners import Learner
from quickstudy.sim.gripper import CRUSHED, GRAVITY, SHAKING, STRONGEST
from quickstudy.tasks.base import Examples
from quickstudy.tasks.robots import grips_rows
from quickstudy.tasks.robots.grips_rows import UNIT, Sensed

FAMILY = tasks.load("grips:simulated=true")


def build(name: str) -> Learner:
    made = learners.build(name, FAMILY.spec, learners.configure(name, {}), 0)
    made.prepare(FAMILY.tasks("train"))
    return made


def lifted(forces: list[float], mass: float, friction: float) -> Examples:
    """Test lifts of an object, without noise."""
    force = torch.tensor(forces)
    slipped = 2 * friction * force < mass * GRAVITY
    load = torch.where(slipped, 2 * friction * force, torch.full_like(force, mass * GRAVITY))
    x, y = grips_rows.lifts(force, Sensed(force, load, 0.05 * slipped))
    return Examples(x, y, torch.ones(len(force), dtype=torch.bool))


def force(learner: Learner, support: Examples, asked: float = 7.0) -> Tensor:
    x = torch.tensor([[1.0, torch.tensor(asked / UNIT).log2()]])
    found = learner.predict(learner.adapt(support), x, torch.ones(1, dtype=torch.bool))[0]
    return asked * found[0, 1].exp2()


def test_the_estimator_is_coulombs_law() -> None:
    support = lifted([1.0, 2.0, 9.0, 20.0], mass=0.4, friction=0.5)
    need = 0.4 * (GRAVITY + SHAKING) / (2 * 0.5)
    for asked in (1.0, 30.0):
        assert force(build("frictiongrip"), support, asked).item() == pytest.approx(need, rel=1e-4)


def test_where_nothing_slipped_the_estimator_takes_the_friction_that_was_seen() -> None:
    found = force(build("frictiongrip"), lifted([9.0, 6.0], mass=0.4, friction=0.9))
    assert found.item() == pytest.approx(6.0 * (1 + SHAKING / GRAVITY), rel=1e-4)


def test_the_reactive_rule_takes_the_weakest_that_held() -> None:
    rule = build("reactivegrip")
    assert force(rule, lifted([4.0, 1.0, 9.0, 20.0], 0.4, 0.5)).item() == pytest.approx(1.5 * 4.0, rel=1e-4)
    assert force(rule, lifted([1.0, 2.0], 0.4, 0.5)).item() == pytest.approx(4.0, rel=1e-4)
    assert force(rule, lifted([], 0.4, 0.5)).item() == pytest.approx(UNIT)


def test_the_fixed_force_suits_more_training_objects_than_any_other() -> None:
    need = torch.tensor([float(UNIT * (task.x[-1, 1] + task.y[-1, 1]).exp2()) for task in FAMILY.tasks("train")])
    chosen = force(build("fixedgrip"), lifted([], 0.4, 0.5))
    grid = torch.cat([torch.logspace(-1, 2, 2000), chosen.reshape(1) + 1e-4])
    share = ((need <= grid[:, None]) & (grid[:, None] <= CRUSHED * need)).float().mean(-1)
    assert share[-1] >= share.max() - 1e-6


def test_the_strongest_grip_is_the_strongest() -> None:
    assert force(build("maxgrip"), lifted([3.0], 0.4, 0.5)).item() == pytest.approx(STRONGEST, rel=1e-4)
