"""The meta-training loop: one for every learner and family, for it knows only ``loss``.

Every random number is hashed from the seed and the step, so a run that was cut off goes on from its checkpoint as if
nothing had happened: its metrics.jsonl is equal byte for byte, the clocks aside.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from quickstudy import nets, parallel, scoring
from quickstudy.embedding import embedded
from quickstudy.errors import UserError
from quickstudy.inner import batch, choosing
from quickstudy.intervals import finite, interval
from quickstudy.learners.base import Learner
from quickstudy.plan import TrainConfig as TrainConfig
from quickstudy.plan import resolve as resolve
from quickstudy.sampler import Sampler
from quickstudy.tasks.base import TaskFamily

LOG_EVERY = 50
SAMPLE = 8.0
"""CPU seconds in which the cost of a meta-step is measured, where there is a budget of them."""
MOST_CHOOSING = 0.03
"""Share of a budget that a comparison of slow ways of batching may take."""
MOST_VALIDATION, FEWEST = 0.2, 20
"""Share of a budget that the episodes of one validation may take, and how many of them there are in any case."""
GIVE_UP_AFTER = 10
"""Non-finite meta-steps in a row that end a training, or all there are where it has fewer."""
CLOCKS = ("wall_s", "cpu_s")
"""Fields of a line of metrics that are not the same in every run of the same settings."""
APART = 1e-5
"""Of the largest weight: what rounding on unlike processors, and nothing else, makes ranks differ by."""


class Training:
    """A training between two meta-steps: all that a checkpoint holds.

    With more than one process in ``world`` each takes its share of the tasks of every meta-step; all hold the same
    weights, and whatever is decided is decided alike.
    """

    def __init__(
        self,
        learner: Learner,
        family: TaskFamily,
        config: TrainConfig,
        device: torch.device,
        world: parallel.World = parallel.ALONE,
    ) -> None:
        self.learner, self.config, self.device = learner.to(device), config, device
        self.family = embedded(self.learner, family)
        self.params = {name: value for name, value in learner.named_parameters() if value.requires_grad}
        if not self.params:
            self.config = replace(config, steps=0)
        nets.train_in_bfloat16(learner, config.precision == "bfloat16")
        self.optimizer = self._optimizer() if self.params else None
        self.world = world
        self.asked: Callable[[], bool] = lambda: False
        """Whether this process was asked to stop."""
        self.stopping = False
        """Whether any process had been, when all last heard of one another."""
        self._cpu, self._cpu_elsewhere = time.process_time(), 0.0
        if self.params:
            world.check_enough(config.tasks_per_step or 1)
        self.how: batch.How = "loop"
        self.sampler = Sampler(self.family, config, device, world)
        self.step = 0
        self.losses: list[float] = []
        self.skipped = self.in_a_row = self.since_best = 0
        self.best: float | None = None
        self.best_weights: dict[str, Tensor] = {}
        self.seconds = {"wall_s": 0.0, "cpu_s": 0.0}

    def _optimizer(self) -> torch.optim.Optimizer:
        kinds: dict[str, type[Any]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
        values, kind = list(self.params.values()), kinds[self.config.optimizer]
        made: torch.optim.Optimizer = kind(
            values, lr=self.config.rate or 0.0, weight_decay=self.config.weight_decay, fused=True
        )
        return made

    @property
    def steps(self) -> int:
        """Meta-steps in all; a learner without parameters needs none."""
        return int(self.config.steps or 0)

    def episodes(self) -> Any:
        """The tasks of the current meta-step that are this process's, on the device."""
        return self.sampler.at(self.step)

    def choose_batching(self) -> None:
        """Measure which way of batching is fastest, or take the one that was asked for."""
        if self.config.batching != "auto":
            self.how = batch.check(self.config.batching)
        elif not self.learner.traits.gradient_in_loss:
            self.how = batch.usual(self.learner)
        else:
            tasks, largest, fits = self.episodes(), self.sampler.largest(self.step), set[batch.How]()

            def run(how: batch.How) -> object:
                if how not in fits:  # later steps may have larger tasks than this one
                    batch.check_room(self.learner, largest, 1.0, how)
                    fits.add(how)
                return self._gradient(tasks, how, progress=1.0)

            measured = choosing.fastest(
                run,
                self.learner,
                self.device,
                calls=self._calls_alike(),
                patience=min(choosing.PATIENCE, MOST_CHOOSING * (self.config.budget or math.inf)),
            )
            self.how = batch.check(self.world.decide(lambda: measured))

    def _calls_alike(self) -> float:
        """Meta-steps with tasks of the same shapes, for which a recording could be played."""
        if self.config.most_ways or self.config.max_shot:
            return 1
        return math.inf if self.config.budget > choosing.WORTH_COMPILING else self.steps - self.step

    def fit_budget(self) -> None:
        """Set the number of meta-steps to what ``budget`` CPU seconds, of all processes, are enough for."""
        if self.config.budget and self.params:
            steps, episodes = self.world.decide(lambda: self._affordable(self.config.budget / self.world.size))
            self.config = replace(self.config, steps=steps, validate_episodes=episodes)

    def _affordable(self, seconds: float) -> tuple[int, int]:
        """Meta-steps, and episodes of their validations: fewer where one would take too much of the whole."""
        parts = (0.0, 0.25, 0.5, 0.75, 1.0)  # some losses are not the same all along
        for progress in parts:
            self._gradient(self.episodes(), self.how, progress)
        start, count = time.process_time(), 0
        while time.process_time() - start < SAMPLE and count < LOG_EVERY:
            self._gradient(self.episodes(), self.how, parts[count % len(parts)])
            count += 1
        each = (time.process_time() - start) / count
        most = self.config.validate_episodes
        if not self.validates:
            return max(int(seconds / each), 1), most
        start, few = time.process_time(), min(most, FEWEST)
        self.learner.prepare(self.family.tasks("train").to(self.device))
        prepared = time.process_time()
        scoring.score(self.learner, self.family, replace(self.validation(), episodes=few), device=self.device)
        episode = (time.process_time() - prepared) / few
        episodes = min(most, max(int(MOST_VALIDATION * seconds / episode), few))
        validation = prepared - start + episodes * episode
        # one at the end in any case, the others at their distance
        return max(int((seconds - validation) / (each + validation / self.config.validate_every)), 1), episodes

    def _gradient(self, tasks: Any, how: batch.How, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
        return batch.meta_gradient(self.learner, tasks, progress, how, self.learner.traits.gradient_in_loss)

    def _together(self, losses: Tensor, grads: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss [1] and meta-gradient of the tasks of all processes; those of one alone are left as they are."""
        if self.world.size == 1:
            return losses, grads
        part = len(losses) / (self.config.tasks_per_step or 1)
        spent, self._cpu = time.process_time() - self._cpu, time.process_time()
        note = torch.tensor([float(self.asked()), spent], device=losses.device)
        mine = [losses.mean().reshape(1) * part, note, *(value * part for value in grads.values())]
        loss, note, *values = self.world.sum(mine)
        self.stopping, self._cpu_elsewhere = float(note[0]) > 0, float(note[1]) - spent
        return loss, dict(zip(grads, values, strict=True))

    def meta_step(self) -> None:
        """One update of the learner; skipped and counted if loss or gradient is not finite."""
        assert self.optimizer is not None
        tasks = self.sampler.next(self.step, self.steps)
        losses, grads = self._together(*self._gradient(tasks, self.how, self.step / max(self.steps, 1)))
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
        rate = self.config.rate or 0.0
        if self.config.schedule == "constant":
            return rate
        return rate * 0.5 * (1 + math.cos(math.pi * self.step / max(self.steps, 1)))

    def prepare(self) -> None:
        """Let the learner take from the training tasks what it learns without gradients."""
        self.learner.prepare(self.family.tasks("train").to(self.device))
        self.unite()

    def unite(self) -> None:
        """Weights and buffers of the first process for all; UserError where trained weights have come apart."""
        if self.world.size == 1:
            return
        theirs = self.world.tensors(self.learner.state_dict())
        for name, value in self.params.items():
            other = theirs[name].to(value)
            if self.step and not bool((value - other).abs().max() <= APART * other.abs().max()):
                raise UserError(
                    f"process {self.world.rank + 1} of {self.world.size} no longer has the weights of the first one "
                    f"({name}, step {self.step}). Do all have the same data and the same versions, and does the "
                    f"learner's loss depend on nothing but its task? Go on from the last checkpoint, or in one process."
                )
        self.learner.load_state_dict(theirs)

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
        self.sampler.largest(self.step)
        if self.validates:
            next(scoring.batches(self.family, self.validation(), 1))

    def _scores(self, which: scoring.Episodes) -> tuple[Tensor, Tensor]:
        """Values and units [episodes] of validation episodes, each of which one process has judged."""
        share = self.world.share(which.episodes)
        found = torch.zeros(2, which.episodes, dtype=torch.int64)
        if share:
            mine = replace(which, episodes=len(share))
            scored = scoring.score(self.learner, self.family, mine, device=self.device, first=share.start)
            # bits as they are, so that adding the others' zeros changes none
            found[:, share.start : share.stop] = torch.stack([scored.values.double().view(torch.int64), scored.units])
        values, units = self.world.sum([found])[0]
        return values.view(torch.float64), units

    def validate(self) -> dict[str, Any]:
        """Score on validation episodes; keeps the weights if they are the best so far."""
        self.prepare()
        values, units = self._scores(self.validation())
        mean, ci95 = self.world.decide(lambda: interval(values, units))
        sign = 1 if self.family.spec.higher_is_better else -1
        better = self.best is None or sign * mean > sign * self.best
        if better:
            self.best = mean
            self.best_weights = {k: v.detach().clone() for k, v in self.learner.state_dict().items()}
        self.since_best = 0 if better else self.since_best + 1
        metric = self.family.spec.metric
        return {f"val_{metric}": mean, f"val_{metric}_ci95": finite(ci95)}

    def stop(self) -> None:
        """Let the meta-step that was just taken be the last."""
        self.config = replace(self.config, steps=self.step)

    def finished(self) -> bool:
        return self.step >= self.steps or (0 < self.config.patience <= self.since_best)

    def advance(self) -> Iterator[dict[str, Any]]:
        """Meta-steps to the end; yields the metrics of each logged step."""
        self.learner.train()
        wall, cpu = time.perf_counter(), time.process_time()
        self._cpu = cpu
        if self.steps and not self.step:
            self.prepare()  # for a loss may need what it finds
        while not self.finished():
            self.meta_step()
            now = time.perf_counter(), time.process_time()
            self.seconds["wall_s"] += now[0] - wall
            self.seconds["cpu_s"] += now[1] - cpu + self._cpu_elsewhere
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


def laid_out_as(param: Tensor, value: Tensor) -> Tensor:
    """``value`` in the memory layout of ``param``.

    The fused optimisers of PyTorch walk through memory and pair up the wrong numbers where layouts differ.
    """
    return value if value.stride() == param.stride() else torch.empty_like(param).copy_(value)
