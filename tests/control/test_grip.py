"""Test lifts that go where there is more to learn, margins that validation objects settle, grips that hold."""

import numpy as np
import pytest
import torch

from quickstudy import learners, tasks
from quickstudy.control import grip
from quickstudy.control.grip import Belief
from quickstudy.learners import Learner
from quickstudy.sim.gripper import CRUSHED, STRONGEST, Objects, coulomb_need
from quickstudy.sim.gripper_formula import FormulaGripper
from quickstudy.tasks.base import Examples
from quickstudy.tasks.robots.grips_rows import UNIT, doublings

FAMILY = tasks.load("grips:simulated=true")
OBJECTS = Objects(np.geomspace(0.1, 1, 30), np.geomspace(0.9, 0.25, 30), np.zeros(30, np.int64))
NEED = torch.from_numpy(coulomb_need(OBJECTS)).float()


@pytest.fixture(scope="module")
def estimator() -> Learner:
    made = learners.build("frictiongrip", FAMILY.spec, learners.configure("frictiongrip", {}), 0)
    made.prepare(FAMILY.tasks("train"))
    return made


def test_four_lifts_and_a_margin_hold_nearly_everything(estimator: Learner) -> None:
    gripper = FormulaGripper(OBJECTS)
    tries = grip.explore(estimator, gripper, grip.keys(30, 0))
    margins = grip.settle(tries, NEED)
    force = grip.grip(tries.beliefs[-1], margins[-1])
    assert grip.succeeds(force, NEED).float().mean() > 0.95
    assert torch.equal(grip.shaken(gripper, force), force >= NEED)
    errors = [float(grip.error(belief, NEED).mean()) for belief in tries.beliefs]
    assert errors[4] < 0.15 < errors[0]
    assert (tries.forces[:, 0] == UNIT).all()


def test_the_same_noise_gives_the_same_tries_whoever_is_tried_beside(estimator: Learner) -> None:
    one = grip.explore(estimator, FormulaGripper(OBJECTS), grip.keys(30, 0))
    same = grip.explore(estimator, FormulaGripper(OBJECTS.at(slice(4, 5))), grip.keys(30, 0)[4:5])
    torch.testing.assert_close(one.lifts.y[4:5], same.lifts.y)
    other = grip.explore(estimator, FormulaGripper(OBJECTS), grip.keys(30, 1))
    assert not torch.equal(one.lifts.y, other.lifts.y)


def lifts(forces: list[float], slips: list[float]) -> Examples:
    x = torch.tensor([[[0.0, float(doublings(torch.tensor(force)))] for force in forces]])
    y = torch.tensor([[[0.0, 5.0 * slip] for slip in slips]])
    return Examples(x, y, torch.ones(1, len(forces), dtype=torch.bool))


def believed(force: float, std: float = torch.nan) -> Belief:
    return Belief(doublings(torch.tensor([force])), torch.tensor([std]))


def test_the_next_lift_is_of_the_kind_that_was_seen_less() -> None:
    assert grip.next_force(lifts([4], [0]), believed(3.0, 0.1)).item() < 4 / 2.8 + 1e-4
    assert grip.next_force(lifts([4], [1]), believed(5.0, 0.1)).item() >= 4 * 2.8
    both = lifts([4, 12], [1, 0])
    assert 4 < grip.next_force(both, believed(15.0, 0.1)).item() < 15 / 1.5
    assert grip.next_force(lifts([4, 12, 5], [1, 0, 1]), believed(10.0, 0.1)).item() == pytest.approx(10 * 2**0.1)
    surer, less_sure = (grip.next_force(lifts([4], [0]), believed(3.0, std)) for std in (0.1, 2.0))
    assert less_sure < surer


def test_the_margin_is_the_least_with_which_most_succeed() -> None:
    need = torch.tensor([4.0, 4.0, 4.0])
    mean = doublings(torch.tensor([4.0, 4.0 / 1.2, 4.0 / 1.5]))
    exact, uncertain = Belief(mean, torch.full((3,), torch.nan)), Belief(mean, torch.full((3,), 0.25))
    tries = grip.Tries(lifts([], []), (exact, uncertain))
    margins = grip.settle(tries, need)
    assert margins[0] == pytest.approx(float(np.log2(1.5)), abs=0.05)
    assert margins[1] == pytest.approx(4 * float(np.log2(1.5)), abs=0.05)
    for belief, margin in zip(tries.beliefs, margins, strict=True):
        assert grip.succeeds(grip.grip(belief, margin), need).all()
        assert not grip.succeeds(grip.grip(belief, margin - 0.06), need).all()


def test_success_is_neither_a_drop_nor_a_crush_and_no_grip_is_stronger_than_the_gripper() -> None:
    need = torch.tensor([10.0])
    shares = [bool(grip.succeeds(torch.tensor([force]), need)) for force in (9.9, 10.1, 24.9, 25.1)]
    assert shares == [False, True, True, False]
    assert CRUSHED == 2.5
    assert grip.grip(believed(70.0), 1.0).item() == STRONGEST
