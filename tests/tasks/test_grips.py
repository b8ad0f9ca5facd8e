"""Objects as tasks: splits that share none, rows that give nothing away, objects that are where they are said to be."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.sim.gripper import GRAVITY, STRONGEST, Objects, coulomb_need
from quickstudy.sim.gripper_formula import FormulaGripper
from quickstudy.tasks.base import Examples, Task
from quickstudy.tasks.robots import grips_objects, grips_rows
from quickstudy.tasks.robots.grips import Grips, moved
from quickstudy.tasks.robots.grips_objects import FRICTION, MASS, WIDER_FRICTION, WIDER_MASS
from quickstudy.tasks.robots.grips_rows import SLIPPED, UNIT, Sensed

MANY = torch.arange(480)


def load(options: str = "") -> Grips:
    family = tasks.load(f"grips:simulated=true{options}")
    assert isinstance(family, Grips)
    return family


def sample(family: Grips, split: tasks.Split = "test", shot: int = 4, query: int = 1) -> Task:
    return family.sample(split, MANY, way=0, shot=shot, query=query, seed=0)


def needs(family: Grips, task: Task) -> Tensor:
    return family.kept.need[task.unit]


def depends(x: Tensor, need: Tensor) -> bool:
    """Whether numbers that are chosen before anything is felt say something of what is needed."""
    together = torch.stack([x, need.log()])
    return bool(torch.corrcoef(together)[0, 1].abs() > 0.2)


def test_partitions_test_every_object_once_and_share_none() -> None:
    tested: list[str] = []
    for partition in range(5):
        parts = [load(f":partition={partition}").members(split) or frozenset() for split in tasks.SPLITS]
        assert sum(map(len, parts)) == len(frozenset().union(*parts)) == 800
        tested += parts[2]
    assert len(tested) == len({*tested}) == 800
    outside = load(":objects=outside").members("test") or frozenset()
    assert not outside & {*tested}


def test_objects_are_inside_the_range_or_outside_it_or_of_other_shapes() -> None:
    def inside(family: Grips) -> np.ndarray:
        objects = family.kept.objects
        in_mass = (objects.mass >= MASS[0] - 1e-6) & (objects.mass <= MASS[1] + 1e-6)
        return in_mass & (objects.friction >= FRICTION[0] - 1e-6) & (objects.friction <= FRICTION[1] + 1e-6)

    trained, outside, shapes = (load(options) for options in ("", ":objects=outside", ":objects=shapes"))
    assert inside(trained).all()
    assert not inside(outside).any()
    assert WIDER_MASS[0] < outside.kept.objects.mass.min() < MASS[0]
    assert FRICTION[1] < outside.kept.objects.friction.max() < WIDER_FRICTION[1]
    assert inside(shapes).all()
    assert {*trained.kept.objects.shape.tolist()} == {0}
    assert {*shapes.kept.objects.shape.tolist()} == {1, 2}
    assert trained.kept.need.max() / trained.kept.need.min() > 50


def test_what_no_force_holds_is_left_out_and_counted() -> None:
    outside = load(":objects=outside")
    assert outside.kept.left_out == 160 - len(outside.kept.names)
    assert outside.kept.left_out == (coulomb_need(grips_objects.drawn("outside", 160)) > STRONGEST).sum()
    assert outside.kept.need.max() <= STRONGEST


def test_only_objects_inside_the_range_are_trained_on() -> None:
    with pytest.raises(UserError, match="has no split 'train'"):
        load(":objects=outside").sample("train", MANY, way=0, shot=1, query=1, seed=0)


def test_nothing_that_is_chosen_gives_away_what_is_needed() -> None:
    family = load(":wider=1")
    for split in ("train", "test"):
        task = sample(family, split)
        need = needs(family, task)
        assert not depends(task.query.x[:, 0, 1], need)
        assert not depends(task.support.x[:, 0, 1] + 1e-3 * need.argsort(), need)
    assert depends(needs(family, task).log2() + torch.randn(480, generator=torch.Generator().manual_seed(0)), need)


def test_the_question_is_what_is_needed_and_lifts_are_what_was_felt() -> None:
    family = load()
    task = sample(family, query=2)
    need, weight = needs(family, task), GRAVITY * torch.from_numpy(family.kept.objects.mass).float()[task.unit]
    asked = task.query.x[..., 1]
    assert (task.query.x[..., 0] == 1).all()
    assert (task.support.x[..., 0] == 0).all()
    torch.testing.assert_close(UNIT * (task.query.y[..., 1] + asked).exp2(), need.unsqueeze(-1).expand(-1, 2))
    torch.testing.assert_close(UNIT * (task.query.y[..., 0] + asked).exp2(), weight.unsqueeze(-1).expand(-1, 2))
    friction = torch.from_numpy(family.kept.objects.friction).float()[task.unit]
    slipped = task.support.y[..., 1] > 4
    ratio = (task.support.y[..., 0] - (2 * friction).log2().unsqueeze(-1))[slipped]
    assert ratio.mean().abs() < 0.02
    assert 0.03 < ratio.std() < 0.15


def test_lifts_of_a_test_look_for_one_that_slips_and_one_that_holds() -> None:
    task = sample(load())
    slipped = task.support.y[..., 1] > SLIPPED
    assert ((slipped.any(-1)) & (~slipped).any(-1)).float().mean() > 0.95


def test_more_lifts_are_the_same_and_some_more() -> None:
    family = load()
    for split in ("train", "test"):
        few, many = sample(family, split, 2), sample(family, split, 4)
        assert torch.equal(few.support.x, many.support.x[:, :2])
        assert torch.equal(few.support.y, many.support.y[:, :2])
        assert torch.equal(few.query.y, many.query.y)
    assert sample(family, shot=0).support.x.shape == (480, 0, 2)


def test_a_changed_training_object_has_the_same_rows_moved() -> None:
    one, other = (sample(load(f":wider={wider}"), "train") for wider in (1, 8))
    assert torch.equal(one.unit, other.unit)
    force, ratio = (other.support.x - one.support.x)[..., 1], (other.support.y - one.support.y)[..., 0]
    by_chance = (force - force[:, :1]).abs().amax(-1) < 1e-4  # the others choose their forces by absolute ones
    assert by_chance.float().mean() > 0.4
    rougher, heavier = ratio[by_chance, :1], force[by_chance, :1] + ratio[by_chance, :1]
    torch.testing.assert_close(ratio[by_chance], rougher.expand(-1, 4), atol=1e-3, rtol=0)
    assert 2 * rougher.abs().max() <= math.log2(8) + 1e-3
    assert heavier.abs().max() <= math.log2(8) + 1e-3
    assert heavier.std() > 1
    assert torch.equal(other.support.y[by_chance, :, 1], one.support.y[by_chance, :, 1])
    torch.testing.assert_close(other.query.y[..., 1], one.query.y[..., 1], atol=1e-4, rtol=0)
    test = [sample(load(f":wider={wider}")).support.x for wider in (1, 8)]
    assert torch.equal(*test)


def test_moved_rows_are_those_of_the_object_that_they_are_said_to_be_of() -> None:
    one = Objects(np.array([0.3]), np.array([0.4]), np.zeros(1, np.int64))
    changed = Objects(one.mass * 3, one.friction / 2, one.shape)

    def rows(objects: Objects, force: np.ndarray) -> Examples:
        hand = FormulaGripper(objects)
        felt = Sensed(*(torch.from_numpy(leaf) for leaf in hand.lift(force)))
        weight, need = (
            torch.from_numpy(leaf).unsqueeze(-1) for leaf in (GRAVITY * objects.mass, coulomb_need(objects))
        )
        at = torch.from_numpy(force)
        pairs = zip(grips_rows.lifts(at, felt), grips_rows.shakes(at, weight, need), strict=True)
        x, y = (torch.cat(pair, 1) for pair in pairs)
        return Examples(x, y, torch.ones(x.shape[:2], dtype=torch.bool))

    force = np.array([[1.0, 3.0, 4.5, 20.0]])
    three, half = (torch.tensor([[math.log2(number)]], dtype=torch.float64) for number in (3, 0.5))
    found, expected = moved(rows(one, force), three, half), rows(changed, force * 3 * 2)
    torch.testing.assert_close(found.x, expected.x)
    torch.testing.assert_close(found.y, expected.y)


@pytest.mark.parametrize(
    ("options", "words"),
    [(":wider=0.5", "from 1"), (":partition=-1", "0 or more"), (":objects=cups", "Known: inside, outside, shapes")],
)
def test_options_that_mean_nothing_are_refused(options: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(options)


def test_what_was_simulated_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    pytest.importorskip("mujoco")
    monkeypatch.setenv("QUICKSTUDY_CACHE", str(tmp_path))
    monkeypatch.setitem(grips_objects.COUNTS, "shapes", 6)
    one = Grips(objects="shapes")
    monkeypatch.setattr(grips_objects, "tried", None)
    again = Grips(objects="shapes")
    assert one.spec == again.spec
    assert torch.equal(one.kept.need, again.kept.need)
    assert one.kept.blown == 0
    monkeypatch.setitem(grips_objects.COUNTS, "shapes", 7)
    with pytest.raises(TypeError):
        Grips(objects="shapes")  # of another number there is nothing yet
