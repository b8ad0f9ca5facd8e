"""What a training writes into its run folder: metrics, checkpoints, and in the end its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from quickstudy import runs
from quickstudy.errors import UserError
from quickstudy.training import Training, laid_out_as

COUNTERS = ("step", "losses", "skipped", "in_a_row", "since_best", "best", "seconds")


class Recorder:
    """Writes a training into its run folder: rank 0 does, while the others wait for it."""

    def __init__(self, training: Training, path: Path) -> None:
        self.training, self.path = training, path
        self.checkpoint_path = path / runs.CHECKPOINT
        self.lines: list[str] = []

    def start(self) -> None:
        """An empty metrics file; fails before any step where the folder cannot be written."""
        self._write_metrics()

    def resume(self) -> None:
        """Continue from the checkpoint, with the metrics up to it."""
        world = self.training.world
        tensors, counters = runs.read_tensors(self.checkpoint_path) if world.first else ({}, {})
        tensors, counters = world.tensors(tensors), world.decide(lambda: counters)
        try:
            restore(self.training, tensors, counters, self.checkpoint_path)
        except UserError:
            raise
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.checkpoint_path} is no checkpoint of this training ({type(error).__name__}: {error}). Restore "
                f"it from a copy, or train again."
            ) from error
        if not world.first:
            return
        try:
            lines = (self.path / runs.METRICS).read_text(encoding="utf-8").splitlines()
            self.lines = lines[: sum(_step(line) <= self.training.step for line in lines)]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self.path / runs.METRICS} is missing or damaged ({error!r}).") from error
        self._write_metrics()

    def log(self, metrics: dict[str, Any]) -> None:
        if not self.training.world.first:
            return
        line = json.dumps(metrics)
        self.lines.append(line)
        try:
            with open(self.path / runs.METRICS, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise UserError(f"cannot write {self.path / runs.METRICS}: {error}.") from error

    def checkpoint(self) -> None:
        self.training.unite()
        tensors, counters = state(self.training)
        self._write(self.checkpoint_path, tensors, counters)

    def finish(self) -> None:
        """The weights that the run is known by: the best validated, or the last with what ``prepare`` finds."""
        training = self.training
        if not training.best_weights:
            training.prepare()
        self._write(self.path / runs.WEIGHTS, training.best_weights or training.learner.state_dict(), {})

    def _write(self, path: Path, tensors: dict[str, Tensor], note: dict[str, Any]) -> None:
        world = self.training.world
        world.wait()  # until all have found their weights right
        if world.first:
            runs.write_tensors(path, tensors, note)
        world.wait()

    def _write_metrics(self) -> None:
        text = "".join(line + "\n" for line in self.lines)
        runs.write_atomic(self.path / runs.METRICS, lambda temporary: runs.write_text(temporary, text))


def _step(line: str) -> int:
    """Of a line of metrics; a line that a crash cut off comes after every checkpoint."""
    try:
        return int(json.loads(line)["step"])
    except ValueError:
        return 2**62


def state(training: Training) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and counters of a checkpoint of ``training``."""
    tensors = {f"learner/{name}": value for name, value in training.learner.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in training.best_weights.items()}
    if training.optimizer:
        for number, slots in training.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{slot}": value for slot, value in slots.items()}
    counters = {name: getattr(training, name) for name in COUNTERS}
    return tensors, counters


def restore(training: Training, tensors: dict[str, Tensor], counters: dict[str, Any], path: Path) -> None:
    """Take ``training`` back to a checkpoint; UserError if that does not fit."""
    parts: dict[str, dict[str, Tensor]] = {"learner": {}, "best": {}, "optimizer": {}}
    for name, value in tensors.items():
        kind, _, rest = name.partition("/")
        parts[kind][rest] = value
    runs.load_weights(training.learner, parts["learner"], path)
    training.best_weights = {name: value.to(training.device) for name, value in parts["best"].items()}
    if training.optimizer:
        slots: dict[int, dict[str, Tensor]] = {}
        own = list(training.params.values())
        for name, value in parts["optimizer"].items():
            number, _, slot = name.partition("/")
            moment = value.shape == own[int(number)].shape
            slots.setdefault(int(number), {})[slot] = laid_out_as(own[int(number)], value) if moment else value
        groups = training.optimizer.state_dict()["param_groups"]
        training.optimizer.load_state_dict({"state": slots, "param_groups": groups})
    for name in COUNTERS:
        setattr(training, name, counters[name])
