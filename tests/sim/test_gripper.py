"""The gripper: Coulomb's law in the formulas, nearly so in MuJoCo, and tries that fail."""

import sys
from typing import Any

import numpy as np
import pytest

from quickstudy.errors import UserError
from quickstudy.sim import gripper_mujoco
from quickstudy.sim.gripper import (
    DROPPED,
    GRAVITY,
    LIFTED,
    SHAKEN,
    SHAKING,
    STRONGEST,
    Gripper,
    Objects,
    coulomb_need,
    height,
    needed,
)
from quickstudy.sim.gripper_formula import FormulaGripper
from quickstudy.sim.gripper_mujoco import STEP, MuJoCoGripper

SIX = Objects(np.array([0.1, 0.4, 1.0, 0.2, 0.3, 0.5]), np.array([1.0, 0.5, 0.25, 0.3, 0.6, 0.8]), np.arange(6) // 2)


@pytest.fixture(params=[FormulaGripper, MuJoCoGripper])
def hand(request: pytest.FixtureRequest) -> Gripper:
    if request.param is MuJoCoGripper:
        pytest.importorskip("mujoco")
    made: Gripper = request.param(SIX)
    return made


def test_the_gripper_rises_at_an_even_speed_and_is_shaken_as_said() -> None:
    time = np.arange(0, SHAKEN, 1e-4)
    speed = np.gradient(height(time), 1e-4)
    assert np.abs(np.diff(speed)).max() < 1e-3  # nothing jerks, at the end of the lift either
    upward = np.gradient(speed, 1e-4)
    assert upward[time > LIFTED + 0.01].max() == pytest.approx(SHAKING, rel=1e-3)


def test_the_force_that_is_needed_is_about_that_of_coulombs_law(hand: Gripper) -> None:
    ratio = needed(hand) / coulomb_need(SIX)
    assert (ratio > 0.85).all()
    assert (ratio < 1.03).all()
    assert hand.blown == 0


def test_more_than_is_needed_holds_and_less_does_not(hand: Gripper) -> None:
    need = needed(hand)
    for times in (1.0, 1.2, 1.7, 2.5):
        assert (hand.shake(times * need) <= DROPPED).all()
    assert (hand.shake(need / 1.1) > DROPPED).all()


def test_what_the_strongest_grip_does_not_hold_needs_more_than_any_force() -> None:
    heavy = Objects(np.array([3.0, 0.1]), np.array([0.1, 0.5]), np.zeros(2, np.int64))
    need = needed(FormulaGripper(heavy))
    assert coulomb_need(heavy)[0] > STRONGEST
    assert np.isinf(need[0])
    assert need[1] == pytest.approx(coulomb_need(heavy)[1], rel=0.02)


def test_lifts_that_hold_carry_the_weight_and_lifts_that_slip_tell_friction(hand: Gripper) -> None:
    need, weight = coulomb_need(SIX), SIX.mass * GRAVITY
    felt = hand.lift(need[:, None] * np.array([0.4, 1.5]))
    assert felt.load[:, 1] == pytest.approx(weight, rel=0.06)
    assert (felt.load / felt.touch)[:, 0] == pytest.approx(2 * SIX.friction, rel=0.15)
    assert (felt.slip[:, 0] > 0.02).all()
    assert (felt.slip[:, 1] < 0.003).all()
    assert felt.touch == pytest.approx(need[:, None] * np.array([0.4, 1.5]), rel=0.15)


def test_an_object_feels_the_same_whoever_is_tried_beside_it() -> None:
    pytest.importorskip("mujoco")
    alone, together = MuJoCoGripper(SIX.at(slice(2, 3))), MuJoCoGripper(SIX)
    force = np.full((6, 1), 9.0)
    for one, other in zip(alone.lift(force[:1]), together.lift(force), strict=True):
        assert np.array_equal(one, other[2:3])
    assert np.array_equal(alone.shake(force[:1, 0]), together.shake(force[2:3, 0], np.array([2])))


def test_a_simulation_that_fails_counts_as_a_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("mujoco")
    rollout = library.rollout.rollout

    def failing(*arguments: Any) -> Any:
        state, sensed = rollout(*arguments)
        state[0, 50:] = np.nan  # what MuJoCo makes of a bad acceleration: numbers that are none, or a new beginning
        state[1, 50:, 0] = STEP * np.arange(state.shape[1] - 50)
        return state, sensed

    monkeypatch.setattr(gripper_mujoco.mujoco().rollout, "rollout", failing)
    hand = MuJoCoGripper(SIX)
    assert (hand.shake(np.full(6, 60.0)) > DROPPED).tolist() == [True, True, False, False, False, False]
    assert hand.blown == 2
    felt = hand.lift(np.full((6, 1), 60.0))
    assert felt.load[:2].tolist() == [[0], [0]]
    assert (felt.slip[:2] > DROPPED).all()
    assert hand.blown == 4


def test_without_mujoco_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(UserError, match=r"quickstudy\[robots\]"):
        MuJoCoGripper(SIX)
