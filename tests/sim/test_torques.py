"""HalfCheetah under torques, against MuJoCo stepping gymnasium's own file."""

import sys

import numpy as np
import pytest
import torch

from quickstudy.errors import UserError
from quickstudy.sim import pilot, torques
from quickstudy.sim.bodies import Condition, gymnasium_file
from quickstudy.sim.torques import HELD, Herd, reward

mujoco = pytest.importorskip("mujoco", reason="the extra robots is not installed")
pytest.importorskip("gymnasium", reason="the extra robots is not installed")
RNG = np.random.default_rng(0)
ORDERS = RNG.uniform(-1, 1, (1, 30, 6))


@pytest.fixture(scope="module")
def intact() -> Herd:
    return Herd([Condition()])


def test_an_intact_body_moves_as_gymnasiums(intact: Herd) -> None:
    start = intact.start([3])
    moved = intact.move(start, ORDERS)
    model = mujoco.MjModel.from_xml_path(str(gymnasium_file("half_cheetah.xml")))
    data = mujoco.MjData(model)
    data.qpos[1:], data.qvel[:] = start[0, :8], start[0, 8:]
    for number, order in enumerate(ORDERS[0]):
        data.ctrl[:] = order
        mujoco.mj_step(model, data, nstep=HELD)
        np.testing.assert_allclose(moved.states[0, number + 1], [*data.qpos[1:], *data.qvel], atol=1e-9)
    assert not moved.broken.any()
    np.testing.assert_allclose(moved.states[0, 0], start[0])


def test_a_step_at_a_time_is_the_same_motion(intact: Herd) -> None:
    states = intact.start([1])
    whole = intact.move(states, ORDERS).states[0]
    for number in range(5):
        states = intact.move(states, ORDERS[:, number : number + 1]).states[:, -1]
        np.testing.assert_allclose(states[0], whole[number + 1], atol=1e-5)


def test_dead_motors_do_nothing_and_reversed_ones_the_opposite() -> None:
    whole, dead, turned = (Condition(strength=(left, *[1.0] * 5)) for left in (1.0, 0.0, -1.0))
    herd = Herd([whole, dead, turned])
    start = herd.start([0]).repeat(3, 0)
    orders = np.zeros((3, 4, 6))
    orders[:, :, 0] = [[0.8], [0.8], [0.8]]
    moved = herd.move(start, orders).states
    opposite = Herd([whole]).move(start[:1], -orders[:1]).states
    still = Herd([whole]).move(start[:1], 0 * orders[:1]).states
    np.testing.assert_allclose(moved[1], still[0])
    np.testing.assert_allclose(moved[2], opposite[0])
    assert np.abs(moved[0] - moved[2]).max() > 0.1


def test_bodies_do_not_depend_on_their_neighbours() -> None:
    conditions = [Condition(slope=4.0), Condition(payload=0.5), Condition(friction=0.3)]
    herd = Herd(conditions)
    start = herd.start([0, 1, 2])
    orders = RNG.uniform(-1, 1, (3, 10, 6))
    together = herd.move(start, orders).states
    np.testing.assert_array_equal(together[1:2], Herd(conditions[1:2]).move(start[1:2], orders[1:2]).states)
    np.testing.assert_array_equal(together[[2, 2]], herd.move(start[[2, 2]], orders[[2, 2]], [2, 2]).states)


def test_torques_that_are_no_numbers_or_too_large_are_what_a_motor_makes_of_them(intact: Herd) -> None:
    start = intact.start([0])
    wild = np.full((1, 3, 6), 7.0)
    wild[0, 1], wild[0, 2] = np.nan, -np.inf
    sane = np.ones((1, 3, 6))
    sane[0, 1], sane[0, 2] = 0.0, -1.0
    np.testing.assert_array_equal(intact.move(start, wild).states, intact.move(start, sane).states)


@pytest.mark.parametrize("value", [np.nan, 1e12])
def test_a_body_that_blows_up_says_so_and_stays_where_it_was(value: float) -> None:
    herd = Herd([Condition(), Condition()])
    start = herd.start([0, 1])
    start[0, 9] = value
    moved = herd.move(start, ORDERS.repeat(2, 0))
    assert moved.broken.tolist() == [True, False]
    assert moved.states[1].shape == (31, 17)
    np.testing.assert_array_equal(moved.states[0, 1:], moved.states[0, :1].repeat(30, 0))


def test_a_pilot_gets_further_than_chance_and_writes_down_what_it_did(intact: Herd) -> None:
    start, noise = intact.start([0, 1, 2, 3]), torch.zeros(4, 40, 6)
    moved = pilot.run(intact, start, [0] * 4, noise, torch.Generator().manual_seed(0))
    again = intact.move(start, noise.double().numpy(), [0] * 4)
    np.testing.assert_allclose(moved.states[:, :10], again.states[:, :10], atol=1e-3)
    random = intact.move(start, RNG.uniform(-1, 1, (4, 40, 6)), [0] * 4)
    earned = [
        float(reward(torch.from_numpy(one.states[:, 1:]), torch.zeros(4, 40, 6)).sum(1).mean())
        for one in (moved, random)
    ]
    assert earned[0] > earned[1] + 20


def test_without_mujoco_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(UserError, match=r"pip install 'quickstudy\[robots\]'"):
        torques.Herd([Condition()])
