"""Glucose: what a task may know, who is tested, errors and alarms by hand."""

import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor

import quickstudy as qs
from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.tasks.base import Task
from quickstudy.tasks.glucose.glucose import MORNING, Glucose
from quickstudy.tasks.glucose.lives import DAY, Records, schedule, sensor_error
from quickstudy.tasks.glucose.population import FILE, divided, published
from quickstudy.tasks.glucose.windows import AHEAD, LEAD, LEVEL, SCALE, SPREAD, Windows, names, now
from quickstudy.tasks.places import data_folder

TWIN = "glucose:simulated=true"
WHO = torch.arange(3)


def drawn(split: str = "test", count: int = 3, **sizes: int) -> Task:
    asked = {"way": 0, "shot": 6, "query": 20, "seed": 0} | sizes
    return tasks.load(TWIN).sample(split, torch.arange(count), **asked)


def made_up(steps: int = 3 * DAY) -> Records:
    """Of three people, with other numbers at every step."""
    generator = torch.Generator().manual_seed(0)
    some = torch.rand(3, 3, steps, generator=generator)
    return Records(100 + 100 * some[0], 10 * some[1], some[2])


def looks_ahead(made: type[Windows]) -> bool:
    """Whether inputs at a moment change with what the record says of later ones."""
    records, at = made_up(), torch.full((3, 1), 400)
    later = torch.arange(records.glucose.shape[1]) > 400
    other = Records(*(torch.where(later, leaf + 1, leaf) for leaf in records))
    before, after = (
        made(one, torch.zeros(3).long()).inputs(WHO, at, torch.zeros(3).long()) for one in (records, other)
    )
    return not torch.equal(before, after)


def looks_back(made: type[Windows]) -> bool:
    """Whether inputs of a record change with what was before it began."""
    records, at = made_up(), torch.full((3, 1), 420)
    earlier = torch.arange(records.glucose.shape[1]) < 400
    other = Records(*(torch.where(earlier, leaf + 1, leaf) for leaf in records))
    begin = torch.full((3,), 400)
    before, after = (made(one, torch.zeros(3).long()).inputs(WHO, at, begin) for one in (records, other))
    return not torch.equal(before, after)


class OneAhead(Windows):
    """A leak: everything is known five minutes early."""

    def inputs(self, who: Tensor, at: Tensor, first: Tensor) -> Tensor:
        return super().inputs(who, at + 1, first)


class Unbounded(Windows):
    """A leak: what was before the record began is known."""

    def inputs(self, who: Tensor, at: Tensor, first: Tensor) -> Tensor:
        return super().inputs(who, at, torch.zeros_like(first))


def test_inputs_know_nothing_of_later_and_nothing_of_before_the_record() -> None:
    assert not looks_ahead(Windows)
    assert not looks_back(Windows)
    assert looks_ahead(OneAhead)
    assert looks_back(Unbounded)


