"""Strides: who is held out, what is scored, and the table behind it; mostly on arithmetic in place of a simulator."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.learners.base import Gaussian, Point
from quickstudy.sim import bodies
from quickstudy.tasks.base import Predict, Task
from quickstudy.tasks.robots import table as strides_table
from quickstudy.tasks.robots.conditions import OUTSIDE, TRAINED, held_joints, leaks
from quickstudy.tasks.robots.strides import Strides
from quickstudy.tasks.robots.table import SIZES, Size, all_conditions

TWIN = "strides:simulated=true"


@pytest.fixture(scope="module")
def twin() -> Strides:
    found = tasks.load(TWIN)
    assert isinstance(found, Strides)
    return found


def sample(family: Strides, count: int = 6, shot: int = 3, query: int = 5, seed: int = 0) -> Task:
    return family.sample("test", torch.arange(count), way=0, shot=shot, query=query, seed=seed)


def knowing(family: Strides, units: Tensor, off: float = 0.0) -> Predict:
    """Answers of whoever knows the table, and is wrong by ``off`` about every speed."""

    def predict(x: Tensor, mask: Tensor) -> Point:
        at = (x.unsqueeze(2) == family.table.gaits).all(-1).long().argmax(-1)
        y = family._y[units.unsqueeze(-1), at].clone()
        y[..., 0] += off
        return Point(y)

    return predict


@pytest.mark.parametrize("joints", [6, 8, 12])
def test_over_three_partitions_each_joint_is_held_out_once(joints: int) -> None:
    for first in (0, 3):
        held = [held_joints(joints, partition) for partition in range(first, first + 3)]
        assert frozenset.union(*held) == frozenset(range(joints))
        assert sum(map(len, held)) == joints
    assert held_joints(joints, 0) != held_joints(joints, 3)


@pytest.mark.parametrize("partition", range(4))
@pytest.mark.parametrize("name", SIZES)
def test_nothing_held_out_is_trained_on(name: str, partition: int) -> None:
    joints = {"cheetah": 6, "ant": 8, "go1": 12}[name]
    found = all_conditions(joints, SIZES[name])
    held = held_joints(joints, partition)
    train, val, test = (found.split(split, partition) for split in tasks.SPLITS)
    assert not leaks(found, torch.cat([train, val]), test, held)
    assert len(train) + len(val) + len(test) == len(found.all)
    assert len(test) >= 20
    assert len(val) >= 5
    broken = {found.joint[at] for at in torch.cat([train, val]).tolist()}  # of Go1's few, both may be for validation
    assert broken == set(range(joints)) - held | {-1}
    for at in test.tolist():
        one = found.all[at]
        outside = any(OUTSIDE[field][0] <= getattr(one, field) <= OUTSIDE[field][1] for field in OUTSIDE)
        assert outside or found.joint[at] in held


def test_leaks_are_noticed() -> None:
    found = all_conditions(6, SIZES["cheetah"])
    held = held_joints(6, 0)
    train, test = found.split("train", 0), found.split("test", 0)
    broken = next(at for at in range(len(found.all)) if found.kind[at] == "damaged" and found.joint[at] in held)
    beyond = found.kind.index("outside")
    assert leaks(found, torch.cat([train, test[:1]]), test, held)
    assert "breaks joint" in leaks(found, torch.cat([train, torch.tensor([broken])]), test[:0], held)[0]
    assert "outside the trained range" in leaks(found, torch.cat([train, torch.tensor([beyond])]), test[:0], held)[0]


def test_a_family_with_a_leak_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "quickstudy.tasks.robots.strides.held_joints", lambda joints, partition: frozenset(range(joints))
    )
    with pytest.raises(AssertionError, match="breaks joint"):
        tasks.load(TWIN)


def test_members_of_splits_are_apart_whatever_the_partition(twin: Strides) -> None:
    train, val, test = (twin.members(split) for split in tasks.SPLITS)
    assert train
    assert val
    assert test
    assert not train & test
    assert not train & val
    assert not val & test
    other = tasks.load(f"{TWIN}:partition=1")
    assert (other.members("train") or frozenset()) & test  # the names are the same there, so that leaks are found


def test_episodes_nest_and_ask_about_other_gaits(twin: Strides) -> None:
    few, many = sample(twin, shot=2), sample(twin, shot=9)
    assert torch.equal(few.query.x, many.query.x)
    assert torch.equal(few.support.x, many.support.x[:, :2])
    same = (many.support.x.unsqueeze(2) == many.query.x.unsqueeze(1)).all(-1)
    assert not same.any()
    alone = twin.sample("test", torch.tensor([4]), way=0, shot=9, query=5, seed=0)
    assert torch.equal(alone.support.y[0], many.support.y[4])
    assert sample(twin, shot=0).support.x.shape == (6, 0, 18)
    with pytest.raises(UserError, match="at most 159"):
        sample(twin, shot=160)
    most = sample(twin, shot=155, query=20)
    assert most.query.x.shape[1] == 5


def test_numbers_are_standard_on_training_grounds_and_nothing_of_the_others_is_in_them(twin: Strides) -> None:
    y = torch.stack([one.y for one in twin.tasks("train")]).flatten(0, 1)
    torch.testing.assert_close(y.mean(0), torch.zeros(9), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.std(0), torch.ones(9), atol=1e-3, rtol=0)
    other = Strides(simulated=True)
    other.table.outcomes[other._grounds["test"]] *= 10
    torch.testing.assert_close(other.units, twin.units)


def test_whoever_knows_everything_is_as_good_as_the_oracle(twin: Strides) -> None:
    task = sample(twin, 10)
    found = twin.score(knowing(twin, task.unit), task)
    torch.testing.assert_close(found["speed_error"], twin.oracle(task))
    assert not found["nmse"].any()
    assert "coverage90" not in found
    off = twin.score(knowing(twin, task.unit, off=1.0), task)
    torch.testing.assert_close(off["nmse"], torch.ones(10))
    assert (off["speed_error"] > found["speed_error"]).all()


def test_a_gait_that_is_not_known_well_is_not_chosen(twin: Strides) -> None:
    task = sample(twin, 10)
    know = knowing(twin, task.unit)
    shaky = torch.arange(len(twin.table.gaits)) % 2 == 0

    def predict(x: Tensor, mask: Tensor) -> Gaussian:
        mean = know(x, mask)[0].clone()
        std = torch.full_like(mean, 1e-3)
        if x.shape[1] == len(shaky):
            mean[:, shaky, 0] = 0.3  # right by chance for some command, so the mean alone would fall for it
            std[:, shaky, 0] = 10.0
        return Gaussian(mean, std)

    found = twin.score(predict, task)
    assert (found["speed_error"] < 0.1).all()
    assert (found["coverage90"] == 1).all()


def test_grounds_that_cannot_be_solved_are_left_out_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    family = Strides(simulated=True)
    assert family.unsolvable == 1
    assert "left out 1 held-out grounds" in capsys.readouterr().err
    assert (family.table.best[family._grounds["test"]] >= 0.2).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("strides:body=cheeta", "Did you mean cheetah"),
        ("strides:body=/nowhere/mine.xml", "there is no file /nowhere/mine.xml"),
        ("strides:partition=-1:simulated=true", "must be 0 or more"),
    ],
)
def test_names_that_mean_nothing_are_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        tasks.load(name)


def test_the_twin_has_the_format_of_the_cheetah(twin: Strides) -> None:
    pytest.importorskip("mujoco", reason="the extra robots is not installed")
    pytest.importorskip("gymnasium", reason="the extra robots is not installed")
    body = bodies.cheetah()
    assert twin.outcomes == body.outcomes
    assert twin.spec.shape == (len(body.gait.names),)


def test_strides_are_simulated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mujoco", reason="the extra robots is not installed")
    pytest.importorskip("gymnasium", reason="the extra robots is not installed")
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(tmp_path))
    tiny = Size(gaits=12, searches=1, tries=40, intact=12, damaged=2, outside=1, mixed=1, cem=40)
    monkeypatch.setattr("quickstudy.tasks.robots.strides.SMALL", tiny)
    first = tasks.load("strides:small=true")
    assert isinstance(first, Strides)
    assert first.table.outcomes.shape == (12 + 12 + 3 + 6, 12, 9)
    assert first.table.outcomes.isfinite().all()
    assert first.table.fell.logical_not().any()
    intact = torch.tensor([kind == "intact" for kind in first.conditions.kind])
    assert first.table.cem[intact].isnan().all()
    assert (first.table.cem[~intact].diff(dim=-1) >= 0).all()
    monkeypatch.setattr(strides_table, "simulated", None)
    again = tasks.load("strides:small=true")
    assert again.spec == first.spec
    assert TRAINED.keys() >= OUTSIDE.keys()
