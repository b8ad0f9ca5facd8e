"""Intervals, manifests, pairs, costs."""

import dataclasses
import json
import math
import os

import pytest
import torch
from scipy import stats
from torch import Tensor

from quickstudy import cost, learners, scoring, tasks
from quickstudy.errors import UserError
from quickstudy.evaluation import CURVES, differences, evaluate
from quickstudy.intervals import cell, interval, student
from quickstudy.learners.base import Gaussian, Learner, Logits, Traits
from quickstudy.tasks.base import SHARES, Examples, Predict, Task
from quickstudy.tasks.sinusoid import Sinusoid

MAML = {"backbone": "mlp", "width": 8}


def maml(seed: int = 0) -> learners.Learner:
    family = tasks.load("sinusoid")
    return learners.build("maml", family.spec, learners.configure("maml", MAML), seed)


def test_students_quantile_is_scipys() -> None:
    for freedom in (1, 2, 3, 4, 5, 8, 12, 30, 100, 999):
        assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-3)


def test_repeats_of_a_unit_count_once() -> None:
    values = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 0.5])
    units = torch.tensor([7, 7, 7, 7, 2, 3])
    mean, ci95 = interval(values, units)
    assert mean == pytest.approx(0.5)
    assert ci95 == pytest.approx(4.3027 * torch.tensor([1.0, 0.0, 0.5]).std().item() / math.sqrt(3), rel=1e-4)


def test_a_row_says_nothing_where_there_is_no_finite_number() -> None:
    units = torch.arange(3)
    assert cell(torch.tensor([1.0, math.inf, 2.0]), units) == {"mean": None, "ci95": None}, (
        "a failed learner has no mean"
    )
    assert cell(torch.tensor([math.nan, math.nan, math.nan]), units) == {"mean": None, "ci95": None}
    assert cell(torch.tensor([1.0, math.nan, 2.0]), units)["mean"] == 1.5


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(400):
        mean, ci95 = interval(torch.randn(12, generator=generator), torch.arange(12))
        covered += abs(mean) <= ci95
    assert 0.92 < covered / 400 < 0.98


def test_an_evaluation_is_the_same_twice_and_whole_in_json() -> None:
    learner = maml()
    first, again = (evaluate(learner, "sinusoid", shot=5, episodes=30) for _ in range(2))
    assert first.mean == again.mean
    assert first.manifest == again.manifest
    assert torch.equal(first.scores, again.scores)
    value = json.loads(json.dumps(first.to_json(), allow_nan=False))
    wanted = "learner tasks split way shot query episodes seed metric mean ci95 transductive version manifest"
    assert {*wanted.split(), "adapt_ms", "predict_ms"} <= value.keys()
    assert value["adapt_ms"] > 0


def test_the_score_does_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, family = maml(), tasks.load("sinusoid")
    which = scoring.Episodes(way=0, shot=5, query=10, episodes=23)
    whole = scoring.score(learner, family, which)
    monkeypatch.setattr(scoring, "EXAMPLES", 60)
    parts = scoring.score(learner, family, which, how="loop")
    assert whole.manifest == parts.manifest
    assert torch.allclose(whole.values, parts.values, rtol=1e-4)


@pytest.mark.parametrize("change", [{"seed": 1}, {"shot": 6}, {"episodes": 9}, {"split": "val"}, {"query": 9}])
def test_other_episodes_have_another_manifest(change: dict[str, object]) -> None:
    learner, family = maml(), tasks.load("sinusoid")
    which = scoring.Episodes(way=0, shot=5, query=10, episodes=10)
    base = scoring.score(learner, family, which).manifest
    assert scoring.score(learner, family, dataclasses.replace(which, **change)).manifest != base


