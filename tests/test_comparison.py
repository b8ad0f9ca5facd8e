"""Learners side by side: places, pairs, what is needed, what it costs, and what cannot be compared."""

import json

import pytest
import torch

import quickstudy as qs
from quickstudy import learners, tasks
from quickstudy.comparison import Comparison, compare, places, told_apart
from quickstudy.contender import needed, state_size
from quickstudy.errors import UserError
from quickstudy.evaluation import CurvePoint, Difference, evaluate
from quickstudy.tasks.vision.shift import Shift

SMALL = {"way": 2, "query": 2, "episodes": 12, "side_episodes": 5, "shifts": "blur"}
TINY = {"backbone": "mlp", "width": 8}


def learner(name: str, family: str = "glyphs", seed: int = 0, **settings: object) -> learners.Learner:
    spec = tasks.load(family).spec
    return learners.build(name, spec, learners.configure(name, settings), seed)


@pytest.fixture(scope="module")
def found() -> Comparison:
    torch.set_num_threads(1)
    some = [learner("maml", **TINY), learner("nearest"), learner("protonet", **TINY)]
    return compare(some, **SMALL)


def test_the_scores_are_those_of_evaluate(found: Comparison) -> None:
    asked = {name: SMALL[name] for name in ("way", "query")}
    for row in found.rows:
        fresh = learner(row.name, **({} if row.name == "nearest" else TINY))
        whole = evaluate(fresh, episodes=12, **asked)
        assert row.evaluation.mean == pytest.approx(whole.mean)
        assert row.evaluation.ci95 == pytest.approx(whole.ci95)
        assert row.evaluation.manifest == whole.manifest
        few = evaluate(fresh, episodes=5, curves="shots", **asked)
        assert [tuple(point) for point in row.evaluation.curves["shots"]] == [
            pytest.approx(tuple(point)) for point in few.curves["shots"]
        ]
        blurred = evaluate(fresh, Shift(tasks.load("glyphs"), kind="blur", strength=2.0), episodes=5, **asked)
        (shifted,) = (one for one in row.shifts if one.strength == 2.0)
        assert shifted.mean == pytest.approx(blurred.mean)
        assert shifted.change == pytest.approx(blurred.mean - few.mean, abs=1e-6)


def test_the_best_comes_first_and_pairs_are_paired(found: Comparison) -> None:
    means = [row.evaluation.mean for row in found.rows]
    assert means == sorted(means, reverse=True)
    assert len(found.differences) == 3
    by_name = {row.name: row.evaluation for row in found.rows}
    for pair in found.differences:
        assert pair.mean == pytest.approx(by_name[pair.first].mean - by_name[pair.second].mean)
        assert pair.mean >= 0
    assert all(1 <= best <= worst <= 3 for best, worst in found.ranks)


def test_places_are_what_the_pairs_leave_open() -> None:
    def pairs(*certain: str) -> list[Difference]:
        return [Difference(one, two, 1.0, 0.5 if one + two in certain else 2.0) for one, two in ("ab", "ac", "bc")]

    assert places("abc", pairs("ab", "ac", "bc")) == [(1, 1), (2, 2), (3, 3)]
    assert places("abc", pairs()) == [(1, 3)] * 3
    assert places("abc", pairs("ac")) == [(1, 2), (1, 3), (2, 3)]
    assert places("abc", pairs("ac", "bc")) == [(1, 2), (1, 2), (3, 3)]
    assert not told_apart(Difference("a", "b", 0.0, 0.0))
    assert not told_apart(Difference("a", "b", 1.0, float("inf")))


def test_what_is_needed_is_where_a_curve_comes_close_to_its_end() -> None:
    rising = [CurvePoint(at, mean, 0.0) for at, mean in ((1, 0.5), (2, 0.795), (5, 0.79), (10, 0.8))]
    assert needed(rising, higher=True) == 2
    falling = [CurvePoint(at, mean, 0.0) for at, mean in ((0, 4.0), (1, 1.02), (3, 1.005), (10, 1.0))]
    assert needed(falling, higher=False) == 3
    assert needed([], higher=True) is None


def test_costs_are_those_of_the_state(found: Comparison) -> None:
    rows = {row.name: row for row in found.rows}
    assert rows["nearest"].adapted_parameters == 2 * 28 * 28
    assert rows["nearest"].state_bytes == 2 * (28 * 28 * 4 + 2 * 4 + 1)
    assert rows["nearest"].steps_needed is None
    assert [one.steps for one in rows["nearest"].priced] == [None]
    assert [one.steps for one in rows["maml"].priced] == [None, 0, 1, 2, 3, 5, 10]
    flops = [one.adapt_flops for one in rows["maml"].priced[1:]]
    assert flops == sorted(flops)
    assert rows["maml"].priced[0].adapt_flops == rows["maml"].evaluation.adapt_flops
    family = tasks.load("sinusoid")
    batch = family.sample("test", torch.arange(2), way=0, shot=5, query=2, seed=0)
    moved, size = state_size(learner("maml", "sinusoid", **TINY), batch)
    weights = (1 * 8 + 8) + (8 * 8 + 8) + (8 + 1)
    assert moved == weights
    assert size == 4 * weights + 1


