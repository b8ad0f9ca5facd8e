"""What every learner promises, over the registry: a new learner is tested by its line there."""

import copy
import functools
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from quickstudy import learners, runs, scoring, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import LEARNERS, Learner, learner_class
from quickstudy.tasks.base import Examples, Task, WholeTasks
from quickstudy.training import TrainConfig, Training, resolve

FAMILIES = {"classification": "glyphs:classes=50", "regression": "sinusoid"}
NETS = {"classification": {"backbone": "conv4", "width": 8}, "regression": {"width": 16}}
VARIANTS = [
    ("protonet", {"distance": "cosine", "norm": "task"}),
    ("protonet", {"distance": "cosine", "proxies": True}),
    ("matching", {"fce": True, "norm": "group"}),
    ("maml", {"head": "zero", "norm": "batch"}),
    ("finetune", {"adapts": "all", "inner_steps": 3}),
    ("nearest", {"k": 3}),
]
FEW_STEPS = {"finetune": {"inner_steps": 5}}
"""Where the default would take the tests long; training uses the defaults."""
EXACT = {"rtol": 1e-8, "atol": 1e-8}
"""For float64."""


class Case(NamedTuple):
    """A learner, a kind of task, and settings that are not its defaults."""

    name: str
    kind: str
    settings: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return "-".join([self.name, self.kind, *(f"{field}={value}" for field, value in self.settings)])


CASES = [Case(name, kind) for name in LEARNERS for kind in learner_class(name).traits.kinds]
CASES += [Case(name, "classification", tuple(settings.items())) for name, settings in VARIANTS]
CLASSIFIERS = [case for case in CASES if case.kind == "classification"]
LEARNING = [case for case in CASES if case.name != "nearest"]
pytestmark = pytest.mark.usefixtures("seemingly_two_cores")
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_classifier = pytest.mark.parametrize("case", CLASSIFIERS, ids=str)
every_trained = pytest.mark.parametrize("case", LEARNING, ids=str)


@functools.cache
def family(kind: str) -> tasks.TaskFamily:
    """It remembers its episodes, for learners are given the same ones: drawing them takes most of the time."""
    made = tasks.load(FAMILIES[kind])
    draw_them = made.sample
    remembered = functools.cache(lambda split, index, counts: draw_them(split, torch.tensor(index), **dict(counts)))

    def sample(split: tasks.Split, index: Tensor, **counts: int) -> Task:
        return remembered(split, tuple(index.tolist()), tuple(counts.items()))

    vars(made)["sample"] = sample
    return made


def build(case: Case, seed: int = 0, **settings: Any) -> Learner:
    known = {field.name for field in fields(learner_class(case.name).Config)}
    net = {name: value for name, value in NETS[case.kind].items() if name in known}
    config = learners.configure(case.name, net | dict(case.settings) | settings)
    return learners.build(case.name, family(case.kind).spec, config, seed)


def training(case: Case, steps: int, seed: int = 0, **config: Any) -> Training:
    sizes = {"way": 5, "shot": 2, "query": 2, "tasks_per_step": 2, "steps": steps, "batching": "vmap", "device": "cpu"}
    wanted = TrainConfig(**{**sizes, **config}, seed=seed)
    made = Training(
        build(case, seed), family(case.kind), resolve(wanted, case.name, family(case.kind).spec), torch.device("cpu")
    )
    made.choose_batching()
    made.learner.train()
    for _ in range(made.steps):
        made.meta_step()
    return made


@functools.cache
def training_tasks(kind: str) -> WholeTasks:
    return WholeTasks(20, functools.cache(family(kind).tasks("train").make))


def prepared(learner: Learner, kind: str) -> Learner:
    learner.prepare(training_tasks(kind))
    return learner.eval()


@functools.cache
def _trained(case: Case) -> Learner:
    few = FEW_STEPS.get(case.name, {})
    return prepared(training(case._replace(settings=(*few.items(), *case.settings)), steps=2).learner, case.kind)


def trained(case: Case) -> Learner:
    """Two meta-steps at 5 ways and 2 shots; float64, so that equalities can be strict."""
    return copy.deepcopy(_trained(case)).double()