def test_inputs_and_answers_are_what_their_names_say() -> None:
    records = made_up()
    windows = Windows(records, torch.full((3,), MORNING))
    at = torch.tensor([[400, 500]] * 3)
    x = windows.inputs(WHO, at, torch.zeros(3).long())
    y, there = windows.answers(WHO, at)
    named = dict(zip(names(), x[1, 1].tolist(), strict=True))
    glucose, carbs, insulin = (leaf[1] for leaf in records)
    assert named["glucose now"] == pytest.approx((float(glucose[500]) - LEVEL) / SPREAD, abs=1e-5)
    assert float(now(x)[1, 1]) == pytest.approx(float(glucose[500]), abs=1e-3)
    assert named["change since 25 min ago"] == pytest.approx(float(glucose[500] - glucose[495]) / 30, abs=1e-5)
    assert named["carbs 0 to 10 min ago"] == pytest.approx(float(carbs[499:501].sum()) / 40, abs=1e-5)
    assert named["bolus 330 to 360 min ago"] == pytest.approx(float(insulin[429:435].sum()) / 5, abs=1e-5)
    turn = 2 * math.pi * ((500 + MORNING) % DAY) / DAY
    assert named["sine of the time of day"] == pytest.approx(math.sin(turn), abs=1e-5)
    assert y[1, 1, 0] * SCALE[0] == pytest.approx(float(glucose[500 + 30 // 5] - glucose[500]), abs=1e-3)
    assert y[1, 1, 1] * SCALE[1] == pytest.approx(float(glucose[500 + 60 // 5] - glucose[500]), abs=1e-3)
    assert there.all()


def test_a_support_grows_with_its_hours_and_queries_stay_the_same() -> None:
    none, six, twelve = (drawn(shot=shot) for shot in (0, 6, 12))
    assert none.support.x.shape[1] == 0
    assert six.support.x.shape[1] == 6 * 12 - 12 - 6
    assert torch.equal(twelve.support.x[:, : six.support.x.shape[1]], six.support.x)
    for other in (none, twelve):
        assert all(torch.equal(a, b) for a, b in zip(other.query, six.query, strict=True))
    assert six.query.mask.all()


def test_supports_end_before_queries_begin() -> None:
    """In records whose glucose is the number of the step: the last answer known lies before all that is asked."""
    family = Glucose(simulated=True)
    with pytest.raises(UserError, match=r"--shot is 99, .* has \d+ hours before"):
        family.sample("test", WHO, way=0, shot=99, query=5, seed=0)
    longest = next(shot for shot in range(98, 0, -1) if works(family, shot))
    people, steps = family._windows.glucose.shape
    counted = torch.arange(steps).float().expand(people, -1)
    family._windows = Windows(Records(counted, counted, counted), family._windows.start)
    for split in family.splits:
        for shot in (6, longest):
            task = family.sample(split, torch.arange(200), way=0, shot=shot, query=10_000, seed=0)
            known = now(task.support.x[:, -1]) + task.support.y[:, -1, 1] * SCALE[1]
            assert (known < now(task.query.x).amin(1) + 0.5).all()
            first = now(task.support.x[:, 0]) - LEAD
            assert (known - first < 12 * shot).all()
            assert (first.round() % DAY == 0).all()
            assert task.query.mask.all()


def works(family: tasks.TaskFamily, shot: int) -> bool:
    try:
        family.sample("train", WHO, way=0, shot=shot, query=1, seed=0)
    except UserError:
        return False
    return True


def test_a_sample_is_a_function_of_its_index() -> None:
    whole = drawn("train", 8)
    family = tasks.load(TWIN)
    few = family.sample("train", torch.tensor([5, 2]), way=0, shot=6, query=20, seed=0)
    assert torch.equal(few.query.x, whole.query.x[[5, 2]])
    assert not torch.equal(drawn("train", 8, seed=1).query.x, whole.query.x)
    in_turn = drawn(count=9).unit
    assert len(in_turn.unique()) == len(family.members("test") or ())


@pytest.mark.parametrize("founders", [15, 30])
def test_partitions_test_everybody_once_and_never_train_on_them(founders: int) -> None:
    tested: Counter[int] = Counter()
    for partition in range(10):
        parts = divided(founders, partition)
        sides = [set(part.tolist()) for part in parts.values()]
        assert sum(map(len, sides)) == founders == len(set.union(*sides))
        tested.update(parts["test"].tolist())
        assert Counter(one // (founders // 3) for one in parts["test"].tolist()) == dict.fromkeys(
            range(3), founders // 15
        )
    assert set(tested.values()) == {2}
    assert not torch.equal(divided(founders, 0)["test"], divided(founders, 5)["test"])


def test_kin_are_on_one_side() -> None:
    family = tasks.load(TWIN)
    units = {
        split: set(family.sample(split, torch.arange(60), way=0, shot=2, query=1, seed=0).unit.tolist())
        for split in family.splits
    }
    for split in family.splits:
        assert len(units[split]) == len(family.members(split) or ())
        assert all(not units[split] & units[other] for other in family.splits if other != split)


def test_a_run_is_not_judged_on_those_it_was_trained_on(tmp_path: Path) -> None:
    run = qs.train("arx", tasks=TWIN, out=tmp_path / "run", config=qs.TrainConfig(device="cpu"))
    assert qs.evaluate(run, shot=6, query=20, episodes=6, device="cpu").metric == "rmse"
    with pytest.raises(UserError, match="trained on"):
        qs.evaluate(run, "glucose:partition=2:simulated=true", shot=6, query=20, episodes=6, device="cpu")


def test_people_without_data_are_drawn_and_live_plausibly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUICKSTUDY_DATA", raising=False)
    glucose = now(drawn("train", 40, query=500).query.x)
    assert 100 < glucose.mean() < 200
    assert ((glucose >= 70) & (glucose <= 180)).float().mean() > 0.5
    assert glucose.min() >= 40
    assert glucose.max() <= 400


def test_the_published_table_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text("Name,BW\nadult#001,70\n")
    with pytest.raises(UserError, match="has no column EGPb"):
        published(path)
    folder = data_folder()
    if folder is None or not (folder / FILE).is_file():
        pytest.skip(f"QUICKSTUDY_DATA has no {FILE}")
    made = published(folder / FILE)
    assert len(made.names) == 30
    assert made.names[0] == "published/child#001"
    head, first, *others = (folder / FILE).read_text().splitlines()
    cells = first.split(",")
    cells[head.split(",").index("BW")] = "-3"
    path.write_text("\n".join([head, ",".join(cells), *others]))
    with pytest.raises(UserError, match=r"patient adolescent#001: BW is '-3'"):
        published(path)


def test_meals_are_as_many_and_as_large_as_said() -> None:
    meals = schedule(torch.arange(400), 10)
    assert meals.shape == (10 * DAY, 400)
    expected = 0.95 * (45 + 70 + 80) + 0.3 * 30
    assert float(meals.sum() / 4000) == pytest.approx(expected * math.exp(0.04), rel=0.03)
    assert (meals > 0).sum() / 4000 == pytest.approx(3 * 0.95 + 3 * 0.3, rel=0.05)


def test_the_sensors_error_has_the_published_moments() -> None:
    """Mean and deviation of the Johnson distribution by its closed form, correlation after 15 minutes."""
    error = sensor_error(torch.arange(500), 3 * 480).double()[::3]
    spread, shift = 0.49 / (1 - 0.49) / 1.6898**2, 0.5444 / 1.6898
    mean = -5.471 + 15.957 * math.exp(spread / 2) * math.sinh(shift)
    var = 15.957**2 / 2 * (math.exp(spread) - 1) * (math.exp(spread) * math.cosh(2 * shift) + 1)
    assert float(error.mean()) == pytest.approx(mean, abs=0.1)
    assert float(error.std()) == pytest.approx(math.sqrt(var), rel=0.02)
    pairs = torch.stack([error[:-1].flatten(), error[1:].flatten()])
    assert float(torch.corrcoef(pairs)[0, 1]) == pytest.approx(0.7, abs=0.03)


def test_the_spec_says_what_inputs_are() -> None:
    spec = tasks.load(TWIN).spec
    assert len(spec.names) == spec.shape[0] == len(set(spec.names))
    assert spec.outputs == len(AHEAD)
    assert spec.form == "glucose"
    assert not spec.higher_is_better
    assert tasks.load("glucose:partition=3:simulated=true").spec.name == "glucose:partition=3:simulated=true"
    with pytest.raises(UserError, match="0 or more"):
        tasks.load("glucose:partition=-1")