def test_classifiers_are_calibrated_on_validation_tasks(found: Comparison) -> None:
    for row in found.rows:
        assert row.calibration is not None
        assert row.calibration.temperature is not None
        assert sum(one.answers for one in row.calibration.bins) == 12 * 2 * 2
        assert row.shifts[0].calibration is not None
        assert row.shifts[0].calibration.temperature == row.calibration.temperature


def test_tasks_of_other_families_are_shifts_too() -> None:
    torch.set_num_threads(1)
    others = ["glyphs:classes=20", tasks.load("glyphs:classes=30+shift:strength=2")]
    some = [learner("nearest"), learner("protonet", **TINY)]
    found = compare(some, **{**SMALL, "shifts": ""}, shift_to=others)
    for row in found.rows:
        assert row.shifts == []
        assert [one.tasks for one in row.elsewhere] == ["glyphs:classes=20", "glyphs:classes=30+shift:strength=2"]
        fresh = learner(row.name, **({} if row.name == "nearest" else TINY))
        for one, tasks_ in zip(row.elsewhere, others, strict=True):
            there = evaluate(fresh, tasks_, way=2, query=2, episodes=5)
            assert (one.mean, one.ci95) == pytest.approx((there.mean, there.ci95))
            assert one.manifest == there.manifest
            assert one.change == pytest.approx(there.mean - row.priced[0].mean)
            assert one.change_ci95**2 == pytest.approx(there.ci95**2 + row.priced[0].ci95 ** 2)
            assert one.calibration is not None
            assert one.calibration.temperature == row.calibration.temperature
            assert sum(each.answers for each in one.calibration.bins) == 5 * 2 * 2
    written = json.loads(json.dumps(found.to_json(), allow_nan=False))["rows"][0]["elsewhere"]
    assert [one["tasks"] for one in written] == ["glyphs:classes=20", "glyphs:classes=30+shift:strength=2"]


def test_all_of_it_is_json(found: Comparison) -> None:
    value = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [row["name"] for row in value["rows"]] == [row.name for row in found.rows]
    row = value["rows"][0]
    wanted = "rank mean ci95 curves steps_needed shots_needed priced adapted_parameters state_bytes calibration shifts"
    assert {*wanted.split(), "adapt_ms", "predict_ms", "adapt_flops", "adapt_peak_mb", "manifest"} <= row.keys()
    assert "evaluation" not in row
    assert value["differences"][0].keys() == {"first", "second", "mean", "ci95", "told_apart"}
    assert (value["way"], value["episodes"], value["side_episodes"]) == (2, 12, 5)


def test_waves_of_two_equal_nets_and_of_one_alone() -> None:
    said: list[tuple[int, int]] = []
    nets = [learner("maml", "sinusoid", **TINY) for _ in range(2)]
    found = qs.compare(
        nets, shot=3, episodes=6, side_episodes=3, progress=lambda name, what, done, total: said.append((done, total))
    )
    assert [row.name for row in found.rows] == ["maml (1)", "maml (2)"]
    assert found.ranks == [(1, 2), (1, 2)]
    assert found.differences[0].mean == 0
    assert found.rows[0].calibration is None
    assert {one.kind for one in found.rows[0].shifts} == {"noise"}
    assert said == [(number, len(said)) for number in range(len(said))]
    alone = qs.compare(nets[:1], shot=3, episodes=1)
    assert (alone.ranks, alone.differences) == ([(1, 1)], [])
    assert json.loads(json.dumps(alone.to_json(), allow_nan=False))["rows"][0]["priced"][0]["ci95"] is None


@pytest.mark.parametrize(
    ("names", "asked", "words"),
    [
        ([], {}, "nothing to compare"),
        (["nearest", "maml"], {}, r"different tasks \(glyphs, sinusoid\)"),
        (["nearest", "maml"], {"tasks": "glyphs"}, "maml cannot take part: .* regression"),
        (["nearest"], {"shifts": "blurr"}, "Did you mean blur"),
        (["maml"], {"shifts": "noise,blur"}, "takes images"),
        (["nearest"], {"shift_to": "glyphs:classes=20,glyphs:size=32"}, r"cannot take part: .*\(1, 32, 32\)"),
        (["nearest"], {"shift_to": "sinusoid"}, "sinusoid is judged by mse, and glyphs by accuracy"),
        (["nearest"], {"side_episodes": 0}, "--side-episodes is 0"),
        (["nearest"], {"episodes": 0}, "--episodes is 0"),
        (["nearest"], {"split": "tset"}, "unknown value of --split"),
        (["nearest"], {"device": "tpu"}, "is not there"),
    ],
)
def test_what_cannot_be_compared_is_said(names: list[str], asked: dict[str, object], words: str) -> None:
    some = {"nearest": learner("nearest"), "maml": learner("maml", "sinusoid", **TINY)}
    with pytest.raises(UserError, match=words):
        compare([some[name] for name in names], **({"episodes": 2} | asked))
