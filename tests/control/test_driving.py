"""Bodies that are driven: what they remember, what a planner sees, and what counts."""

import numpy as np
import pytest
import torch
from torch import Tensor

from quickstudy import learners, tasks
from quickstudy.control import driving
from quickstudy.control.driving import MEMORY, believed, drive, newest, nothing
from quickstudy.control.planner import Planning
from quickstudy.learners import Learner
from quickstudy.learners.base import Adapted, Point, Traits
from quickstudy.sim.bodies import Condition
from quickstudy.sim.torques import JOINTS, SPEED, STATE, Herd, Moved, reward
from quickstudy.tasks.base import Examples
from quickstudy.tasks.robots.dynamics import Dynamics

QUICK = Planning(horizon=4, samples=8, rounds=2, elites=2)


class Sum(Learner):
    """Says that the forward speed grows by the first torque, and remembers how many steps it was given."""

    traits = Traits(kinds=("regression",))

    def adapt(self, support: Examples, steps: int | None = None) -> Adapted:
        return {"given": support.mask.sum().float().reshape(1), "newest": support.x[:1].flatten()}

    def predict(self, adapted: Adapted, x: Tensor, mask: Tensor) -> Point:
        gain = x[:, -len(JOINTS)].unsqueeze(-1) * torch.nn.functional.one_hot(torch.tensor(SPEED), STATE)
        return Point(gain + 0 * adapted["given"])


@pytest.fixture(scope="module")
def family() -> Dynamics:
    found = tasks.load("dynamics:simulated=true")
    assert isinstance(found, Dynamics)
    return found


def test_the_newest_step_is_remembered_first_and_the_oldest_forgotten(family: Dynamics) -> None:
    past = nothing(2, family.units)
    assert past.mask.shape == (2, MEMORY)
    for number in range(MEMORY + 3):
        past = newest(past, torch.full((2, 24), float(number)), torch.full((2, 17), float(number)))
        assert past.mask.sum(1).tolist() == [min(number + 1, MEMORY)] * 2
    assert past.x[0, :, 0].tolist() == [float(MEMORY + 2 - at) for at in range(MEMORY)]
    assert newest(nothing(2, family.units, 0), torch.zeros(2, 24), torch.zeros(2, 17)).x.shape == (2, 0, 24)


def test_what_is_believed_of_a_sequence_is_the_sum_of_its_rewards(family: Dynamics) -> None:
    learner, units = Sum(family.spec, None), family.units
    states = family.motions.states[0, :2, 10]
    sequences = 0.1 * torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    adapted = driving.adapt(learner, nothing(2, units))
    found = believed(learner, adapted, units)(states, sequences)
    speed = states[:, None, None, SPEED] + (sequences[..., 0] * units.change[SPEED]).cumsum(-1)
    torch.testing.assert_close(found, (speed - 0.1 * sequences.square().sum(-1)).sum(-1))


def test_states_stay_within_what_training_bodies_did(family: Dynamics) -> None:
    learner, units = Sum(family.spec, None), family.units
    adapted = driving.adapt(learner, nothing(1, units))
    fast = torch.zeros(1, 1, 50, 6)
    fast[..., 0] = 1.0
    found = believed(learner, adapted, units)(family.motions.states[:1, 0, 0], fast)
    assert found.item() < 50 * units.high[SPEED].item()


def simulated_or_skipped() -> None:
    pytest.importorskip("mujoco", reason="the extra robots is not installed")
    pytest.importorskip("gymnasium", reason="the extra robots is not installed")


def test_an_episode_earns_what_its_steps_do_and_does_not_depend_on_its_neighbours(family: Dynamics) -> None:
    simulated_or_skipped()
    learner = Sum(family.spec, None)
    conditions = [Condition(), Condition(slope=5.0)]
    both = drive(learner, family.units, conditions, [4, 5], how=QUICK, steps=6)
    alone = drive(learner, family.units, conditions[1:], [5], how=QUICK, steps=6)
    torch.testing.assert_close(both.returns[1:], alone.returns)
    torch.testing.assert_close(both.states[1:], alone.states)
    assert both.states.shape == (2, 7, 17)
    assert not both.blew_up.any()
    assert both.hertz > 0
    assert both.error.isfinite().all()
    np.testing.assert_allclose(both.states[0, 0], Herd([Condition()]).start([4])[0], rtol=1e-5)


def test_the_oracle_earns_more_than_standing_still(family: Dynamics) -> None:
    simulated_or_skipped()
    found = drive(None, family.units, [Condition()], [0], how=Planning(horizon=8, samples=16, rounds=1), steps=30)
    assert found.returns.item() > 5
    assert found.error.isnan().all()


def test_a_body_that_blows_up_ends_its_episode_and_is_counted(
    family: Dynamics, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated_or_skipped()
    calls = 0

    def move(herd: Herd, states: Tensor, actions: Tensor, which: object = None) -> Moved:
        nonlocal calls
        calls += 1
        there = np.stack([states, states + 0.01], 1)
        return Moved(there, np.array([calls == 2, False]))

    monkeypatch.setattr(Herd, "move", move)
    found = drive(Sum(family.spec, None), family.units, [Condition()] * 2, [0, 1], how=QUICK, steps=5)
    assert found.blew_up.tolist() == [True, False]
    assert found.returns.isfinite().all()
    ended, went_on = found.states[0], found.states[1]
    assert torch.equal(ended[2:], ended[2:3].expand(4, -1))
    assert (went_on.diff(dim=0)[:, 0] > 0.005).all()


def test_a_learner_that_is_not_to_adapt_is_given_nothing(family: Dynamics, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated_or_skipped()
    given = []
    adapt = driving.adapt

    def noted(learner: Learner, past: Examples) -> Adapted:
        given.append(int(past.mask.sum()))
        return adapt(learner, past)

    monkeypatch.setattr(driving, "adapt", noted)
    learner = learners.build("cnp", family.spec, learners.configure("cnp", {"width": 8}), 0).eval()
    for adapts, expected in ((True, [0, 1, 2]), (False, [0, 0, 0])):
        given.clear()
        drive(learner, family.units, [Condition()], [0], how=QUICK, steps=3, adapts=adapts)
        assert given == expected


def test_the_reward_is_gymnasiums() -> None:
    states, actions = torch.zeros(2, 17), torch.ones(2, 6)
    states[1, SPEED] = 2.0
    torch.testing.assert_close(reward(states, actions), torch.tensor([-0.6, 1.4]))
