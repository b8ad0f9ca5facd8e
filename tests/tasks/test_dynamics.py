"""Motions of damaged bodies: who is held out, what a window is, what is scored; mostly on arithmetic in place of a
simulator."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.learners.base import Gaussian, Point
from quickstudy.sim.torques import JOINTS, PITCH
from quickstudy.tasks.base import Predict, Task
from quickstudy.tasks.robots import motion_table, motion_twin
from quickstudy.tasks.robots.conditions import held_joints, leaks
from quickstudy.tasks.robots.damages import HARMS, Count, damages, harm
from quickstudy.tasks.robots.dynamics import LEAD, Dynamics
from quickstudy.tasks.robots.motion_rows import NAMES, actions_of
from quickstudy.tasks.robots.motion_table import SMALL, USUAL, Size, listed

TWIN = "dynamics:simulated=true"


@pytest.fixture(scope="module")
def twin() -> Dynamics:
    found = tasks.load(TWIN)
    assert isinstance(found, Dynamics)
    return found


def sample(family: Dynamics, count: int = 9, shot: int = 16, query: int = 15, seed: int = 0) -> Task:
    return family.sample("test", torch.arange(count), way=0, shot=shot, query=query, seed=seed)


def knowing(family: Dynamics, task: Task) -> Predict:
    """Answers of whoever knows the arithmetic and each body."""
    known = motion_twin.numbers(family.conditions)[task.unit].unsqueeze(1)

    def predict(x: Tensor, mask: Tensor) -> Point:
        states = family.units.states(x)
        after = motion_twin.moved(known, states, actions_of(x).unsqueeze(-2))[..., -1, :]
        return Point(family.units.changes(states, after))

    return predict


@pytest.mark.parametrize("partition", range(4))
@pytest.mark.parametrize("size", [USUAL, SMALL])
def test_no_damage_that_is_held_out_is_trained_on(size: Size, partition: int) -> None:
    found = damages(len(JOINTS), size.count)
    held = held_joints(len(JOINTS), partition)
    train, val, test = (found.split(split, partition) for split in tasks.SPLITS)
    assert not leaks(found, torch.cat([train, val]), test, held)
    assert len(train) + len(val) + len(test) == len(found.all)
    assert {harm(found, at) for at in train.tolist()} == {"", *HARMS}
    assert {harm(found, at) for at in test.tolist()} == {"", *HARMS}
    broken = {found.joint[at] for at in torch.cat([train, val]).tolist()}
    assert not broken & held
    for at in test.tolist():
        assert found.joint[at] in held or found.kind[at] == "outside"


def test_leaks_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = damages(len(JOINTS), USUAL.count)
    held = held_joints(len(JOINTS), 0)
    train, test = found.split("train", 0), found.split("test", 0)
    for harmed in HARMS:
        at = next(at for at in test.tolist() if harm(found, at) == harmed)
        assert "breaks joint" in leaks(found, torch.tensor([at]), test[:0], held)[0]
    assert leaks(found, torch.cat([train, test[:1]]), test, held)
    monkeypatch.setattr("quickstudy.tasks.robots.dynamics.held_joints", lambda joints, _: frozenset(range(joints)))
    with pytest.raises(AssertionError, match="breaks joint"):
        tasks.load(TWIN)


def test_harms_are_what_they_are_called() -> None:
    found = damages(6, Count(intact=2, damaged=3, outside=1))
    for at, one in enumerate(found.all):
        left = [value for joint, value in enumerate(one.strength) if joint == found.joint[at]]
        others = [value for joint, value in enumerate(one.strength) if joint != found.joint[at]]
        assert set(others) == {1.0}
        assert one.bumps == 0
        low, high = {"": (1, 1), "dead": (0, 0), "weak": (0.1, 0.5), "reversed": (-1, -0.6)}[harm(found, at)]
        assert all(low <= value <= high for value in left)


def test_members_of_splits_are_apart_whatever_the_partition(twin: Dynamics) -> None:
    train, val, test = (twin.members(split) or frozenset() for split in tasks.SPLITS)
    assert min(len(train), len(val), len(test)) > 0
    assert not train & test | train & val | val & test
    other = tasks.load(f"{TWIN}:partition=1")
    assert (other.members("train") or frozenset()) & test  # the names are the same there, so that leaks are found


def test_a_window_is_one_motion_whose_newest_steps_come_first(twin: Dynamics) -> None:
    task = sample(twin)
    states = twin.units.states(torch.cat([task.support.x.flip(1), task.query.x], 1))
    y = torch.cat([task.support.y.flip(1), task.query.y], 1)
    after = states + y * twin.units.change
    wrapped = torch.remainder(after[:, :-1] - states[:, 1:] + math.pi, 2 * math.pi) - math.pi
    assert (after[:, :-1] - states[:, 1:])[..., torch.arange(17) != PITCH].abs().max() < 1e-4
    assert wrapped[..., PITCH].abs().max() < 1e-4
    known = knowing(twin, task)(task.support.x, task.support.mask)
    torch.testing.assert_close(known.mean, task.support.y, atol=1e-3, rtol=1e-3)  # type: ignore[attr-defined]


def test_episodes_nest_and_ask_about_the_same_moments(twin: Dynamics) -> None:
    few, many = sample(twin, shot=2), sample(twin, shot=9)
    assert torch.equal(few.query.x, many.query.x)
    assert torch.equal(few.support.x, many.support.x[:, :2])
    alone = twin.sample("test", torch.tensor([4]), way=0, shot=9, query=15, seed=0)
    assert torch.equal(alone.support.y[0], many.support.y[4])
    assert sample(twin, shot=0).support.x.shape == (9, 0, len(NAMES))
    assert set(sample(twin, 18).unit.tolist()) == set(twin.bodies("test").tolist())
    with pytest.raises(UserError, match="32 steps before"):
        sample(twin, shot=LEAD + 1)
    with pytest.raises(UserError, match="28 after"):
        sample(twin, query=29)


def test_nothing_of_held_out_bodies_is_in_the_units(twin: Dynamics) -> None:
    y = torch.cat([one.y for one in twin.tasks("train")])
    torch.testing.assert_close(y.std(0), torch.ones(17), atol=1e-3, rtol=0)
    other = Dynamics(simulated=True)
    other.motions.states[other.bodies("test")] *= 10
    for mine, theirs in zip(other.units, twin.units, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_whoever_knows_the_body_makes_no_error_in_one_step_or_in_fifteen(twin: Dynamics) -> None:
    task = sample(twin)
    found = twin.score(knowing(twin, task), task)
    assert found["nmse"].max() < 1e-5
    after = twin.units.states(task.query.x) + task.query.y * twin.units.change
    inside = ((after >= twin.units.low) & (after <= twin.units.high)).all(-1).all(-1)  # of what training bodies did
    assert inside.sum() >= 4
    assert found["rollout"][inside].max() < 1e-5
    nothing = twin.score(lambda x, mask: Point(x.new_zeros(*x.shape[:2], 17)), task)
    assert (nothing["rollout"] > 0.05).all()
    torch.testing.assert_close(nothing["nmse"], task.query.y.square().mean((1, 2)))


def test_a_rollout_goes_by_its_own_answers(twin: Dynamics) -> None:
    """Wrong by the same constant in every step, the state is off by all of them together."""
    task, off = sample(twin), 0.01
    know = knowing(twin, task)
    seen = twin.score(lambda x, mask: Point(know(x, mask)[0] + off), task)["rollout"]
    once = ((off * twin.units.change / twin.units.spread).square().mean()).item()
    assert (seen > 2 * once).all()


def test_answers_that_are_no_numbers_do_not_leave_what_bodies_do(twin: Dynamics) -> None:
    task = sample(twin)
    for value in (math.nan, 1e30, -1e30):
        found = twin.score(lambda x, mask, value=value: Point(x.new_full((*x.shape[:2], 17), value)), task)
        assert found["rollout"].isfinite().all()


def test_scores_are_told_apart_by_what_is_wrong_and_intervals_are_counted(twin: Dynamics) -> None:
    task = sample(twin, 18)
    found = twin.score(
        lambda x, mask: Gaussian(x.new_zeros(*x.shape[:2], 17), x.new_full((*x.shape[:2], 17), 1e6)), task
    )
    assert (found["coverage90"] == 1).all()
    for metric in ("nmse", "rollout"):
        parts = torch.stack([found[f"{metric}_{kind}"] for kind in twin.wrong])
        assert (parts.isfinite().sum(0) == 1).all()
        torch.testing.assert_close(parts.nansum(0), found[metric])
    for kind in HARMS:
        assert {harm(twin.conditions, int(at)) for at in task.unit[found[f"nmse_{kind}"].isfinite()]} == {kind}


def test_trajectories_that_blow_up_are_left_out_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = motion_twin.simulated(damages(6, SMALL.count))
    broken = torch.zeros(made.actions.shape[:2], dtype=torch.bool)
    broken[:, 1], broken[5], broken[-1] = True, True, True
    hurt = listed(torch.where(broken[..., None, None], torch.nan, made.states), made.actions, broken)
    monkeypatch.setattr(motion_twin, "simulated", lambda found: hurt)
    family = Dynamics(simulated=True)
    assert "trajectories that blew up" in capsys.readouterr().err
    assert family.motions.blew_up == int(broken.sum())
    gone = {5, len(broken) - 1}
    assert not gone & {int(at) for split in tasks.SPLITS for at in family.bodies(split)}
    task = sample(family, 60)
    assert task.query.y.isfinite().all()
    assert task.support.x.isfinite().all()
    assert all(one.y.isfinite().all() for one in family.tasks("train"))


@pytest.mark.parametrize(
    ("name", "words"),
    [("dynamics:partition=-1", "must be 0 or more"), ("dynamics:body=ant", "unknown option of dynamics")],
)
def test_names_that_mean_nothing_are_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        tasks.load(name)


def test_motions_are_simulated_once(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mujoco", reason="the extra robots is not installed")
    pytest.importorskip("gymnasium", reason="the extra robots is not installed")
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(tmp_path))
    monkeypatch.setattr("quickstudy.sim.pilot.SEQUENCES", 3)
    few = replace(SMALL, count=Count(intact=4, damaged=1, outside=1), trajectories=2, piloted=1, steps=36)
    monkeypatch.setattr("quickstudy.tasks.robots.dynamics.SMALL", few)
    first = tasks.load("dynamics:small=true")
    assert isinstance(first, Dynamics)
    assert first.motions.states.shape == (4 + 18 + 3, 2, 37, 17)
    assert first.motions.states.isfinite().all()
    monkeypatch.setattr(motion_table, "simulated", None)
    again = tasks.load("dynamics:small=true")
    assert again.spec == first.spec
    assert again.spec.shape == tasks.load(TWIN).spec.shape
