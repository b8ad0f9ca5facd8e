"""Learners over partitions: who is judged on whom, and what the rows say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from quickstudy import runs, tasks
from quickstudy.evaluation import evaluate
from quickstudy.intervals import interval
from quickstudy.tasks.base import Predict, Split, Task
from quickstudy.tasks.sinusoid import Sinusoid


class People(Sinusoid):
    """Waves that belong to seven people, three of whom each partition asks about; one of them has no second metric."""

    def __init__(self, *, partition: int = 0) -> None:
        super().__init__()
        self.partition = partition

    def sample(self, split: Split, index: Tensor, *, way: int, shot: int, query: int, seed: int) -> Task:
        made = super().sample(split, index + 1000 * self.partition, way=way, shot=shot, query=query, seed=seed)
        return made._replace(unit=(index + 3 * self.partition) % 3 + 2 * self.partition)

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        found = super().score(predict, task)["mse"]
        return {"mse": found, "root": torch.where(task.unit == 0, torch.nan, found.sqrt())}


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.FAMILIES, "people", (f"{__name__}:People", "waves of seven people"))


ASKED = ("bench", "folds", "--tasks", "people", "--partitions", "0,1", "--at", "5s", "--episodes", "9", "--query", "4")
FEW = ("--learners", "nearest,cnp", "--budget", "0.3", "--json")


@pytest.mark.usefixtures("people")
def test_a_row_is_over_all_people_and_differences_are_paired(cli: Callable[..., Any], tmp_path: Path) -> None:
    answer = cli(*ASKED, *FEW)
    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)
    assert sorted(rows) == ["cnp-5s", "nearest-5s"]
    parts = [
        evaluate(
            tmp_path / f"runs/folds/people/partition-{number}/cnp",
            People(partition=number),
            shot=5,
            query=4,
            episodes=9,
        )
        for number in (0, 1)
    ]
    scores, units = (torch.cat([getattr(part, name) for part in parts]) for name in ("scores", "unit_ids"))
    row = rows["cnp-5s"]
    assert row["units"] == 5
    assert (row["scores"]["mse"]["mean"], row["scores"]["mse"]["ci95"]) == pytest.approx(tuple(interval(scores, units)))
    assert row["by_partition"]["mse"] == pytest.approx([float(part.scores.mean()) for part in parts])
    there = torch.cat([part.other_scores["root"] for part in parts]).isfinite()
    assert there.sum() == 15
    mean = rows["nearest-5s"]["scores"]["mse"]["mean"]
    assert row["minus"]["nearest"]["mse"]["mean"] == pytest.approx(row["scores"]["mse"]["mean"] - mean)
    assert rows["nearest-5s"]["minus"] == {}
    assert row["oracle"] is None


def test_the_best_possible_answer_is_in_every_row_where_the_family_knows_it(cli: Callable[..., Any]) -> None:
    asked = ("--tasks", "strides:simulated=true", "--learners", "averagemap,mapgp", "--episodes", "12")
    rows = json.loads(cli(*ASKED, *asked, "--json").out)
    families = [tasks.load(f"strides:simulated=true:partition={number}") for number in (0, 1)]
    met = [one.sample("test", torch.arange(12), way=0, shot=5, query=4, seed=0) for one in families]
    best = torch.cat([one.oracle(task) for one, task in zip(families, met, strict=True)])
    expected = interval(best, torch.cat([task.unit for task in met]))
    assert expected.mean > 0
    for row in rows.values():
        assert (row["oracle"]["mean"], row["oracle"]["ci95"]) == pytest.approx(tuple(expected))
        assert row["oracle"]["mean"] < row["scores"]["speed_error"]["mean"]
    assert f"the best possible answer to these tasks has speed_error {expected.mean:.3f}" in cli(*ASKED, *asked).out


def test_scores_kept_without_the_best_possible_answer_still_make_rows(cli: Callable[..., Any], tmp_path: Path) -> None:
    asked = ("--tasks", "strides:simulated=true", "--learners", "averagemap", "--episodes", "4")
    whole = json.loads(cli(*ASKED, *asked, "--json").out)["averagemap-5s"]
    path = next(path for path in tmp_path.rglob("averagemap-5s.safetensors") if "partition-1" in str(path))
    kept, note = runs.read_tensors(path)
    runs.write_tensors(path, {name: value for name, value in kept.items() if name != "oracle"}, note)
    assert json.loads(cli(*ASKED, *asked, "--json").out)["averagemap-5s"] == whole | {"oracle": None}


@pytest.mark.usefixtures("people")
def test_what_is_there_is_not_made_again(cli: Callable[..., Any], tmp_path: Path) -> None:
    first = cli(*ASKED, *FEW)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    again = cli(*ASKED, *FEW)
    assert again.out == first.out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == before


@pytest.mark.usefixtures("people")
def test_other_episodes_are_judged_anew(cli: Callable[..., Any]) -> None:
    few = json.loads(cli(*ASKED, "--learners", "nearest", "--json").out)["nearest-5s"]
    more = json.loads(cli(*ASKED, "--learners", "nearest", "--json", "--episodes", "12").out)["nearest-5s"]
    other = json.loads(cli(*ASKED, "--learners", "nearest", "--json", "--seed", "3").out)["nearest-5s"]
    assert (few["episodes"], more["episodes"], other["seed"]) == (9, 12, 3)
    assert len({one["scores"]["mse"]["mean"] for one in (few, more, other)}) == 3


@pytest.mark.usefixtures("people")
def test_shots_of_training_and_settings_reach_those_that_have_them(cli: Callable[..., Any], tmp_path: Path) -> None:
    answer = cli(*ASKED, *FEW, "--partitions", "0", "--shot", "3", "--settings", "width=16,k=2")
    assert answer.code == 0, answer.err
    run = runs.load(tmp_path / "runs/folds/people/partition-0/cnp")
    assert run.learner().config.width == 16
    assert run.training["shot"] == 3


@pytest.mark.usefixtures("people")
def test_a_learner_that_cannot_is_named_and_the_others_have_rows(cli: Callable[..., Any]) -> None:
    answer = cli(*ASKED, "--learners", "nearest,protonet")
    assert answer.code == 0
    assert "protonet has no row: protonet does not do regression" in answer.out
    assert "nearest  " in answer.out
    assert "5 units of 2 partitions" in answer.out


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--partitions", "0,0"), "expected numbers with commas"),
        (("--partitions", "0,x"), "expected numbers with commas"),
        (("--episodes", "0"), "--episodes is 0"),
        (("--shot", "-1"), "--shot is -1"),
        (("--seed", "-1"), "--seed is -1"),
        (("--learners", "protonet"), "no learner has a row. protonet: protonet does not do regression"),
        (("--learners", "nearest", "--against", "cnp"), "learner of --against"),
        (("--learners", "maml", "--settings", "gradient"), "--settings has 'gradient'"),
        (("--learners", "maml", "--settings", "gradients=exact"), "Did you mean gradient"),
        (("--learners", "maml", "--settings", "inner_rate=fast"), "--inner-rate is 'fast'"),
        (("--tasks", "sinusoid"), "unknown option of sinusoid 'partition'"),
    ],
)
def test_what_is_not_right_is_said(cli: Callable[..., Any], args: tuple[str, ...], said: str) -> None:
    answer = cli(*ASKED, *args)
    assert answer.code == 2
    assert said in answer.err
