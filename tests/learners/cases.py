"""Every learner on every kind of task that it takes: built, trained a little, given tasks, asked."""

import copy
import functools
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from quickstudy import learners, tasks
from quickstudy.inner import batch
from quickstudy.learners import LEARNERS, Learner, learner_class
from quickstudy.learners.base import Traits
from quickstudy.tasks.base import Examples, Task, WholeTasks
from quickstudy.training import TrainConfig, Training, resolve

FAMILIES = {
    "classification": "glyphs:classes=50",
    "regression": "sinusoid",
    "terms": "phenotypes:simulated=true",
    "doses": "pk:simulated=true",
    "glucose": "glucose:simulated=true",
    "ratings": "ratings:simulated=true",
    "gaits": "strides:simulated=true",
    "ranking": "ratings:simulated=true:judge=ranking",
    "lifts": "grips:simulated=true",
    "motion": "dynamics:simulated=true",
}
"""One of each kind, for learners that take any form of input, and one of each form that has learners of its own."""
NETS: dict[str, dict[str, Any]] = {"classification": {"backbone": "conv4", "width": 8}, "regression": {"width": 16}}
VARIANTS = [
    ("protonet", {"distance": "cosine", "norm": "task"}),
    ("protonet", {"distance": "cosine", "proxies": True}),
    ("matching", {"fce": True, "norm": "group"}),
    ("maml", {"head": "zero", "norm": "batch"}),
    ("maml", {"norm": "task"}),
    ("mamlpp", {"norm": "task"}),
    ("maml", {"step_losses": True, "inner_steps": 2, "gradient": "mixed"}),
    ("finetune", {"adapts": "all", "inner_steps": 3}),
    ("tim", {"norm": "task"}),
    ("nearest", {"k": 3}),
    ("incontext", {"layers": 1, "norm": "task"}),
    ("incontext", {"layers": 1, "readings": 3}),
    ("cnaps", {"norm": "group"}),
    ("simpleshot", {"transform": "l2n", "norm": "task"}),
    ("relation", {"norm": "task"}),
    ("feat", {"dropout": 0.0, "balance": 0.0, "norm": "group"}),
    ("dn4", {"k": 2, "norm": "task"}),
]
ORDERED = ("gru",)
"""Learners that the order of a support tells something, also tried where it is one of time."""
FEW_STEPS = {
    "finetune": {"inner_steps": 5},
    "baselinepp": {"inner_steps": 5},
    "reptile": {"inner_steps": 3},
    "imaml": {"inner_steps": 3, "cg_steps": 2},
}
"""Where the default would take the tests long; training uses the defaults."""
TRAINING = {
    "cavia": {"steps": 150, "tasks_per_step": 4, "rate": 1e-2},
    "incontext": {"way": 10, "tasks_per_step": 4, "rate": 3e-3},
    "leo": {"steps": 150, "way": 10, "tasks_per_step": 1, "rate": 5e-3},
    "metabayes": {"steps": 150, "rate": 3e-2},
    "ensemble": {"steps": 150, "rate": 3e-2},
}
"""Of classifiers that the short training of all others does not suit: some learn slowly, and transformers fall apart at
its rate."""
EXACT = {"rtol": 1e-8, "atol": 1e-8}
"""For float64."""


class Case(NamedTuple):
    """A learner, the tasks it is tried on (of ``FAMILIES``), and settings that are not its defaults."""

    name: str
    on: str
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def kind(self) -> str:
        """Of its tasks."""
        return family(self.on).spec.kind

    def __str__(self) -> str:
        return "-".join([self.name, self.on, *(f"{field}={value}" for field, value in self.settings)])


@functools.cache
def family(on: str) -> tasks.TaskFamily:
    """It remembers its episodes, for learners are given the same ones: drawing them takes most of the time."""
    made = tasks.load(FAMILIES[on])
    draw_them = made.sample
    remembered = functools.cache(lambda split, index, counts: draw_them(split, torch.tensor(index), **dict(counts)))

    def sample(split: tasks.Split, index: Tensor, **counts: int) -> Task:
        return remembered(split, tuple(index.tolist()), tuple(counts.items()))

    vars(made)["sample"] = sample
    return made


def build(case: Case, seed: int = 0, **settings: Any) -> Learner:
    known = {field.name for field in fields(learner_class(case.name).Config)}
    net = {name: value for name, value in NETS.get(case.on, {}).items() if name in known}
    config = learners.configure(case.name, net | dict(case.settings) | settings)
    return learners.build(case.name, family(case.on).spec, config, seed)


