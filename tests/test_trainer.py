"""Runs: exact resume, refusals, warm start, guards."""

import json
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import quickstudy as qs
from quickstudy import runs, scoring, tasks, trainer, training
from quickstudy.errors import UserError
from quickstudy.learners.protonet import ProtoNet
from quickstudy.training import CLOCKS, TrainConfig

SMALL = {"backbone": "conv4", "width": 4}
CONFIG = TrainConfig(
    way=3, query=2, tasks_per_step=2, steps=120, validate_every=60, validate_episodes=4, batching="loop"
)


def metrics(path: Path) -> list[str]:
    """The lines of metrics without their clocks."""
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [json.dumps({name: value for name, value in line.items() if name not in CLOCKS}) for line in lines]


def train(path: Path, config: TrainConfig = CONFIG, progress: trainer.Progress | None = None) -> qs.Run:
    return qs.train("protonet", "glyphs:classes=20", config, settings=SMALL, out=path, progress=progress)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> qs.Run:
    """A training that nothing has happened to; nobody may change it."""
    return train(tmp_path_factory.mktemp("runs") / "whole")


class CrashError(Exception):
    pass


def cut_off(path: Path, at: int) -> None:
    """A training that breaks off after step ``at``."""

    def crash(training: training.Training, _: dict[str, object]) -> None:
        if training.step == at:
            raise CrashError

    with pytest.raises(CrashError):
        train(path, progress=crash)


class Doubled(ProtoNet):
    """A learner of one's own."""


