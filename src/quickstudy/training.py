"""The meta-training loop: one for every learner and family, for it knows only ``loss``.

Every random number is hashed from the seed and the step, so a run that was cut off goes on from its checkpoint as if
nothing had happened: its metrics.jsonl is equal byte for byte, the clocks aside.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from quickstudy import learners, nets, runs, scoring
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.intervals import finite, interval
from quickstudy.learners.base import Learner
from quickstudy.settings import checked, flag
from quickstudy.tasks.base import Spec, TaskFamily, check_counts, check_room

LOG_EVERY = 50
GIVE_UP_AFTER = 10
"""Non-finite meta-steps in a row that end a training, or all there are where it has fewer."""
CLOCKS = ("wall_s", "cpu_s")
"""Fields of a line of metrics that are not the same in every run of the same settings."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a learner is meta-trained; what is None comes from the learner's own recipe."""

    way: int | None = None
    """Classes in a training episode."""
    shot: int | None = None
    """Support examples of each class, or of a task."""
    query: int | None = None
    """Query examples of each class, or of a task."""
    tasks_per_step: int | None = None
    """Tasks in a meta-step (the meta-batch)."""
    steps: int | None = None
    """Meta-steps."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Meta-optimiser."""
    rate: float = 1e-3
    """Its rate at the start."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Cosine falls to zero at the last step."""
    weight_decay: float = 0.0
    """Weight decay of the meta-optimiser."""
    clip: float = 10.0
    """Longest meta-gradient (2-norm); 0 leaves it as it is."""
    validate_every: int = 1000
    """Meta-steps between validations; the best weights are kept. 0, or a family without val split: the last are."""
    validate_episodes: int = 200
    """Episodes of a validation."""
    patience: int = 0
    """Stop after so many validations without a better one; 0 never does."""
    seed: int = 0
    """Seed of weights and episodes."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the backbone in training: bfloat16 takes half the time on processors that have it."""
    batching: str = "auto"
    """How tasks go through the inner loop: auto (measured at the start), vmap, chunks, threads or loop."""


FALLBACK = {"way": 5, "shot": 1, "query": 15, "tasks_per_step": 4, "steps": 4000}


def resolve(config: TrainConfig, learner_name: str, spec: Spec) -> TrainConfig:
    """``config`` with every None filled in; UserError for numbers that make no sense."""
    config = checked(config)
    recipe = FALLBACK | learners.learner_class(learner_name).recipe(spec)
    unset = {field.name for field in fields(config) if getattr(config, field.name) is None}
    config = replace(config, **{name: value for name, value in recipe.items() if name in unset})
    sizes = {name: getattr(config, name) for name in ("way", "query", "tasks_per_step", "validate_episodes")}
    check_counts(**{name.replace("_", "-"): count for name, count in sizes.items()})
    for name in ("steps", "weight_decay", "clip", "validate_every", "patience", "rate"):
        if not 0 <= getattr(config, name) < math.inf:
            raise UserError(f"{flag(name)} is {getattr(config, name)}; expected a finite number that is 0 or more.")
    if not -(2**63) <= config.seed < 2**63:
        raise UserError(f"--seed is {config.seed}; it must fit into 64 bits.")
    if config.batching != "auto":
        batch.check(config.batching)
    if config.precision == "bfloat16" and learners.learner_class(learner_name).traits.gradient_in_loss:
        raise UserError(
            f"--precision bfloat16 is too coarse for the inner steps of {learner_name}. Train it with float32."
        )
    return config