def test_differences_are_paired() -> None:
    one, two = (evaluate(maml(seed), "sinusoid", shot=5, episodes=40) for seed in (0, 1))
    (difference,) = differences([one, two])
    delta = (one.scores - two.scores).double()
    assert difference.mean == pytest.approx(one.mean - two.mean, abs=1e-6)
    assert difference.ci95 == pytest.approx(stats.t.ppf(0.975, 39) * float(delta.std()) / math.sqrt(40), rel=1e-3)
    other = evaluate(maml(1), "sinusoid", shot=5, episodes=40, seed=5)
    with pytest.raises(UserError, match="different episodes"):
        differences([one, other])


def test_curves_are_measured_where_they_mean_something() -> None:
    result = evaluate(maml(), "sinusoid", shot=5, episodes=10, curves=("shots", "steps", "ways"))
    assert [point.at for point in result.curves["steps"]] == list(CURVES["steps"])
    assert [point.at for point in result.curves["shots"]] == list(CURVES["shots"])
    assert result.curves["ways"] == []
    same = next(point for point in result.curves["steps"] if point.at == 1)
    assert same.mean == pytest.approx(result.mean)


def test_operations_are_those_of_the_matrix_products() -> None:
    learner, family = maml(), tasks.load("sinusoid")
    batch = family.sample("test", torch.arange(4), way=0, shot=5, query=5, seed=0)
    none = cost.measure(learner, batch, 0)
    one = cost.measure(learner, batch, 1)
    forward = 2 * 5 * (1 * 8 + 8 * 8 + 8 * 1)
    first_layer_input = 2 * 5 * 8  # the gradient of the data is not needed
    assert none.adapt_flops == 0
    assert one.adapt_flops == 3 * forward - first_layer_input
    assert one.adapt_peak_mb > none.adapt_peak_mb >= 0