@pytest.mark.parametrize("at", [37, *(pytest.param(at, marks=pytest.mark.slow) for at in (61, 119))])
def test_a_run_that_was_cut_off_goes_on_as_if_nothing_had_happened(
    whole: qs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(trainer, "CHECKPOINT_EVERY", 25)
    cut_off(tmp_path / "cut", at)
    resumed = qs.resume(tmp_path / "cut")
    assert metrics(whole.path) == metrics(resumed.path)
    one, other = (runs.read_tensors(run.path / "weights.safetensors")[0] for run in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_without_a_checkpoint_yet_starts_over(whole: qs.Run, tmp_path: Path) -> None:
    cut_off(tmp_path / "cut", at=1)
    left = tmp_path / "cut" / f"checkpoint.safetensors.{'0a' * 16}.tmp"  # by a process that was killed as it wrote
    mine = tmp_path / "cut" / "notes.tmp"
    left.touch()
    mine.touch()
    assert metrics(qs.resume(tmp_path / "cut").path) == metrics(whole.path)
    assert (left.exists(), mine.exists()) == (False, True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU that must be missing is there")
def test_a_run_goes_on_without_the_gpu_that_it_was_begun_on(whole: qs.Run, tmp_path: Path) -> None:
    cut_off(tmp_path / "cut", at=1)
    card = tmp_path / "cut" / "run.json"
    card.write_text(card.read_text().replace('"device": "auto"', '"device": "cuda"'))
    assert '"device": "cuda"' in card.read_text()
    assert metrics(qs.resume(tmp_path / "cut").path) == metrics(whole.path)


def test_resuming_a_finished_run_changes_nothing(whole: qs.Run, tmp_path: Path) -> None:
    run = runs.load(shutil.copytree(whole.path, tmp_path / "run"))
    before = (run.path / "metrics.jsonl").read_bytes(), (run.path / "weights.safetensors").read_bytes()
    qs.resume(run.path)
    assert before == ((run.path / "metrics.jsonl").read_bytes(), (run.path / "weights.safetensors").read_bytes())


def test_the_best_validated_weights_are_kept(whole: qs.Run) -> None:
    tensors, note = runs.read_tensors(whole.path / "checkpoint.safetensors")
    kept, _ = runs.read_tensors(whole.path / "weights.safetensors")
    assert all(torch.equal(value, tensors[f"best/{name}"]) for name, value in kept.items())
    scores = [json.loads(line).get("val_accuracy") for line in (whole.path / "metrics.jsonl").read_text().splitlines()]
    assert note["best"] == max(score for score in scores if score is not None)


def test_patience_ends_a_training_that_gets_no_better(tmp_path: Path) -> None:
    config = TrainConfig(
        steps=5000, rate=0.0, validate_every=1, patience=3, query=2, tasks_per_step=1, validate_episodes=2
    )
    run = qs.train("maml", "sinusoid", config, settings={"width": 4}, out=tmp_path / "run")
    assert json.loads((run.path / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 4


def test_a_run_refuses_classes_that_it_was_trained_on(whole: qs.Run) -> None:
    family = tasks.load("glyphs:classes=20")
    with pytest.raises(UserError, match="was trained on 20 of the classes"):
        whole.check_unseen(family.members("train"), family.spec.name)
    whole.check_unseen(family.members("test"), family.spec.name)
    assert qs.evaluate(whole, split="train", way=3, query=2, episodes=4).split == "train"


def test_numbers_that_are_not_finite_are_skipped_counted_and_in_the_end_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = tasks.load("sinusoid")
    sample = family.sample

    def poisoned(split: str, index: torch.Tensor, **asked: int) -> qs.Task:
        task = sample(split, index, **asked)
        bad = split == "train" and int(index[0]) in poisoned_steps
        return task._replace(query=task.query._replace(y=task.query.y * float("nan"))) if bad else task

    monkeypatch.setattr(family, "sample", poisoned)
    config = TrainConfig(steps=50, tasks_per_step=1, validate_every=0, query=3, batching="loop")
    poisoned_steps = {3, 4, 20}
    run = qs.train("maml", family, config, settings={"width": 4}, out=tmp_path / "some")
    assert json.loads((run.path / "metrics.jsonl").read_text().splitlines()[-1])["skipped"] == 3
    poisoned_steps = set(range(5, 50))
    with pytest.raises(UserError, match="not finite in 10 meta-steps in a row, up to step 15"):
        qs.train("maml", family, config, settings={"width": 4}, out=tmp_path / "all")


def test_a_class_is_a_learner_as_good_as_a_name(tmp_path: Path) -> None:
    """And a registered class goes by its name."""
    config = TrainConfig(steps=1, way=2, query=2, validate_every=0)
    own = qs.train(Doubled, "glyphs", config, settings=SMALL, out=tmp_path / "own")
    assert own.learner_name == f"{__name__}:Doubled"
    assert isinstance(qs.load_run(own.path).learner(), Doubled)
    assert qs.evaluate(own.path, episodes=2).learner == own.learner_name
    assert qs.train(ProtoNet, "glyphs", config, settings=SMALL, out=tmp_path / "known").learner_name == "protonet"

    class Hidden(ProtoNet):
        pass

    with pytest.raises(UserError, match="top-level class of a module"):
        qs.train(Hidden, "glyphs", config, out=tmp_path / "hidden")


def test_a_warm_start_takes_the_backbone(whole: qs.Run, tmp_path: Path) -> None:
    config = TrainConfig(way=3, query=2, tasks_per_step=1, steps=0)
    warm = qs.train("protonet", "glyphs", config, settings=SMALL, out=tmp_path / "warm", init=whole.path)
    one, other = (runs.read_tensors(run.path / "weights.safetensors")[0] for run in (whole, warm))
    learned = [name for name in one if name.endswith(("weight", "bias"))]
    assert all(torch.equal(one[name], other[name]) for name in learned)
    with pytest.raises(UserError, match="backbone of"):
        qs.train("protonet", "glyphs", config, settings={"width": 8}, out=tmp_path / "other", init=whole.path)


@pytest.mark.parametrize(
    ("learner", "family", "config", "settings", "words"),
    [
        ("protonett", "glyphs", {}, {}, "Did you mean protonet"),
        ("protonet", "sinusoid", {}, {}, "does not do regression"),
        ("protonet", "glyphs", {}, {"widht": 3}, "Did you mean width"),
        ("protonet", "glyphs", {}, {"backbone": "conv5"}, "Did you mean conv4"),
        ("protonet", "glyphs", {}, {"proxies": True, "distance": "cosine"}, "needs a fixed number"),
        ("protonet", "glyphs", {"way": 0}, {}, "--way is 0"),
        ("protonet", "glyphs", {"rate": -1.0}, {}, "--rate is -1.0"),
        ("protonet", "glyphs", {"device": "cuda:7"}, {}, "is not there"),
        ("maml", "sinusoid", {"batching": "fast"}, {}, "Expected auto"),
        ("protonet", "glyphs", {}, {"transductive": True}, "needs --norm task"),
    ],
)
def test_what_cannot_be_trained_is_said_and_leaves_nothing(
    tmp_path: Path, learner: str, family: str, config: dict, settings: dict, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        qs.train(learner, family, TrainConfig(**config), settings=settings, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_taken_or_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="is there already"):
        train(tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]
    with pytest.raises(UserError, match="cannot write"):
        train(tmp_path / "full" / "thesis.txt" / "run")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: (path / "run.json").unlink(), "no run.json"),
        (lambda path: (path / "run.json").write_text("{"), "is damaged"),
        (lambda path: (path / "run.json").write_text("[]"), "is damaged"),
        (lambda path: (path / "weights.safetensors").unlink(), "is unfinished"),
        (lambda path: (path / "weights.safetensors").write_bytes(b"abc"), "is damaged"),
        (lambda path: edit(path, "format", 99), "Upgrade quickstudy"),
        (lambda path: edit(path, "learner", "gone"), "unknown learner"),
        (lambda path: edit(path, "config", {"width": 9, "backbone": "conv4"}), "does not fit"),
        (lambda path: poison(path), "not finite"),
    ],
)
def test_a_damaged_run_is_named(tmp_path: Path, damage: object, words: str) -> None:
    run = train(tmp_path / "run", TrainConfig(way=3, query=2, tasks_per_step=1, steps=1, validate_every=0))
    damage(run.path)  # type: ignore[operator]
    with pytest.raises(UserError, match=words):
        qs.load_run(run.path).learner()


def edit(path: Path, name: str, value: object) -> None:
    card = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(card | {name: value}))


def poison(path: Path) -> None:
    tensors, note = runs.read_tensors(path / "weights.safetensors")
    first = next(iter(tensors))
    tensors[first] = tensors[first] * float("nan")
    runs.write_tensors(path / "weights.safetensors", tensors, note)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.json"
    runs.write_json(target, {"old": 1})

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        runs.write_atomic(target, full)
    assert json.loads(target.read_text()) == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_a_second_interrupt_does_not_wait() -> None:
    before = signal.getsignal(signal.SIGINT)
    with trainer.interruptible() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_budget_of_cpu_seconds_sets_the_number_of_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SAMPLE", 0.2)
    config = TrainConfig(way=3, query=2, tasks_per_step=2, budget=1.0, validate_every=0, batching="loop")
    run = train(tmp_path / "timed", config)
    steps, spent = run.training["steps"], run.trained()["cpu_s"]
    assert run.training["budget"] == 1.0
    assert steps > 10
    assert 0.3 < spent < 2.5
    again = train(tmp_path / "counted", replace(config, budget=0.0, steps=steps))
    assert metrics(run.path) == metrics(again.path)
    assert qs.resume(run.path).training["steps"] == steps


def test_validations_leave_most_of_a_budget_to_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner that takes long to judge was left with one step, and a validation of many times the budget."""
    score = scoring.score

    def slowly(learner: Any, family: Any, which: Any, **settings: Any) -> Any:
        end = time.process_time() + 0.01 * which.episodes
        while time.process_time() < end:
            pass
        return score(learner, family, which, **settings)

    monkeypatch.setattr(training, "SAMPLE", 0.1)
    monkeypatch.setattr(scoring, "score", slowly)
    config = TrainConfig(way=3, query=2, tasks_per_step=2, budget=1.0, validate_episodes=500, batching="loop")
    run = train(tmp_path / "run", config)
    assert run.training["validate_episodes"] == training.FEWEST
    assert run.training["steps"] > 3  # ten and more, but on a slow machine beside other work


def test_steps_and_a_budget_exclude_one_another(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--steps is 120 and --budget 5"):
        train(tmp_path / "run", replace(CONFIG, budget=5.0))
    assert not (tmp_path / "run").exists()
