"""An entry that is a learner of the protocol: trained by the one loop, then asked."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch

from quickstudy import learners, runs, scoring, trainer
from quickstudy.challenge import wire
from quickstudy.challenge.inside.host import Host, Streamed, spec_of, support_of
from quickstudy.errors import UserError
from quickstudy.learners.base import Gaussian, Learner, Logits
from quickstudy.plan import TrainConfig

SHARE, FIRST = 0.8, 8.0
"""Of the budget for training, what the loop plans with; and seconds that it takes to find out what a step costs."""
RARELY = 50
"""Episodes of a validation."""


def prepare(host: Host, hello: dict[str, Any], form: str, what: str) -> Any:
    """Train, and give the function that answers a task."""
    learner = read(what, hello) if form == "run" else trained(host, hello, named(what) if form == "file" else what)
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


def read(folder: str, hello: dict[str, Any]) -> Learner:
    """The learner of a run folder; UserError where it is none for such tasks."""
    learner = runs.load(folder).learner()
    mine = learner.spec
    there = spec_of(hello["spec"])
    if (mine.kind, mine.shape, mine.outputs) != (there.kind, there.shape, there.outputs):
        raise UserError(
            f"{folder} is for {mine.kind} of shape {mine.shape}, and these tasks are {there.kind} of {there.shape}"
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
        raise UserError(f"{file} has {len(found)} learners ({', '.join(found) or 'none'}); an entry is one of them.")
    return f"{module.__name__}:{found[0]}"


def trained(host: Host, hello: dict[str, Any], name: str) -> Learner:
    """By the one loop, for as long as the budget says."""
    family = Streamed(host, hello)
    made = learners.build(name, family.spec, learners.configure(name, {}), seed=0)
    scoring.check_fits(made, family)
    if not made.learns:
        return made
    seconds = SHARE * hello["budget"]["training"] - FIRST
    (least, most), (few, many) = hello["ways"], hello["shots"]
    few = max(few, 1) if family.spec.kind == "classification" else few
    config = TrainConfig(
        **({"budget": seconds} if seconds > 0 else {"steps": 1}),
        way=max(least, 1),
        most_ways=most if most > least else 0,
        shot=few,
        max_shot=many if many > few else 0,
        validate_every=0 if "val" not in family.splits or seconds < RARELY else 1000,
        validate_episodes=RARELY,
        device="cpu",
    )
    return trainer.train(name, family, config, out="run").learner()