def test_the_peak_is_that_of_the_tensors_alive() -> None:
    with cost.LiveTensors() as live:
        a = torch.zeros(1000)
        b = a + 1
        del a
        c = b + 1
        del b
        del c
    assert live.peak == 8000
    assert live.now == 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"tasks": "glyphs"}, "classification"),
        ({"inner_steps": -1}, "must be 0 or more"),
        ({"episodes": 0}, "--episodes is 0"),
        ({"curves": ("shotz",)}, "Did you mean shots"),
        ({"device": "tpu"}, "is not there"),
        ({"split": "validation"}, "unknown value of --split"),
    ],
)
def test_what_cannot_be_judged_is_said(asked: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        evaluate(maml(), **({"tasks": "sinusoid", "episodes": 4} | asked))


def test_queries_are_those_that_there_are() -> None:
    """A class of the real drawings has twenty: ten shots leave ten."""
    if not os.environ.get("QUICKSTUDY_DATA"):
        pytest.skip("needs Omniglot in QUICKSTUDY_DATA")
    family = tasks.load("omniglot")
    learner = learners.build("nearest", family.spec, learners.configure("nearest", {}), 0)
    found = [evaluate(learner, family, way=3, shot=shot, query=15, episodes=2) for shot in (1, 5, 10)]
    assert [row.query for row in found] == [15, 15, 10]


class Farthest(Sinusoid):
    """Waves of which the largest error is told too, where the first query is positive."""

    def score(self, predict: Predict, task: Task) -> dict[str, Tensor]:
        error = (predict(task.query.x, task.query.mask)[0] - task.query.y).abs().amax((-1, -2))  # type: ignore[call-overload]
        return super().score(predict, task) | {
            "largest": torch.where(task.query.y[:, 0, 0] > 0, error, torch.nan),
            "never": torch.full_like(error, torch.nan),
        }


def test_further_metrics_are_means_over_the_tasks_that_have_them() -> None:
    family, learner = Farthest(), learners.build("nearest", Farthest().spec, learners.configure("nearest", {}), 0)
    found = evaluate(learner, family, shot=5, query=3, episodes=40)
    assert list(found.others) == ["largest"]
    here = found.other_scores["largest"].isfinite()
    assert 0 < here.sum() < 40
    assert found.others["largest"] == pytest.approx(
        tuple(interval(found.other_scores["largest"][here], found.unit_ids[here]))
    )
    assert found.to_json()["others"]["largest"]["mean"] == found.others["largest"].mean
    assert found.mean == evaluate(learner, "sinusoid", shot=5, query=3, episodes=40).mean


class Failing(Learner):
    """Answers with numbers that are none in the tasks whose support says so: all of them, or some."""

    traits = Traits(kinds=("classification", "regression"))
    every = True

    def adapt(self, support: Examples, steps: int | None = None) -> dict[str, Tensor]:
        odd = (support.x.sum() * 1000).long() % 2 == 0
        return {"good": torch.zeros(()) if self.every else torch.where(odd, 1.0, math.nan), "y": support.y.mean(0)}

    def predict(self, adapted: dict[str, Tensor], x: Tensor, mask: Tensor) -> Logits | Gaussian:
        bad = torch.where(adapted["good"] > 0, 0.0, math.nan)
        answer = (adapted["y"] + bad).expand(len(x), -1)
        return Logits(answer) if self.spec.kind == "classification" else Gaussian(answer, 1 + 0 * answer.nan_to_num())


@pytest.mark.parametrize(
    "name",
    [
        "sinusoid",
        "glyphs:size=16:classes=40",
        "glucose:simulated=true",
        "pk:simulated=true",
        "phenotypes:simulated=true",
        "ratings:simulated=true",
        "ratings:judge=ranking:simulated=true",
        "tables:columns=4",
    ],
)
def test_what_is_no_number_is_the_worst_answer_in_every_metric(name: str) -> None:
    family = tasks.load(name)
    learner = Failing(family.spec, None)
    way = 0 if family.spec.kind == "regression" else 2
    which = scoring.Episodes(way=way, shot=2 if "glucose" not in name else 6, query=5, episodes=20)
    scored = scoring.score(learner, family, which)
    assert scored.failed == 20
    for metric, values in {family.spec.metric: scored.values, **scored.others}.items():
        worst = 0.0 if metric in SHARES else math.inf
        assert bool((values == worst).all()), metric


def test_one_task_that_fails_is_not_left_out() -> None:
    family = tasks.load("glucose:simulated=true")
    learner = Failing(family.spec, None)
    learner.every = False
    which = {"way": 0, "shot": 6, "query": 5, "episodes": 20}
    scored = scoring.score(learner, family, scoring.Episodes(**which))
    assert 0 < scored.failed < 20
    found = evaluate(learner, family, **which)
    assert found.failed == scored.failed
    assert found.mean == found.others["rmse30"].mean == math.inf
    assert 0 < found.others["zone_ab"].mean <= 1 - 0.9 * scored.failed / 20
    value = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert value["mean"] is value["others"]["nll"]["mean"] is None
    assert value["failed"] == scored.failed
    (pair,) = differences([found, found])
    assert pair.mean == 0  # of the tasks that both answered


def test_a_task_without_a_score_is_left_out_of_the_primary_metric_too(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evaluate(maml(), "sinusoid", shot=5, episodes=20)
    score = Sinusoid.score

    def some(self: Sinusoid, predict: Predict, task: Task) -> dict[str, Tensor]:
        found = score(self, predict, task)
        return {name: torch.where(task.unit % 4 == 0, math.nan, values) for name, values in found.items()}

    monkeypatch.setattr(Sinusoid, "score", some)
    found = evaluate(maml(), "sinusoid", shot=5, episodes=20)
    there = found.unit_ids % 4 != 0
    assert found.mean == pytest.approx(float(whole.scores[there].double().mean()))
    assert found.failed == 0
    monkeypatch.setattr(Sinusoid, "score", lambda self, predict, task: {"mse": torch.full((len(task.key),), math.nan)})
    nobody = evaluate(maml(), "sinusoid", shot=5, episodes=20)
    assert math.isnan(nobody.mean)
    assert nobody.to_json()["mean"] is None
