"""A training inside its run folder: started, interrupted, resumed, finished."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from quickstudy import learners, locks, parallel, runs
from quickstudy.devices import pick_device
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners.base import Learner
from quickstudy.recorder import Recorder
from quickstudy.tasks import TaskFamily
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import check_split
from quickstudy.tasks.places import clear_unfinished
from quickstudy.training import TrainConfig, Training, resolve

CHECKPOINT_EVERY = 500
"""Meta-steps between checkpoints, beside those at each validation and at the end."""

Progress = Callable[[Training, dict[str, Any]], None]
"""Called after each meta-step with the training and its metrics, which are empty where nothing was logged; of several
processes each calls its own."""


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
    """Meta-train ``learner`` on ``tasks`` and return its run. Under torchrun all processes share the work.

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
    check_split(family, "train")
    config = resolve(config or TrainConfig(), name, family.spec)
    world = parallel.world()
    path = choose_path(out, name, family)
    if world.first:
        _check_free(path)
    training = _begin(name, learner_config, family, config, world)
    if init is not None and world.first:
        warm_start(training, init)
    training.unite()
    if training.steps or (config.budget and training.params):
        training.check_episodes()
        training.choose_batching()
        training.fit_budget()
    world.wait()  # nothing is written before every process has found everything right
    card = asdict(training.config) | {"batching": training.how, "init": None if init is None else str(init)}
    members = family.members("train") if training.learner.learns else None
    run = runs.describe(path, name, training.learner.config, family.spec, card, members)
    recorder = Recorder(training, path)
    with _holding(path, world):
        if world.first:
            _check_free(path)  # once more: choosing took seconds, and another training may have begun
            _create(run, recorder)
        return _drive(training, recorder, run, progress)


def choose_path(out: Path | str | None, learner_name: str, family: TaskFamily) -> Path:
    """The run folder to make, which rank 0 decides: ``out``, or a new one below ``runs/``."""
    path = runs.new_path(learner_name, family.spec.name) if out is None else Path(out).expanduser()
    return Path(parallel.world().decide(lambda: str(path)))


def _check_free(path: Path) -> None:
    if (path / runs.CARD).is_file():
        raise UserError(f"{path} is a run already. Choose another --out, or go on with it: --resume {path}.")
    if os.path.exists(path) and (not path.is_dir() or any(one.name != locks.NAME for one in path.iterdir())):
        raise UserError(f"{path} is there already. Choose another --out.")


def _holding(path: Path, world: parallel.World) -> contextlib.AbstractContextManager[None]:
    """The folder for this training alone: rank 0 holds it for all."""
    return locks.held(path) if world.first else contextlib.nullcontext()


def _create(run: runs.Run, recorder: Recorder) -> None:
    runs.write_card(run)
    try:
        recorder.start()
    except UserError:
        with contextlib.suppress(OSError):
            (run.path / runs.CARD).unlink()
        raise


def resume(path: Path | str, progress: Progress | None = None) -> runs.Run:
    """Continue an interrupted training exactly where its last checkpoint left it, with the settings it has.

    Where the device that it was begun on is not there, it goes on with the best there is, and rounds otherwise.
    """
    world = parallel.world()
    run = open_run(path)
    family = load_tasks(run.spec.name)
    config = with_a_device(settings_of(run))
    if family.spec != replace(run.spec, form=family.spec.form):  # which older runs do not say
        raise UserError(f"the tasks of {run.path} are not those of today: {run.spec} then, {family.spec} now.")
    training = _begin(run.learner_name, run.config, family, config, world)
    training.how = batch.check(config.batching)
    recorder = Recorder(training, run.path)
    with _holding(run.path, world):
        if world.first:
            clear_unfinished(run.path)
        if world.decide(lambda: any((run.path / file).exists() for file in (runs.CHECKPOINT, runs.WEIGHTS))):
            recorder.resume()
        elif world.first:
            recorder.start()
        return _drive(training, recorder, run, progress)


def open_run(path: Path | str) -> runs.Run:
    """``runs.load`` on every rank; only rank 0 needs the folder."""
    found = parallel.world().decide(lambda: [str(one) if isinstance(one, Path) else one for one in runs.read(path)])
    return runs.parse(Path(found[0]), found[1])


def settings_of(run: runs.Run) -> TrainConfig:
    """How ``run`` is trained; UserError where run.json does not say it in words of this version."""
    card = {name: value for name, value in run.training.items() if name != "init"}
    # what is None unless it is said, was decided when the run began
    missing = {field.name for field in fields(TrainConfig) if field.default is None} - card.keys()
    strange = card.keys() - {field.name for field in fields(TrainConfig)}
    try:
        if missing:
            raise UserError(f"training lacks {', '.join(sorted(missing))}.")
        if strange:
            raise UserError(f"training has {', '.join(sorted(strange))}, which this version does not know.")
        # with a budget the number of steps was measured when the run began
        return resolve(replace(TrainConfig(**card), budget=0.0), run.learner_name, run.spec)
    except (UserError, TypeError) as error:
        raise UserError(f"{run.path / runs.CARD}: {error} Restore it from a copy, or train again.") from error


def with_a_device(config: TrainConfig) -> TrainConfig:
    """``config`` with device auto if this machine has no such device."""
    try:
        pick_device(config.device)
    except UserError:
        return replace(config, device="auto")
    return config


def _begin(name: str, learner_config: Any, family: TaskFamily, config: TrainConfig, world: parallel.World) -> Training:
    learner = learners.build(name, family.spec, learner_config, config.seed)
    return Training(learner, family, config, world.device(pick_device(config.device)), world)


def _drive(training: Training, recorder: Recorder, run: runs.Run, progress: Progress | None) -> runs.Run:
    """The training to its end; RankLostError, with the way to go on, if another process of it goes first."""
    try:
        _steps(training, recorder, progress)
        if training.params:
            recorder.checkpoint()
        recorder.finish()
    except parallel.RankLostError as lost:
        command = f"quickstudy train --resume {shlex.quote(str(run.path))}"
        raise parallel.RankLostError(lost.what, f"Go on from the last checkpoint with: {command}") from lost
    return run


def _steps(training: Training, recorder: Recorder, progress: Progress | None) -> None:
    with interruptible() as asked:
        training.asked = asked.is_set
        for metrics in training.advance():
            if metrics:
                recorder.log(metrics)
            if training.step % CHECKPOINT_EVERY == 0 or any(name.startswith("val_") for name in metrics):
                recorder.checkpoint()
            if progress:
                progress(training, metrics)
            stop = asked.is_set() if training.world.size == 1 else training.stopping
            if stop and not training.finished():
                recorder.checkpoint()
                raise KeyboardInterrupt


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
