"""Learners by name: one file and one line here is all a new one needs."""

from __future__ import annotations

import importlib
from dataclasses import fields
from typing import Any, cast

import torch

from quickstudy.errors import UserError, unknown
from quickstudy.learners.base import Learner
from quickstudy.tasks.base import Spec

LEARNERS = {
    "protonet": ("quickstudy.learners.protonet:ProtoNet", "a class is the mean of its examples' features"),
    "matching": ("quickstudy.learners.matching:Matching", "attention over the support set"),
    "maml": ("quickstudy.learners.maml:MAML", "a start from which a few gradient steps are enough"),
    "finetune": ("quickstudy.learners.finetune:Finetune", "pre-train on every class, then gradient steps"),
    "nearest": ("quickstudy.learners.nearest:Nearest", "k nearest neighbours of the raw input; no training"),
}


def learner_class(name: str) -> type[Learner]:
    """The class behind ``name``; UserError for an unknown one."""
    if name not in LEARNERS:
        raise unknown("learner", name, LEARNERS)
    module, _, attribute = LEARNERS[name][0].partition(":")
    return cast(type[Learner], getattr(importlib.import_module(module), attribute))


def configure(name: str, settings: dict[str, Any]) -> Any:
    """The configuration of ``name`` with ``settings``; UserError for a setting that it does not have."""
    config_class = learner_class(name).Config
    known = [field.name for field in fields(config_class)]
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {name}", setting, known)
    return config_class(**settings)


def build(name: str, spec: Spec, config: Any, seed: int) -> Learner:
    """A new learner for tasks of ``spec``, its first weights drawn from ``seed`` alone.

    Raises UserError where the learner does not do that kind of task, and names those that do.
    """
    made = learner_class(name)
    if spec.kind not in made.traits.kinds:
        able = [other for other in LEARNERS if spec.kind in learner_class(other).traits.kinds]
        raise UserError(f"{name} does not do {spec.kind} ({spec.name}). Use one of: {', '.join(able)}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return made(spec, config)