@functools.cache
def draw(
    kind: str, count: int = 2, *, way: int = 3, shot: int = 2, query: int = 2, split: tasks.Split = "train"
) -> Task:
    """Tasks in float64; in regression the task has as many points as a classification would have."""
    each = 1 if kind == "classification" else way
    task = family(kind).sample(split, torch.arange(count), way=way, shot=shot * each, query=query * each, seed=7)
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


@every_case
@pytest.mark.parametrize(("way", "shot"), [(2, 1), (7, 3)])
def test_another_way_and_shot_than_trained(case: Case, way: int, shot: int) -> None:
    task = draw(case.kind, way=way, shot=shot, query=2, split="test")
    found = answers(trained(case), task, "vmap")
    assert found.shape == task.query.y.shape
    assert found.isfinite().all()


@every_case
def test_every_way_of_batching_gives_the_same(case: Case) -> None:
    learner, task = trained(case), draw(case.kind, 5, shot=1, query=1)
    reference = answers(learner, task, "loop")
    for how in batch.HOWS[:-1]:
        torch.testing.assert_close(answers(learner, task, how), reference, **EXACT)


@every_trained
def test_every_way_of_batching_gives_the_same_meta_gradient(case: Case) -> None:
    learner, task = trained(case).train(), draw(case.kind, 5, shot=1, query=1)
    inside = learner.traits.gradient_in_loss
    losses, grads = batch.meta_gradient(learner, task, 0.5, "loop", inside)
    assert losses.shape == (5,)
    assert all(value.isfinite().all() for value in grads.values())
    assert all(value.any() for name, value in grads.items() if name.startswith("net.") and name.endswith("weight"))
    for how in batch.HOWS[:-1]:
        other_losses, others = batch.meta_gradient(learner, task, 0.5, how, inside)
        torch.testing.assert_close(other_losses, losses, **EXACT)
        torch.testing.assert_close(others, grads, **EXACT)


@every_case
@pytest.mark.parametrize("noise", [0.0, 50.0, math.nan])
@pytest.mark.parametrize("how", ["loop", "vmap"])
def test_padding_changes_nothing(case: Case, noise: float, how: batch.How) -> None:
    learner, task = trained(case), draw(case.kind)
    full = task._replace(support=padded(task.support, 4, noise), query=padded(task.query, 3, noise))
    found = answers(learner, full, how)[:, : task.query.x.shape[1]]
    torch.testing.assert_close(found, answers(learner, task, how), **EXACT)


@pytest.mark.parametrize("case", [case for case in CASES if ("proxies", True) not in case.settings], ids=str)
@pytest.mark.parametrize("how", ["loop", "vmap"])
def test_padding_changes_no_loss(case: Case, how: batch.How) -> None:
    learner, task = trained(case).train(), draw(case.kind)
    full = task._replace(support=padded(task.support, 4, math.nan), query=padded(task.query, 3, math.nan))
    one, other = (batch.map_tasks(lambda own, t: own(t, 0.5), learner, (some,), how) for some in (task, full))
    torch.testing.assert_close(one, other, **EXACT)


@every_classifier
def test_a_class_without_support_never_wins(case: Case) -> None:
    task = draw(case.kind, way=4, shot=1, query=5)
    mask = task.support.mask & (task.support.y[..., 2] == 0)
    found = answers(trained(case), task._replace(support=task.support._replace(mask=mask)), "vmap")
    assert found.isfinite().all()
    assert not (found.argmax(-1) == 2).any()
    assert torch.softmax(found, -1)[..., 2].max() == 0


@every_classifier
def test_permuted_labels_permute_the_answers_or_not_as_declared(case: Case) -> None:
    learner, task = trained(case), draw(case.kind, way=4)
    order = torch.tensor([2, 0, 3, 1])
    turned = task._replace(support=task.support._replace(y=task.support.y[..., order]))
    same = torch.allclose(answers(learner, turned), answers(learner, task)[..., order], **EXACT)
    assert same == learner.traits.equivariant


@every_case
def test_each_query_is_answered_on_its_own(case: Case) -> None:
    learner, task = trained(case), draw(case.kind)
    assert not learner.transductive
    some = task._replace(query=Examples(*(leaf[:, :2] for leaf in task.query)))
    torch.testing.assert_close(answers(learner, some), answers(learner, task)[:, :2], **EXACT)


