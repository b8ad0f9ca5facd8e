"""Hospitals: who is in which split, and what scores are."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.learners.base import Logits
from quickstudy.plan import TrainConfig, resolve
from quickstudy.tasks.base import SPLITS
from quickstudy.tasks.places import find
from quickstudy.tasks.tabular.heart import FILE, HOSPITALS, auroc

ASKED = {"way": 2, "shot": 5, "query": 20, "seed": 0}
real = pytest.mark.skipif(not find(FILE).is_file(), reason=f"QUICKSTUDY_DATA has no {FILE}")


def test_the_area_is_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    score = torch.randn(8, 30, generator=generator).mul(2).round()  # with ties
    positive = torch.rand(8, 30, generator=generator) < 0.4
    mask = torch.rand(8, 30, generator=generator) < 0.8
    found = auroc(score, positive, mask)
    for one, where in enumerate(mask):
        expected = roc_auc_score(positive[one][where].numpy(), score[one][where].numpy())
        assert float(found[one]) == pytest.approx(expected)


@real
@pytest.mark.parametrize("partition", range(4))
def test_no_hospital_is_in_two_splits(partition: int) -> None:
    family = tasks.load(f"heart:partition={partition}")
    members = {split: family.members(split) or frozenset() for split in SPLITS}
    assert {name.split("/")[1] for name in members["test"]} == {HOSPITALS[partition]}
    assert len(members["train"]) == 4
    assert len(frozenset().union(*members.values())) == 8
    assert tasks.load(family.spec.name).spec == family.spec


@real
def test_a_task_is_one_hospital_with_the_healthy_first() -> None:
    task = tasks.load("heart").sample("train", torch.arange(50), **ASKED)
    assert (task.classes[:, 0] % 2 == 0).all()
    assert (task.classes[:, 1] == task.classes[:, 0] + 1).all()
    assert task.classes.unique().tolist() == [0, 1, 2, 3]


@real
def test_scores_are_scikit_learns() -> None:
    family = tasks.load("heart")
    task = family.sample("test", torch.arange(4), **ASKED)
    logits = torch.randn(*task.query.y.shape, generator=torch.Generator().manual_seed(0))
    found = family.score(lambda x, mask: Logits(logits), task)
    for one in range(4):
        sick, chance = task.query.y[one, :, 1].numpy(), logits[one].double().softmax(-1)[:, 1].numpy()
        assert float(found["auroc"][one]) == pytest.approx(roc_auc_score(sick, chance))
        assert float(found["log_loss"][one]) == pytest.approx(log_loss(sick, chance))
        assert float(found["brier"][one]) == pytest.approx(brier_score_loss(sick, chance))


@real
def test_what_cannot_be_asked_is_said() -> None:
    with pytest.raises(UserError, match="it must be 2"):
        tasks.load("heart").sample("test", torch.arange(1), **ASKED | {"way": 3})
    with pytest.raises(UserError, match="0 to 3"):
        tasks.load("heart:partition=4")
    with pytest.raises(UserError, match="13 columns"):
        tasks.load("heart:columns=8")


def test_where_the_table_comes_from_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    with pytest.raises(UserError, match="UCI Heart Disease"):
        tasks.load("heart")


@real
@pytest.mark.parametrize("name", ["protonet", "maml", "incontext"])
def test_recipes_ask_for_two_ways(name: str) -> None:
    spec = tasks.load("heart").spec
    config = resolve(TrainConfig(), name, spec)
    assert (spec.ways, config.way, config.most_ways) == (2, 2, 0)
    assert resolve(TrainConfig(way=3), name, spec).way == 3, (
        "what is asked for stays, and the family says what it cannot"
    )


def test_invented_hospitals_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUICKSTUDY_DATA", raising=False)
    family = tasks.load("heart:simulated=true:partition=1")
    assert tasks.load(family.spec.name).spec == family.spec
    task = family.sample("test", torch.arange(40), way=2, shot=20, query=30, seed=0)
    run = LogisticRegression(max_iter=1000)
    found = []
    for one in range(40):
        x, y = task.support.x[one].numpy(), task.support.y[one].argmax(-1).numpy()
        chance = run.fit(x, y).predict_proba(task.query.x[one].numpy())[:, 1]
        found.append(roc_auc_score(task.query.y[one, :, 1].numpy(), chance))
    assert 0.75 < sum(found) / len(found) < 0.97
