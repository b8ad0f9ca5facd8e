"""Patients as tasks: vectors that hold nothing of the future, splits that share nobody, studies as published."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.tasks.doses import drugs
from quickstudy.tasks.doses.dosing import Layout, Patient, history, layout, names, records
from quickstudy.tasks.doses.pk import PK
from quickstudy.tasks.places import data_folder

DRUGS = list(drugs.DRUGS)
EPISODES = torch.arange(24)


def load(drug: str, simulated: bool = True, partition: int = 0, order: str = "time") -> PK:
    family = tasks.load(f"pk:drug={drug}:order={order}:partition={partition}:simulated={simulated}")
    assert isinstance(family, PK)
    return family


@pytest.fixture(params=DRUGS)
def real(request: pytest.FixtureRequest) -> PK:
    folder = data_folder()
    if folder is None or not (folder / "pk" / drugs.DRUGS[request.param].file).is_file():
        pytest.skip("QUICKSTUDY_DATA has no pk")
    return load(request.param, simulated=False)


def valid(family: PK) -> Tensor:
    return torch.arange(family.records.x.shape[1]) < family.records.readings.unsqueeze(-1)


def no_future(x: Tensor, form: Layout) -> bool:
    """Whether every dose in the vectors began before the reading, and none has run on beyond it."""
    doses = form.doses(x)
    amount = doses["oral amount" if form.oral else "amount"]
    ran = doses.get("duration", torch.zeros_like(amount))
    inside = ((doses["since"] > 0) & (doses["since"] <= x[..., :1] + 1e-4) & (ran <= doses["since"] + 1e-4)) | (
        amount == 0
    )
    return bool(inside.all())


@pytest.mark.parametrize("drug", DRUGS)
def test_the_simulated_twin_has_the_vectors_of_the_study(drug: str) -> None:
    family = load(drug)
    form = layout(family.spec.names)
    assert family.spec.shape == (form.inputs,) == (len(family.spec.names),)
    assert no_future(family.records.x[valid(family)], form)
    again = tasks.load(family.spec.name)
    assert again.spec == family.spec


def test_real_vectors_hold_nothing_of_the_future(real: PK) -> None:
    form = layout(real.spec.names)
    x = real.records.x[valid(real)]
    assert no_future(x, form)
    assert x.isfinite().all()
    assert x.abs().max() <= 30
    assert real.spec.shape == load(real.drug).spec.shape


def test_what_is_given_after_a_reading_changes_none_of_its_numbers() -> None:
    before = Patient(name="a", doses=[(0.0, 2.0, 1.0, 0.0)], readings=[(0.5, 1.0, (0.1,)), (3.0, 2.0, (0.1,))])
    after = replace(before, doses=[*before.doses, (0.6, 5.0, 4.0, 0.0), (3.0, 9.0, 0.0, 0.0)])
    fields = ("since", "amount", "duration")
    one, other = (records([patient], fields, 4).x[0] for patient in (before, after))
    assert torch.equal(one[0], other[0])
    assert one[0].tolist() == pytest.approx([0.5, 0.1, 0.5, 1.0, 0.5, *[0] * 9])  # half of it has run in
    assert other[1, :8].tolist() == pytest.approx([3.0, 0.1, 2.4, 3.0, 2.4, 3.0, 2.0, 1.0])  # last dose first


def test_a_leak_of_doses_to_come_is_seen() -> None:
    form = layout(names(["w"], 3, ["since", "amount"]))
    given = torch.tensor([[[0.0, 2.0, 0.0, 0.0], [2.0, 3.0, 0.0, 0.0]]], dtype=torch.float64)
    good = history(torch.tensor([[1.0]], dtype=torch.float64), given, form.fields, 3)
    leaky = history(torch.tensor([[2.5]], dtype=torch.float64), given, form.fields, 3)
    leaky[..., 0] -= 1.5  # the vector of 2.5 told as that of 1
    head = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    assert no_future(torch.cat([head, good.flatten(-2)], -1), form)
    assert not no_future(torch.cat([head, leaky.flatten(-2)], -1), form)


def test_a_dose_in_steady_state_replaces_those_before_it() -> None:
    patient = Patient(
        name="a",
        doses=[(0.0, 1.0, 0, 0), (1.0, 2.0, 0, 0.5), (2.0, 3.0, 0, 0)],
        readings=[(0.5, 1.0, ()), (2.5, 1.0, ())],
    )
    x = records([patient], ("since", "oral amount", "interval"), 3).x[0]
    assert x[0].tolist() == [0.5, 0.5, 1, 0, 0, 0, 0, 0, 0, 0]
    assert x[1].tolist() == [2.5, 0.5, 3, 0, 1.5, 2, 0.5, 0, 0, 0]


@pytest.mark.parametrize("order", ["time", "random"])
def test_levels_of_the_query_come_after_those_of_the_support_or_are_others(order: str) -> None:
    family = load("remifentanil", order=order)
    task = family.sample("test", EPISODES, way=0, shot=3, query=4, seed=0)
    assert task.support.mask.all()
    first, later = task.support.x[..., 0], task.query.x[..., 0]
    if order == "time":
        assert (first.amax(-1) < later.amin(-1)).all()
    else:
        assert not (first.amax(-1) < later.amin(-1)).all()
        assert not (first.unsqueeze(-1) == later.unsqueeze(-2)).any()
    grown = family.sample("test", EPISODES, way=0, shot=4, query=4, seed=0)
    assert torch.equal(grown.support.x[:, :3], task.support.x)
    assert torch.equal(grown.query.x, task.query.x)
    alone = family.sample("test", EPISODES[5:6], way=0, shot=3, query=4, seed=0)
    assert torch.equal(alone.query.y[0], task.query.y[5])


def test_over_five_partitions_each_patient_is_tested_once_and_never_trained_on() -> None:
    folds = [load("quinidine", partition=partition) for partition in range(5)]
    tested = [family.members("test") for family in folds]
    assert sum(map(len, tested)) == len(frozenset().union(*tested)) == len(folds[0].patients)
    assert all(not (family.members("train") & family.members("test")) for family in folds)
    assert load("quinidine", partition=5).members("test") not in tested
    for family in folds:
        drawn = {
            split: {family.patients[i] for i in family.sample(split, EPISODES, way=0, shot=1, query=2, seed=0).unit}
            for split in family.splits
        }
        assert drawn["test"] <= family.members("test")
        assert drawn["train"] <= family.members("train")


def test_no_two_patients_of_a_study_have_the_same_readings(real: PK) -> None:
    seen = {(x.numpy().tobytes(), y.numpy().tobytes()) for x, y in zip(*real.records[:2], strict=True)}
    assert len(seen) == len(real.patients)


def test_real_patients_are_as_many_as_published(real: PK) -> None:
    known = {"phenobarbital": (59, 155), "quinidine": (136, 361), "remifentanil": (65, 1992), "theophylline": (12, 120)}
    assert (len(real.patients), int(real.records.readings.sum())) == known[real.drug]


def test_infusions_have_the_amounts_of_the_table() -> None:
    folder = data_folder()
    if folder is None or not (folder / "pk").is_dir():
        pytest.skip("QUICKSTUDY_DATA has no pk")
    with (folder / "pk" / drugs.DRUGS["remifentanil"].file).open() as file:
        rows = list(csv.DictReader(file))
    for patient in drugs.read("remifentanil", folder / "pk"):
        who = patient.name.rpartition("/")[2]
        given = sum(float(row["Amt"]) for row in rows if row["ID"] == who and row["Amt"])
        assert sum(dose[1] for dose in patient.doses) * 1000 == pytest.approx(given, rel=0.01)
    assert {row["ID"]: row["Subject"] for row in rows} == {row["ID"]: row["ID"] for row in rows}


def test_scores_are_those_of_the_logarithms() -> None:
    from quickstudy.learners.base import Gaussian, Point

    family = load("phenobarbital")
    task = family.sample("test", EPISODES[:5], way=0, shot=1, query=3, seed=0)
    off = torch.tensor([0.1, -0.3, 0.2]).view(1, 3, 1)
    mean = task.query.y + off
    found = family.score(lambda x, mask: Gaussian(mean, torch.full_like(mean, 0.15)), task)
    assert list(found) == ["rmse", "mse", "coverage90", "width"]
    torch.testing.assert_close(found["mse"], off.square().mean().expand(5))
    torch.testing.assert_close(found["rmse"], off.square().mean().sqrt().expand(5))
    torch.testing.assert_close(found["coverage90"], torch.full((5,), 2 / 3))
    torch.testing.assert_close(found["width"], torch.full((5,), 2 * 1.6448536 * 0.15))
    assert list(family.score(lambda x, mask: Point(mean), task)) == ["rmse", "mse"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pk:partition=-1", "must be 0 or more"),
        ("pk:drug=phenobarbitol", "Did you mean phenobarbital"),
        ("pk:order=times", "Did you mean time"),
    ],
)
def test_options_that_mean_nothing_are_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        tasks.load(name)


def test_without_data_it_is_said_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"nlme__Phenobarb\.csv.*simulated=true"):
        tasks.load("pk")
    (tmp_path / "pk").mkdir()
    (tmp_path / "pk" / "nlme__Phenobarb.csv").write_text("Subject,time\n1,2\n")
    with pytest.raises(UserError, match="is not the table that was expected"):
        tasks.load("pk")


def test_more_levels_than_anybody_has_are_not_a_support() -> None:
    family = load("phenobarbital")
    most = int(family.records.readings[family._folds["test"]].max())
    readings = family.records.readings.clone()
    few = family._folds["test"][0]
    readings[few] = 2
    family.records = family.records._replace(readings=readings)
    task = family.sample("test", EPISODES, way=0, shot=most - 1, query=1, seed=0)
    fewer = task.unit == few  # gives what he has
    assert task.support.mask.sum(-1)[fewer].unique().tolist() == [1]
    assert task.support.mask.sum(-1)[~fewer].unique().tolist() == [most - 1]
    with pytest.raises(
        UserError, match=rf"no patient of .*split test, has more than {most} levels.*at most {most - 1}"
    ):
        family.sample("test", EPISODES, way=0, shot=most, query=1, seed=0)
