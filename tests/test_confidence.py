"""Answer sets hold the right label as often as they say, on tasks that were not calibrated on."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import quickstudy as qs
from quickstudy import FewShotClassifier, UserError, confidence, runs, scoring
from quickstudy.app.cli import main
from quickstudy.calibration import Answers, Overheard, log_probabilities
from quickstudy.confidence import Confidence
from quickstudy.estimator.estimate import HeldOut, held_out
from quickstudy.estimator.outlook import outlook
from quickstudy.typicality import features_of

TASKS = "glyphs:size=16:classes=40"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    out = tmp_path_factory.mktemp("runs") / "glyphs"
    config = qs.TrainConfig(way=5, query=3, steps=20, validate_every=0)
    made = qs.train("protonet", TASKS, config, settings={"width": 8}, out=out)
    found = confidence.measure(made.learner(), qs.load_tasks(TASKS), ways=(2, 5), shots=(1, 4), episodes=100)
    confidence.write(found, made.path / confidence.FILE)
    return made


@pytest.fixture
def known(run: runs.Run) -> Confidence:
    found = confidence.read(run.path / confidence.FILE)
    assert found is not None
    return found


@pytest.fixture(scope="module", params=[(5, 1), (5, 4), (2, 1), (3, 2)])
def asked(run: runs.Run, request: pytest.FixtureRequest) -> tuple[int, int, Answers]:
    """Ways, shots, and what the run answers on test tasks of them."""
    way, shot = request.param
    heard = Overheard(qs.load_tasks(TASKS))
    which = scoring.Episodes(split="test", way=way, shot=shot, query=5, episodes=200, seed=3)
    scoring.score(run.learner(), heard, which)
    return way, shot, heard.answers()


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9])
def test_sets_cover_what_they_promise(known: Confidence, asked: tuple[int, int, Answers], coverage: float) -> None:
    way, shot, answers = asked
    p = log_probabilities(answers, known.degree(way, shot)).exp()
    sets = 1 - p <= known.threshold(way, shot, coverage)
    right = sets.gather(-1, answers.label.unsqueeze(-1)).float()
    assert float(right.mean()) == pytest.approx(coverage, abs=0.07)
    assert 0 < float(sets.float().mean()) < 1


def test_a_twin_answers_in_place_of_a_run_that_has_seen_the_tasks(run: runs.Run, known: Confidence) -> None:
    family, sizes = qs.load_tasks(TASKS), {"ways": (2, 5), "shots": (1, 4), "episodes": 100}
    other = qs.learners.build("protonet", family.spec, qs.learners.configure("protonet", {"width": 8}), 5)
    found = confidence.measure(other, family, twin=run.learner(), **sizes)
    for name in confidence.TABLES:
        assert torch.equal(getattr(found, name), getattr(known, name))
    assert found.typical is not None
    assert known.typical is not None
    assert not torch.equal(found.typical.centre, known.typical.centre)


def test_between_measured_counts_it_is_between(known: Confidence) -> None:
    low, high = known.degree(5, 1), known.degree(5, 4)
    assert known.degree(5, 2) == pytest.approx((low * high) ** 0.5)
    assert known.degree(50, 1) == known.degree(5, 1)
    assert known.degree(1, 0.5) == known.degree(2, 1)
    assert known.threshold(5, 1, 0.8) < known.threshold(5, 1, 0.9) < known.threshold(5, 1, 0.9999) == 1


def test_noise_is_not_typical(run: runs.Run, known: Confidence) -> None:
    learner, family = run.learner(), qs.load_tasks(TASKS)
    assert known.typical is not None
    usual = []
    for task in scoring.batches(family, scoring.Episodes(way=5, query=1, episodes=100, seed=9), 20):
        usual += [known.typical.typicality(features_of(learner, x)) for x in task.support.x]  # type: ignore[arg-type]
    assert np.mean(usual) == pytest.approx(0.5, abs=0.12)
    noise = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert known.typical.typicality(features_of(learner, noise)) < 0.02  # type: ignore[arg-type]


def episode(number: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    task = qs.load_tasks(TASKS).sample("test", torch.tensor([number]), way=5, shot=2, query=20, seed=0)
    names = np.array(["alif", "ba", "ta", "tha", "jim"])
    parts = [(one.x[0, :, 0].numpy(), names[one.y[0].argmax(-1).numpy()]) for one in (task.support, task.query)]
    return *parts[0], *parts[1]


def test_the_estimator_knows_when_it_does_not_know(run: runs.Run, known: Confidence, tmp_path: Path) -> None:
    x, y, new, _ = episode()
    found = FewShotClassifier(weights=run.path, device="cpu").fit(x, y)
    plain, careful = found.predict(new), found.predict(new, abstain=0.8)
    told = np.array([label is not None for label in careful])
    assert 0 < told.sum() < len(new)
    assert np.array_equal(careful[told], plain[told])
    sets = found.answer_sets(new, 0.8)
    assert np.array_equal(sets.sum(1) == 1, told)
    logits = torch.from_numpy(found.decision_function(new))
    np.testing.assert_allclose(found.predict_proba(new), (logits / known.degree(5, 2)).softmax(-1), atol=1e-6)
    again = FewShotClassifier.load(found.save(tmp_path / "mine.qs"))
    assert np.array_equal(again.answer_sets(new, 0.8), sets)
    assert again.task_typicality_ == found.task_typicality_
    assert found.task_typicality_ is not None
    assert 0 < found.task_typicality_ <= 1
    more = FewShotClassifier(weights=tmp_path / "mine.qs", device="cpu").fit(x, y)
    assert np.array_equal(more.answer_sets(new, 0.8), sets)


def test_what_it_tells_is_right_more_often(run: runs.Run) -> None:
    every, told = [], []
    for number in range(20):
        x, y, new, truth = episode(number)
        found = FewShotClassifier(weights=run.path, device="cpu").fit(x, y)
        answers = found.predict(new, abstain=0.7)
        every.append(found.predict(new) == truth)
        told.append((answers == truth)[[answer is not None for answer in answers]])
    assert np.concatenate(told).mean() > np.concatenate(every).mean() + 0.05


@pytest.mark.slow
def test_what_more_examples_would_bring_is_foretold(run: runs.Run) -> None:
    foretold, found = [], []
    for number in range(30):
        x, y, new, truth = episode(number)
        made = FewShotClassifier(weights=run.path, device="cpu").fit(x, y)
        now, more = outlook(made, held_out(made), (0, 2))
        assert now.accuracy < more.accuracy
        foretold.append((now.accuracy, more.accuracy))
        first = np.isin(np.arange(len(new)) % 20, (0, 1))
        score = made.score(new[~first], truth[~first])
        found.append((score, made.partial_fit(new[first], truth[first]).score(new[~first], truth[~first])))
    np.testing.assert_allclose(np.mean(foretold, 0), np.mean(found, 0), atol=0.05)
    assert np.corrcoef(np.transpose(foretold)[0], np.transpose(found)[0])[0, 1] > 0.1


def test_nothing_is_foretold_beyond_what_was_measured(run: runs.Run) -> None:
    x, y, new, truth = episode()
    made = FewShotClassifier(weights=run.path, device="cpu").fit(x, y)
    shot = int(np.bincount(made.y_).min())
    assert [one.more for one in outlook(made, held_out(made), (0, 4 - shot, 5 - shot))] == [0, 4 - shot]
    made.partial_fit(new, truth)
    assert [one.more for one in outlook(made, held_out(made))] == [0]


@pytest.mark.parametrize(("errors", "harder"), [(100, 1.0), (0, 0.05), (300, 2.9)])
def test_how_hard_classes_are_comes_from_their_errors(run: runs.Run, errors: int, harder: float) -> None:
    x, y, _, _ = episode()
    made = FewShotClassifier(weights=run.path, device="cpu").fit(x, y)
    flat = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
    made.confidence_ = dataclasses.replace(made.confidence_, accuracy=flat)  # type: ignore[type-var]
    truth = np.arange(200) % 5
    guess = np.where(np.arange(200) < errors, (truth + 1) % 5, truth)
    one = outlook(made, HeldOut(list("abcde"), truth, guess), (0,))[0]
    assert 1 - one.accuracy == pytest.approx(min(0.5 * harder, 0.8), rel=0.05)


def test_it_warns_of_a_support_that_is_unlike_any(run: runs.Run) -> None:
    noise = np.random.default_rng(0).random((10, 16, 16))
    with pytest.warns(UserWarning, match="unlike 99% of the tasks"):
        found = FewShotClassifier(weights=run.path, device="cpu").fit(noise, list("ababababab"))
    assert found.task_typicality_ is not None
    assert found.task_typicality_ < 0.01


def test_what_comes_with_the_package_is_not_changed(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name for path in runs.load("characters").path.iterdir()}
    assert main(["calibrate", "characters", "--tasks", "glyphs:size=48"]) == 2
    assert "comes with the package" in capsys.readouterr().err
    assert {path.name for path in runs.load("characters").path.iterdir()} == before


def test_few_episodes_are_refused(run: runs.Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", str(run.path), "--episodes", "5"]) == 2
    assert "fewer than 20" in capsys.readouterr().err


def test_what_is_not_known_is_said(run: runs.Run, tmp_path: Path) -> None:
    x, y, new, _ = episode()
    found = FewShotClassifier("nearest", weights=None).fit(x.reshape(len(x), -1), y)
    assert found.task_typicality_ is None
    with pytest.raises(UserError, match="quickstudy calibrate RUN"):
        found.predict(new.reshape(len(new), -1), abstain=0.9)
    with pytest.raises(UserError, match="the coverage is 1"):
        FewShotClassifier(weights=run.path, device="cpu").fit(x, y).predict(new, abstain=1.5)
    damaged = tmp_path / confidence.FILE
    runs.write_tensors(damaged, {"scores": torch.zeros(1)}, {"format": 1, "tasks": "x"})
    with pytest.raises(UserError, match="Calibrate the run again"):
        confidence.read(damaged)
    runs.write_tensors(damaged, {}, {"format": 99})
    with pytest.raises(UserError, match="Upgrade quickstudy"):
        confidence.read(damaged)
    with pytest.raises(UserError, match="confidence is of classifiers"):
        confidence.measure(qs.Learner(qs.load_tasks("sinusoid").spec, None), qs.load_tasks("sinusoid"))
