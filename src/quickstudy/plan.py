"""What a training is asked to be: its settings, filled in from the learner's recipe and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Literal

from quickstudy import learners
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.settings import checked, flag
from quickstudy.tasks.base import Spec, check_counts


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a learner is meta-trained; what is None comes from the learner's own recipe."""

    way: int | None = None
    """Classes in a training episode."""
    most_ways: int | None = None
    """Each meta-step draws its ways from those up to this number; 0: always way."""
    shot: int | None = None
    """Support examples of each class, or of a task."""
    max_shot: int | None = None
    """Each meta-step draws its shots from those up to this number, so that any is met well at test; 0: always shot."""
    query: int | None = None
    """Query examples of each class, or of a task."""
    tasks_per_step: int | None = None
    """Tasks in a meta-step (the meta-batch)."""
    steps: int | None = None
    """Meta-steps."""
    budget: float = 0.0
    """CPU seconds to train for instead: how many meta-steps those are is measured at the start. 0 has none."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """Meta-optimiser; sgd takes plain steps."""
    rate: float | None = None
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
    """Arithmetic of the backbone in training, inner steps included: bfloat16 takes half the time on processors that
    have it."""
    batching: str = "auto"
    """How tasks go through the inner loop: auto (measured at the start), compiled, recorded, vmap, chunks, threads
    or loop."""


FALLBACK = {
    "way": 5,
    "most_ways": 0,
    "shot": 1,
    "max_shot": 0,
    "query": 15,
    "tasks_per_step": 4,
    "steps": 4000,
    "rate": 1e-3,
}


def resolve(config: TrainConfig, learner_name: str, spec: Spec) -> TrainConfig:
    """``config`` with every None filled in; UserError for numbers that make no sense."""
    config = checked(config)
    recipe = FALLBACK | learners.learner_class(learner_name).recipe(spec)
    recipe |= {"way": spec.ways, "most_ways": 0} if spec.ways else {}
    if config.budget and config.steps is not None:
        raise UserError(f"--steps is {config.steps} and --budget {config.budget}: one of them says when to stop.")
    unset = {field.name for field in fields(config) if getattr(config, field.name) is None}
    unset -= {"steps"} if config.budget else set()
    config = replace(config, **{name: value for name, value in recipe.items() if name in unset})
    sizes = {name: getattr(config, name) for name in ("way", "query", "tasks_per_step", "validate_episodes")}
    check_counts(**{name.replace("_", "-"): count for name, count in sizes.items()})
    for name in (
        "most_ways",
        "max_shot",
        "steps",
        "budget",
        "weight_decay",
        "clip",
        "validate_every",
        "patience",
        "rate",
    ):
        if not 0 <= (getattr(config, name) or 0) < math.inf:
            raise UserError(f"{flag(name)} is {getattr(config, name)}; expected a finite number that is 0 or more.")
    least = 1 if spec.kind == "classification" else 0
    if config.max_shot and not least <= (config.shot or 0) <= config.max_shot:
        raise UserError(
            f"--shot is {config.shot} and --max-shot {config.max_shot}; expected shots from {least} up to --max-shot, "
            f"which is 0 to draw none."
        )
    if config.most_ways and not (config.way or 0) <= config.most_ways:
        raise UserError(
            f"--way is {config.way} and --most-ways {config.most_ways}; expected ways up to --most-ways, which "
            f"is 0 to draw none."
        )
    if not -(2**63) <= config.seed < 2**63:
        raise UserError(f"--seed is {config.seed}; it must fit into 64 bits.")
    if config.batching != "auto":
        batch.check(config.batching)
    return config