def tried_on(traits: Traits) -> Sequence[str]:
    """Of ``FAMILIES`` those that such a learner is for."""
    return ("ranking",) if traits.orders else traits.forms or traits.kinds


def learns(case: Case) -> bool:
    """Whether training has anything to find."""
    return any(True for _ in build(case).parameters())


CASES = [Case(name, on) for name in LEARNERS for on in tried_on(learner_class(name).traits)]
CASES += [Case(name, "motion") for name in ORDERED]
CASES += [Case(name, "classification", tuple(settings.items())) for name, settings in VARIANTS]
CLASSIFIERS = [case for case in CASES if case.kind == "classification"]
RECORDED = [case for case in CASES if case.kind == "regression"]
"""Those that are also recorded, which takes seconds where there are convolutions."""
UNRECORDABLE = ("imaml",)
"""It takes forward-mode derivatives."""
LEARNING = [case for case in CASES if learns(case)]
OFTEN = ("protonet", "matching", "maml", "finetune")
"""Learners that are trained in every run of the tests, the others in those of everything: it takes minutes."""
START = ("metapk", "lowrank", "setencoder")
"""Learners that start from what ``prepare`` finds, which training can hardly better on simulated patients."""
TRAINED = [
    case if case.name in OFTEN else pytest.param(case, marks=pytest.mark.slow)
    for case in LEARNING
    if case.name not in START
]


def training(case: Case, steps: int, seed: int = 0, **config: Any) -> Training:
    sizes = {"way": 5, "shot": 2, "query": 2, "tasks_per_step": 2, "steps": steps, "batching": "vmap", "device": "cpu"}
    wanted = TrainConfig(**{**sizes, **config}, seed=seed)
    made = Training(
        build(case, seed), family(case.on), resolve(wanted, case.name, family(case.on).spec), torch.device("cpu")
    )
    made.choose_batching()
    made.learner.prepare(training_tasks(case.on))
    made.learner.train()
    for _ in range(made.steps):
        made.meta_step()
    return made


@functools.cache
def training_tasks(on: str) -> WholeTasks:
    return WholeTasks(20, functools.cache(family(on).tasks("train").make))


def prepared(learner: Learner, on: str) -> Learner:
    learner.prepare(training_tasks(on))
    return learner.eval()


def trained_few(case: Case, steps: int = 2, seed: int = 0) -> Learner:
    few = FEW_STEPS.get(case.name, {})
    return training(case._replace(settings=(*few.items(), *case.settings)), steps, seed).learner.eval()


trained_once = functools.cache(trained_few)


def trained(case: Case) -> Learner:
    """Two meta-steps at 5 ways and 2 shots; float64, so that equalities can be strict."""
    return copy.deepcopy(trained_once(case)).double()


@functools.cache
def draw(on: str, count: int = 2, *, way: int = 3, shot: int = 2, query: int = 2, split: tasks.Split = "train") -> Task:
    """Tasks in float64; in regression the task has as many points as a classification would have."""
    each = 1 if family(on).spec.kind == "classification" else way
    task = family(on).sample(split, torch.arange(count), way=way, shot=shot * each, query=query * each, seed=7)
    return pytree.tree_map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf, task)


def answers(learner: Learner, task: Task, how: batch.How = "loop", steps: int | None = None) -> Tensor:
    """Logits or means [T, n, way or d]."""
    with torch.no_grad():
        adapted = batch.map_tasks(lambda own, support: own.adapt(support, steps), learner, (task.support,), how)
        asked = (adapted, task.query.x, task.query.mask)
        return batch.map_tasks(lambda own, *one: own.predict(*one), learner, asked, how)[0]


def padded(examples: Examples, extra: int, noise: float) -> Examples:
    """``extra`` rows of padding at the end of every task, with noise for x."""
    count = len(examples.x)
    x = noise * torch.randn(count, extra, *examples.x.shape[2:], generator=torch.Generator().manual_seed(0))
    return Examples(
        torch.cat([examples.x, x.to(examples.x)], 1),
        torch.cat([examples.y, examples.y.new_zeros(count, extra, examples.y.shape[-1])], 1),
        torch.cat([examples.mask, examples.mask.new_zeros(count, extra)], 1),
    )
