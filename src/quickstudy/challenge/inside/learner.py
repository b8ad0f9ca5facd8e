"""An entry that is a learner of the protocol: trained by the one loop, then asked."""

from __future__ import annotations

import importlib
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from quickstudy import learners, runs, scoring, trainer
from quickstudy.challenge import wire
from quickstudy.challenge.inside.host import Host, Streamed, spec_of, support_of
from quickstudy.errors import UserError
from quickstudy.learners.base import Gaussian, Learner, Logits
from quickstudy.plan import TrainConfig
from quickstudy.training import Training

SHARE, FIRST = 0.8, 8.0
"""Of the budget for training, what the loop plans with; and seconds that it takes to find out what a step costs."""
LAST = 0.85
"""Of the budget, where training stops in any case: on a busy machine a step can come to cost more than it did."""
RARELY = 50
"""Episodes of a validation."""


def prepare(host: Host, hello: dict[str, Any], form: str, what: str) -> Any:
    """Train, and give the function that answers a task."""
    if form == "run":
        run = runs.load(what)
        learner, name, training = read(run, hello), run.learner_name, run.training
    else:
        name = named(what) if form == "file" else what
        learner, training = trained(host, hello, name)
    host.about = about(learner, name, training)
    learner.eval()

    def answer(message: dict[str, Any]) -> dict[str, Any]:
        support = support_of(message, learner.spec)
        x = wire.unpack(message["query"]["x"]).reshape(-1, *learner.spec.shape)
        with torch.no_grad():
            found = learner.predict(learner.adapt(support), x, torch.ones(len(x), dtype=torch.bool))
        if isinstance(found, Logits):
            return {"scores": wire.pack(found.logits.clamp(-1e9, 1e9), True)}
        mean = {"mean": wire.pack(found.mean, True)}
        return mean | ({"std": wire.pack(found.std, True)} if isinstance(found, Gaussian) else {})

    return answer


def about(learner: Learner, name: str, training: dict[str, Any]) -> dict[str, Any]:
    """What the row says of a learner; with as many steps, batched so, its training can be repeated."""
    return {
        "learner": name,
        "config": asdict(learner.config),
        "parameters": sum(one.numel() for one in learner.parameters()),
        "steps": int(training.get("steps") or 0),
        "batching": training.get("batching", "auto"),
        "until": int(training.get("until") or 0),
    }


def read(run: runs.Run, hello: dict[str, Any]) -> Learner:
    """The learner of a run; UserError where it is none for such tasks."""
    learner = run.learner()
    mine = learner.spec
    there = spec_of(hello["spec"])
    if (mine.kind, mine.shape, mine.outputs) != (there.kind, there.shape, there.outputs):
        raise UserError(
            f"{run.path} is for {mine.kind} of shape {mine.shape}, and these tasks are {there.kind} of {there.shape}"
        )
    return learner


def named(file: str) -> str:
    """``module:Class`` of the one learner that a file defines."""
    module = importlib.import_module(Path(file).stem)
    found = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Learner)
        and value.__module__ == module.__name__
        and hasattr(value, "traits")
    ]
    if len(found) != 1:
        raise UserError(
            f"{file} has {len(found)} learners ({', '.join(found) or 'none'}). Define one class there that extends "
            f"quickstudy.learners.base.Learner and has traits."
        )
    return f"{module.__name__}:{found[0]}"


def trained(host: Host, hello: dict[str, Any], name: str) -> tuple[Learner, dict[str, Any]]:
    """By the one loop, for as long as the budget says, or for as many steps as it had when a row is made again; the
    learner, and what its run says of the training."""
    family = Streamed(host, hello)
    made = learners.build(name, family.spec, learners.configure(name, {}), seed=0)
    scoring.check_fits(made, family)
    if not made.learns:
        return made, {}
    seconds = SHARE * hello["budget"]["training"] - FIRST
    (least, most), (few, many) = hello["ways"], hello["shots"]
    few = max(few, 1) if family.spec.kind == "classification" else few
    again = dict(hello.get("again") or {})
    until = int(again.pop("until", 0))
    length: dict[str, Any] = {"budget": seconds} if seconds > 0 else {"steps": 1}
    config = TrainConfig(
        **(again or length),
        way=max(least, 1),
        most_ways=most if most > least else 0,
        shot=few,
        max_shot=many if many > few else 0,
        validate_every=0 if "val" not in family.splits or seconds < RARELY else 1000,
        validate_episodes=RARELY,
        device="cpu",
    )
    # made again, it has its steps, and the host's patience: the clock that ended it before is another's
    stopping = Stopping(math.inf if again else hello["budget"]["training"], until)
    run = trainer.train(name, family, config, out="run", progress=stopping)
    return run.learner(), run.training | {"until": stopping.stopped}


class Stopping:
    """Ends a training at meta-step ``until`` or, where that is not said, before its time on the processors is over."""

    def __init__(self, seconds: float, until: int) -> None:
        self.end = math.inf if until else time.process_time() + LAST * seconds
        self.until = until
        self.stopped = 0
        """The meta-step at which it was ended; 0 for one that came to its own end."""

    def __call__(self, training: Training, metrics: dict[str, Any]) -> None:
        late = time.process_time() > self.end and training.step < training.steps
        if late or training.step == self.until:
            self.stopped = training.step
            training.stop()
