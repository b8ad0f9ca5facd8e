"""A training inside its run folder: started, interrupted, resumed, finished."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from quickstudy import learners, runs
from quickstudy.devices import pick_device
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners.base import Learner
from quickstudy.tasks import TaskFamily
from quickstudy.tasks import load as load_tasks
from quickstudy.training import TrainConfig, Training, resolve

CHECKPOINT_EVERY = 500
"""Meta-steps between checkpoints, beside those at each validation and at the end."""

Progress = Callable[[Training, dict[str, Any]], None]
"""Called after each meta-step with the training and its metrics, which are empty where nothing was logged."""


def train(
    learner: str | type[Learner],
    tasks: str | TaskFamily = "glyphs",
    config: TrainConfig | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    out: Path | str | None = None,
    init: Path | str | None = None,
    progress: Progress | None = None,
) -> runs.Run:
    """Meta-train ``learner`` on ``tasks`` and return its run.

    Args:
        learner: a name from ``quickstudy list learners``, or a learner's class: its run can be read wherever the
            module that defines it can be imported.
        tasks: a family, or its name with options, for example ``omniglot:classes=alphabets``.
        config: how to train; None leaves everything to the learner's recipe.
        settings: fields of the learner's own configuration, for example ``{"distance": "cosine"}``.
        out: the run folder to make; by default a new one below ``runs/``.
        init: a run whose backbone the training starts from.
        progress: called after each meta-step.

    Ctrl-C ends the training after the current meta-step with a checkpoint, and raises KeyboardInterrupt.
    Raises UserError for names, settings or folders that are not right, before anything is written.
    """
    name = learners.name_of(learner)
    learner_config = learners.configure(name, dict(settings or {}))
    family = load_tasks(tasks)
    config = resolve(config or TrainConfig(), name, family.spec)
    path = Path(out).expanduser() if out is not None else runs.new_path(name, family.spec.name)
    _check_free(path)
    training = _begin(name, learner_config, family, config)
    if init is not None:
        warm_start(training, init)
    if training.steps:
        training.check_episodes()
        training.choose_batching()
    _check_free(path)  # once more: choosing took seconds, and another training may have begun
    card = asdict(config) | {"batching": training.how, "init": None if init is None else str(init)}
    run = runs.create(
        path, name, learner_config, family.spec, card, family.members("train") if training.params else None
    )
    recorder = Recorder(training, path)
    try:
        recorder.start()
    except UserError:
        with contextlib.suppress(OSError):
            (path / runs.CARD).unlink()
            path.rmdir()
        raise
    return _drive(training, recorder, run, progress)


def _check_free(path: Path) -> None:
    if (path / runs.CARD).is_file():
        raise UserError(f"{path} is a run already. Choose another --out, or go on with it: --resume {path}.")
    if os.path.exists(path) and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} is there already. Choose another --out.")


def resume(path: Path | str, progress: Progress | None = None) -> runs.Run:
    """Continue an interrupted training exactly where its last checkpoint left it, with the settings it has."""
    run = runs.load(path)
    family = load_tasks(run.spec.name)
    config = settings_of(run)
    if family.spec != run.spec:
        raise UserError(f"the tasks of {run.path} are not those of today: {run.spec} then, {family.spec} now.")
    training = _begin(run.learner_name, run.config, family, config)
    training.how = batch.check(config.batching)
    recorder = Recorder(training, run.path)
    if recorder.checkpoint_path.exists() or (run.path / runs.WEIGHTS).exists():
        recorder.resume()
    else:
        recorder.start()
    return _drive(training, recorder, run, progress)


def settings_of(run: runs.Run) -> TrainConfig:
    """How ``run`` is trained; UserError where run.json does not say it in words of this version."""
    card = {name: value for name, value in run.training.items() if name != "init"}
    # what is None unless it is said, was decided when the run began
    missing = {field.name for field in fields(TrainConfig) if field.default is None} - card.keys()
    try:
        if missing:
            raise UserError(f"training lacks {', '.join(sorted(missing))}.")
        return resolve(TrainConfig(**card), run.learner_name, run.spec)
    except (UserError, TypeError) as error:
        raise UserError(f"{run.path / runs.CARD}: {error} Restore it from a copy, or train again.") from error


def _begin(name: str, learner_config: Any, family: TaskFamily, config: TrainConfig) -> Training:
    learner = learners.build(name, family.spec, learner_config, config.seed)
    return Training(learner, family, config, pick_device(config.device))


def _drive(training: Training, recorder: Recorder, run: runs.Run, progress: Progress | None) -> runs.Run:
    with interruptible() as asked:
        for metrics in training.advance():
            if metrics:
                recorder.log(metrics)
            if training.step % CHECKPOINT_EVERY == 0 or any(name.startswith("val_") for name in metrics):
                recorder.checkpoint()
            if progress:
                progress(training, metrics)
            if asked.is_set() and not training.finished():
                recorder.checkpoint()
                raise KeyboardInterrupt
    if training.params:
        recorder.checkpoint()
    recorder.finish()
    return run


def warm_start(training: Training, init: Path | str) -> None:
    """Give the learner the backbone of the run ``init``; UserError if it has another shape."""
    source = runs.load(init)
    tensors, _ = runs.read_tensors(source.path / runs.WEIGHTS)
    mine = training.learner.state_dict()
    shared = {name: value for name, value in tensors.items() if name.startswith("net.")}
    wanted = {name for name in mine if name.startswith("net.")}
    misfit = [n for n in wanted if n not in shared or shared[n].shape != mine[n].shape] or wanted ^ shared.keys()
    if misfit or not wanted:
        raise UserError(
            f"the backbone of {source.path} is not this one ({', '.join(sorted(misfit)[:3])}). Train with the same "
            f"--backbone, --width and --norm."
        )
    training.learner.load_state_dict(mine | shared)


class Recorder:
    """Writes a training into its run folder."""

    def __init__(self, training: Training, path: Path) -> None:
        self.training, self.path = training, path
        self.checkpoint_path = path / runs.CHECKPOINT
        self.lines: list[str] = []

    def start(self) -> None:
        """An empty metrics file; fails before any step where the folder cannot be written."""
        self._write_metrics()

    def resume(self) -> None:
        """Continue from the checkpoint, with the metrics up to it."""
        tensors, counters = runs.read_tensors(self.checkpoint_path)
        try:
            self.training.restore(tensors, counters, self.checkpoint_path)
        except UserError:
            raise
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.checkpoint_path} is no checkpoint of this training ({type(error).__name__}: {error}). Restore "
                f"it from a copy, or train again."
            ) from error
        try:
            lines = (self.path / runs.METRICS).read_text(encoding="utf-8").splitlines()
            self.lines = lines[: sum(_step(line) <= self.training.step for line in lines)]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self.path / runs.METRICS} is missing or damaged ({error!r}).") from error
        self._write_metrics()

    def log(self, metrics: dict[str, Any]) -> None:
        line = json.dumps(metrics)
        self.lines.append(line)
        try:
            with open(self.path / runs.METRICS, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise UserError(f"cannot write {self.path / runs.METRICS}: {error}.") from error

    def checkpoint(self) -> None:
        tensors, counters = self.training.state()
        runs.write_tensors(self.checkpoint_path, tensors, counters)

    def finish(self) -> None:
        """The weights that the run is known by: the best validated, or the last with what ``prepare`` finds."""
        training = self.training
        if not training.best_weights:
            training.prepare()
        runs.write_tensors(self.path / runs.WEIGHTS, training.best_weights or training.learner.state_dict())

    def _write_metrics(self) -> None:
        text = "".join(line + "\n" for line in self.lines)
        runs.write_atomic(self.path / runs.METRICS, lambda temporary: runs.write_text(temporary, text))


def _step(line: str) -> int:
    """Of a line of metrics; a line that a crash cut off comes after every checkpoint."""
    try:
        return int(json.loads(line)["step"])
    except ValueError:
        return 2**62


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that a meta-step is never cut in two; a second Ctrl-C does not wait."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