@every_case
def test_transductive_answers_depend_on_the_other_queries(case: Case) -> None:
    if not learner_class(case.name).traits.transductive:
        with pytest.raises(UserError, match="transductive"):
            build(case, transductive=True)
        return
    learner = build(case, transductive=True, norm="task").double().eval()
    assert learner.transductive
    task = draw(case.kind)
    some = task._replace(query=Examples(*(leaf[:, :2] for leaf in task.query)))
    assert not torch.allclose(answers(learner, some), answers(learner, task)[:, :2], **EXACT)
    with pytest.raises(UserError, match="--norm task"):
        build(case, transductive=True, norm="group")


@every_trained
def test_training_beats_no_training(case: Case) -> None:
    if case.kind == "regression":
        sizes = {"steps": 150, "shot": 5, "query": 10, "tasks_per_step": 16, "rate": 1e-2}
        which = scoring.Episodes(way=0, shot=10, query=10, episodes=400)
        net = {}
    else:
        meta = learner_class(case.name).traits.gradient_in_loss
        sizes = {"shot": 1, "query": 3, "rate": 2e-2}
        few, many = {"steps": 30, "way": 5, "tasks_per_step": 2}, {"steps": 60, "way": 20, "tasks_per_step": 1}
        sizes |= few if meta else many
        which = scoring.Episodes(way=5, shot=1, query=3, episodes=60)
        net = {"backbone": "conv4s"}
    case = case._replace(settings=(*net.items(), *case.settings))
    before, after = (
        scoring.score(prepared(learner, case.kind), family(case.kind), which, how="vmap").values
        for learner in (build(case), training(case, **sizes).learner)
    )
    gain = (after - before) * (1 if family(case.kind).spec.higher_is_better else -1)
    assert gain.mean() > 3 * gain.std() / len(gain) ** 0.5


@every_case
def test_saved_and_loaded_weights_answer_the_same(case: Case, tmp_path: Path) -> None:
    learner, task = (
        _trained(case),
        pytree.tree_map(lambda x: x.float() if x.is_floating_point() else x, draw(case.kind)),
    )
    runs.write_tensors(tmp_path / "weights.safetensors", learner.state_dict())
    other = copy.deepcopy(learner)
    for value in (*other.parameters(), *other.buffers()):
        value.detach().zero_()
    runs.load_weights(other, runs.read_tensors(tmp_path / "weights.safetensors")[0], tmp_path)
    assert torch.equal(answers(other, task), answers(learner, task))


@every_trained
def test_a_seed_gives_the_same_weights_and_another_seed_others(case: Case) -> None:
    one, same, other = (training(case, steps=3, seed=seed).learner.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("case", [case for case in CASES if case.kind == "regression"], ids=str)
def test_no_shots_give_the_prior(case: Case) -> None:
    learner, task = trained(case), draw(case.kind, shot=0)
    for how in batch.HOWS:
        assert answers(learner, task, how).isfinite().all()
    if learner.traits.gradient:
        no_steps = answers(learner, draw(case.kind), steps=0)
        torch.testing.assert_close(answers(learner, task), no_steps, **EXACT)
    assert batch.map_tasks(lambda own, t: own(t, 0.0), learner, (task,), "vmap").isfinite().all()


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_wrong_kind_of_task_is_refused_with_the_names_of_others(name: str, kind: str) -> None:
    if kind in learner_class(name).traits.kinds:
        return
    with pytest.raises(UserError, match=r"maml.*finetune.*nearest"):
        learners.build(name, family(kind).spec, learner_class(name).Config(), 0)


@pytest.mark.parametrize("name", LEARNERS)
def test_settings_are_checked(name: str) -> None:
    with pytest.raises(UserError, match=f"setting of {name}"):
        learners.configure(name, {"no_such_setting": 1})
    assert replace(learner_class(name).Config()) == learners.configure(name, {})


def test_an_unknown_learner_is_a_user_error() -> None:
    with pytest.raises(UserError, match="Did you mean protonet"):
        learners.learner_class("protonets")