class Training:
    """A training between two meta-steps: all that a checkpoint holds."""

    def __init__(self, learner: Learner, family: TaskFamily, config: TrainConfig, device: torch.device) -> None:
        self.learner, self.family, self.config, self.device = learner.to(device), family, config, device
        self.params = {name: value for name, value in learner.named_parameters() if value.requires_grad}
        nets.train_in_bfloat16(learner, config.precision == "bfloat16")
        self.optimizer = self._optimizer() if self.params else None
        self.how: batch.How = "loop"
        self.step = 0
        self.losses: list[float] = []
        self.skipped = self.in_a_row = self.since_best = 0
        self.best: float | None = None
        self.best_weights: dict[str, Tensor] = {}
        self.seconds = {"wall_s": 0.0, "cpu_s": 0.0}

    def _optimizer(self) -> torch.optim.Optimizer:
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.config.optimizer]
        values = list(self.params.values())
        return kind(values, lr=self.config.rate, weight_decay=self.config.weight_decay, fused=True)

    @property
    def steps(self) -> int:
        """Meta-steps in all; a learner without parameters needs none."""
        return int(self.config.steps or 0) if self.params else 0

    def episodes(self) -> Any:
        """The tasks of the current meta-step, on the device."""
        c = self.config
        index = torch.arange(self.step * (c.tasks_per_step or 1), (self.step + 1) * (c.tasks_per_step or 1))
        size = {"way": c.way or 0, "shot": c.shot or 0, "query": c.query or 0}
        check_room(self.family.spec, len(index), **size)
        return self.family.sample("train", index, **size, seed=c.seed).to(self.device)

    def choose_batching(self) -> None:
        """Measure which way of batching is fastest, or take the one that was asked for."""
        if self.config.batching != "auto":
            self.how = batch.check(self.config.batching)
        elif not self.learner.traits.gradient_in_loss:
            self.how = batch.usual(self.learner)
        else:
            tasks = self.episodes()
            self.how = batch.fastest(lambda how: self._gradient(tasks, how), self.learner, self.device)

    def _gradient(self, tasks: Any, how: batch.How) -> tuple[Tensor, dict[str, Tensor]]:
        progress = self.step / max(self.steps, 1)
        return batch.meta_gradient(self.learner, tasks, progress, how, self.learner.traits.gradient_in_loss)

    def meta_step(self) -> None:
        """One update of the learner; skipped and counted if loss or gradient is not finite."""
        assert self.optimizer is not None
        losses, grads = self._gradient(self.episodes(), self.how)
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads.values()]))
        if bool(torch.isfinite(norm) & torch.isfinite(losses).all()):
            scale = min(1.0, self.config.clip / max(float(norm), 1e-12)) if self.config.clip else 1.0
            for name, param in self.params.items():
                param.grad = laid_out_as(param, grads[name]) * scale
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate()
            self.optimizer.step()
            self.losses.append(float(losses.mean()))
            self.in_a_row = 0
        else:
            self.skipped += 1
            self.in_a_row += 1
        self.step += 1
        if self.in_a_row >= min(GIVE_UP_AFTER, self.steps):
            raise UserError(
                f"the loss or its gradient was not finite in {self.in_a_row} meta-step{'s' * (self.in_a_row > 1)} in a "
                f"row, up to step {self.step}. Try a smaller --rate or inner rate, or look for NaN in the data."
            )

    def rate(self) -> float:
        """Of the meta-optimiser at this step."""
        if self.config.schedule == "constant":
            return self.config.rate
        return self.config.rate * 0.5 * (1 + math.cos(math.pi * self.step / max(self.steps, 1)))

    def prepare(self) -> None:
        """Let the learner take from the training tasks what it learns without gradients."""
        self.learner.prepare(self.family.tasks("train").to(self.device))

    @property
    def validates(self) -> bool:
        """Whether there are validations."""
        return bool(self.config.validate_every) and "val" in self.family.splits

    def validation(self) -> scoring.Episodes:
        """The episodes of every validation."""
        c = self.config
        return scoring.Episodes(
            split="val",
            way=min(c.way or 5, 20),
            shot=max(c.shot or 0, 1),
            query=c.query or 15,
            episodes=c.validate_episodes,
            seed=c.seed,
        )

    def check_episodes(self) -> None:
        """UserError, before the first step, if train or val cannot give the episodes that will be asked of them."""
        self.episodes()
        if self.validates:
            next(scoring.batches(self.family, self.validation(), 1))

    def validate(self) -> dict[str, Any]:
        """Score on validation episodes; keeps the weights if they are the best so far."""
        self.prepare()
        scored = scoring.score(self.learner, self.family, self.validation(), device=self.device)
        mean, ci95 = interval(scored.values, scored.units)
        sign = 1 if self.family.spec.higher_is_better else -1
        better = self.best is None or sign * mean > sign * self.best
        if better:
            self.best = mean
            self.best_weights = {k: v.detach().clone() for k, v in self.learner.state_dict().items()}
        self.since_best = 0 if better else self.since_best + 1
        metric = self.family.spec.metric
        return {f"val_{metric}": mean, f"val_{metric}_ci95": finite(ci95)}

    def finished(self) -> bool:
        return self.step >= self.steps or (0 < self.config.patience <= self.since_best)

    def advance(self) -> Iterator[dict[str, Any]]:
        """Meta-steps to the end; yields the metrics of each logged step."""
        self.learner.train()
        wall, cpu = time.perf_counter(), time.process_time()
        while not self.finished():
            self.meta_step()
            now = time.perf_counter(), time.process_time()
            self.seconds["wall_s"] += now[0] - wall
            self.seconds["cpu_s"] += now[1] - cpu
            wall, cpu = now
            due = self.validates and (self.step % self.config.validate_every == 0 or self.step == self.steps)
            if self.step % LOG_EVERY == 0 or self.step == self.steps or due:
                yield self._metrics(self.validate() if due else {})
                self.learner.train()
            else:
                yield {}

    def _metrics(self, validation: dict[str, Any]) -> dict[str, Any]:
        loss = sum(self.losses) / len(self.losses) if self.losses else None
        self.losses = []
        line = {"step": self.step, "loss": loss, "rate": self.rate(), "skipped": self.skipped}
        return line | validation | {name: round(value, 3) for name, value in self.seconds.items()}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and counters of a checkpoint."""
        tensors = {f"learner/{name}": value for name, value in self.learner.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in self.best_weights.items()}
        if self.optimizer:
            for number, slots in self.optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{number}/{slot}": value for slot, value in slots.items()}
        counters = {name: getattr(self, name) for name in COUNTERS}
        return tensors, counters

    def restore(self, tensors: dict[str, Tensor], counters: dict[str, Any], path: Path) -> None:
        """Back to a checkpoint; UserError if it does not fit."""
        parts: dict[str, dict[str, Tensor]] = {"learner": {}, "best": {}, "optimizer": {}}
        for name, value in tensors.items():
            kind, _, rest = name.partition("/")
            parts[kind][rest] = value
        runs.load_weights(self.learner, parts["learner"], path)
        self.best_weights = {name: value.to(self.device) for name, value in parts["best"].items()}
        if self.optimizer:
            slots: dict[int, dict[str, Tensor]] = {}
            own = list(self.params.values())
            for name, value in parts["optimizer"].items():
                number, _, slot = name.partition("/")
                moment = value.shape == own[int(number)].shape
                slots.setdefault(int(number), {})[slot] = laid_out_as(own[int(number)], value) if moment else value
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        for name in COUNTERS:
            setattr(self, name, counters[name])


def laid_out_as(param: Tensor, value: Tensor) -> Tensor:
    """``value`` in the memory layout of ``param``.

    The fused optimisers of PyTorch walk through memory and pair up the wrong numbers where layouts differ.
    """
    return value if value.stride() == param.stride() else torch.empty_like(param).copy_(value)


COUNTERS = ("step", "losses", "skipped", "in_a_row", "since_best", "best", "seconds")
