"""What every learner promises, over the registry: a new learner is tested by its line there."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cases import (
    CASES,
    CLASSIFIERS,
    EXACT,
    FAMILIES,
    LEARNING,
    RECORDED,
    TRAINED,
    TRAINING,
    UNRECORDABLE,
    Case,
    answers,
    build,
    draw,
    family,
    padded,
    prepared,
    trained,
    trained_few,
    trained_once,
    training,
)
from torch.utils import _pytree as pytree

from quickstudy import learners, runs, scoring, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import LEARNERS, learner_class
from quickstudy.learners.base import Traits
from quickstudy.learners.nearest import Nearest
from quickstudy.tasks.base import Examples

pytestmark = pytest.mark.usefixtures("seemingly_two_cores")
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_classifier = pytest.mark.parametrize("case", CLASSIFIERS, ids=str)
every_trained = pytest.mark.parametrize("case", LEARNING, ids=str)


@every_case
@pytest.mark.parametrize(("way", "shot"), [(2, 1), (7, 3)])
def test_another_way_and_shot_than_trained(case: Case, way: int, shot: int) -> None:
    task = draw(case.on, way=way, shot=shot, query=2, split="train" if case.on == "doses" else "test")
    found = answers(trained(case), task, "vmap")
    assert found.shape == task.query.y.shape
    assert found.isfinite().all()


@every_case
def test_every_way_of_batching_gives_the_same(case: Case) -> None:
    learner, task = trained(case), draw(case.on, 5, shot=1, query=1)
    reference = answers(learner, task, "loop")
    for how in batch.EAGER[:-1]:
        torch.testing.assert_close(answers(learner, task, how), reference, **EXACT)


@every_trained
def test_every_way_of_batching_gives_the_same_meta_gradient(case: Case) -> None:
    learner, task = trained(case).train(), draw(case.on, 5, shot=1, query=1)
    inside = learner.traits.gradient_in_loss
    losses, grads = batch.meta_gradient(learner, task, 0.5, "loop", inside)
    assert losses.shape == (5,)
    assert all(value.isfinite().all() for value in grads.values())
    assert all(value.any() for name, value in grads.items() if name.startswith("net.") and name.endswith("weight"))
    for how in [how for how in batch.EAGER[:-1] if how != "recorded" or case in RECORDED]:
        if how == "recorded" and case.name in UNRECORDABLE:
            with pytest.raises(UserError, match="another way"):
                batch.meta_gradient(learner, task, 0.5, how, inside)
            continue
        other_losses, others = batch.meta_gradient(learner, task, 0.5, how, inside)
        torch.testing.assert_close(other_losses, losses, **EXACT)
        torch.testing.assert_close(others, grads, **EXACT)


@every_case
@pytest.mark.parametrize(("noise", "how"), [(50.0, "loop"), (math.nan, "loop"), (math.nan, "vmap")])
def test_padding_changes_nothing(case: Case, noise: float, how: batch.How) -> None:
    learner, task = trained(case), draw(case.on)
    full = task._replace(support=padded(task.support, 4, noise), query=padded(task.query, 3, noise))
    found = answers(learner, full, how)[:, : task.query.x.shape[1]]
    torch.testing.assert_close(found, answers(learner, task, how), **EXACT)


@every_classifier
def test_unequal_shots_are_the_examples_there_are(case: Case) -> None:
    """Classes of one, two and three examples: rows masked in between are as if they had not been given."""
    learner, task = trained(case), draw(case.on, way=3, shot=3)
    label = task.support.y.argmax(-1)
    earlier = (label.unsqueeze(-1) == label.unsqueeze(-2)).tril(-1).sum(-1)
    there = earlier <= label
    assert torch.equal(there[0], there[1])
    support = task.support
    x = support.x.where(there.view(*there.shape, *[1] * (support.x.dim() - 2)), math.nan)
    masked = answers(learner, task._replace(support=support._replace(x=x, mask=support.mask & there)), "vmap")
    alone = Examples(*(leaf[:, there[0]] for leaf in support))
    torch.testing.assert_close(masked, answers(learner, task._replace(support=alone)), **EXACT)


@pytest.mark.parametrize("case", [case for case in CASES if ("proxies", True) not in case.settings], ids=str)
@pytest.mark.parametrize("how", ["loop", "vmap"])
def test_padding_changes_no_loss(case: Case, how: batch.How) -> None:
    learner, task = trained(case).train(), draw(case.on)
    full = task._replace(support=padded(task.support, 4, math.nan), query=padded(task.query, 3, math.nan))
    one, other = (batch.map_tasks(lambda own, t: own(t, 0.5), learner, (some,), how) for some in (task, full))
    torch.testing.assert_close(one, other, **EXACT)


@every_classifier
def test_a_class_without_support_never_wins(case: Case) -> None:
    task = draw(case.on, way=4, shot=1, query=5)
    mask = task.support.mask & (task.support.y[..., 2] == 0)
    found = answers(trained(case), task._replace(support=task.support._replace(mask=mask)), "vmap")
    assert found.isfinite().all()
    assert not (found.argmax(-1) == 2).any()
    assert torch.softmax(found, -1)[..., 2].max() == 0


@every_classifier
def test_permuted_labels_permute_the_answers_or_not_as_declared(case: Case) -> None:
    learner, task = trained(case), draw(case.on, way=4)
    order = torch.tensor([2, 0, 3, 1])
    turned = task._replace(support=task.support._replace(y=task.support.y[..., order]))
    same = torch.allclose(answers(learner, turned), answers(learner, task)[..., order], **EXACT)
    assert same == learner.traits.equivariant


@every_case
def test_each_query_is_answered_on_its_own(case: Case) -> None:
    learner, task = trained(case), draw(case.on)
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
    task = draw(case.on)
    some = task._replace(query=Examples(*(leaf[:, :2] for leaf in task.query)))
    assert not torch.allclose(answers(learner, some), answers(learner, task)[:, :2], **EXACT)
    if learner.traits.joint:
        assert build(case, transductive=True, norm="group").transductive
        return
    with pytest.raises(UserError, match="--norm task"):
        build(case, transductive=True, norm="group")


@pytest.mark.parametrize("case", [case for case in CASES if learner_class(case.name).traits.transductive], ids=str)
@pytest.mark.parametrize("how", ["loop", "vmap"])
def test_padding_and_batching_change_no_transductive_answers(case: Case, how: batch.How) -> None:
    learner, task = build(case, transductive=True, norm="task").double().eval(), draw(case.on)
    full = task._replace(support=padded(task.support, 4, math.nan), query=padded(task.query, 3, math.nan))
    found = answers(learner, full, how)[:, : task.query.x.shape[1]]
    torch.testing.assert_close(found, answers(learner, task, "loop"), **EXACT)


@pytest.mark.parametrize("case", TRAINED, ids=str)
def test_training_beats_no_training(case: Case) -> None:
    if case.kind == "regression":
        sizes = {"steps": 150, "shot": 5, "query": 10, "tasks_per_step": 16, "rate": 1e-2}
        which = scoring.Episodes(way=0, shot=10, query=10, episodes=400)
        net = {}
    else:
        meta = learner_class(case.name).traits.gradient_in_loss
        sizes = {"shot": 1, "query": 3, "rate": 2e-2}
        few, many = {"steps": 30, "way": 5, "tasks_per_step": 2}, {"steps": 60, "way": 20, "tasks_per_step": 1}
        sizes |= (few if meta else many) | TRAINING.get(case.name, {})
        which = scoring.Episodes(way=5, shot=1, query=3, episodes=60)
        net = {"backbone": "conv4s"} if case.on == "classification" else {}
    case = case._replace(settings=(*net.items(), *case.settings))
    before, after = (
        scoring.score(prepared(learner, case.on), family(case.on), which, how="vmap").values
        for learner in (build(case), training(case, **sizes).learner)
    )
    gain = (after - before) * (1 if family(case.on).spec.higher_is_better else -1)
    assert gain.mean() > 3 * gain.std() / len(gain) ** 0.5


@every_case
def test_saved_and_loaded_weights_answer_the_same(case: Case, tmp_path: Path) -> None:
    learner, task = (
        trained_once(case),
        pytree.tree_map(lambda x: x.float() if x.is_floating_point() else x, draw(case.on)),
    )
    runs.write_tensors(tmp_path / "weights.safetensors", learner.state_dict())
    other = copy.deepcopy(learner)
    for value in (*other.parameters(), *other.buffers()):
        value.detach().zero_()
    runs.load_weights(other, runs.read_tensors(tmp_path / "weights.safetensors")[0], tmp_path)
    assert torch.equal(answers(other, task), answers(learner, task))


@every_trained
def test_a_seed_gives_the_same_weights_and_another_seed_others(case: Case) -> None:
    one, same, other = (
        made.state_dict() for made in (trained_once(case), trained_few(case), trained_few(case, steps=1, seed=1))
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("case", [case for case in CASES if case.kind == "regression"], ids=str)
def test_no_shots_give_the_prior(case: Case) -> None:
    learner, task = trained(case), draw(case.on, shot=0)
    for how in batch.EAGER:
        assert answers(learner, task, how).isfinite().all()
    if learner.traits.gradient:
        no_steps = answers(learner, draw(case.on), steps=0)
        torch.testing.assert_close(answers(learner, task), no_steps, **EXACT)
    assert batch.map_tasks(lambda own, t: own(t, 0.0), learner, (task,), "vmap").isfinite().all()


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("on", FAMILIES)
def test_the_wrong_kind_of_task_is_refused_with_the_names_of_others(name: str, on: str) -> None:
    if learner_class(name).traits.takes(family(on).spec):
        return
    with pytest.raises(UserError, match=r"maml.*finetune.*nearest"):
        learners.build(name, family(on).spec, learner_class(name).Config(), 0)


class OfTables(Nearest):
    """Nearest neighbours, for tables alone."""

    traits = Traits(kinds=("classification", "regression"), forms=("rows",))


def test_a_learner_for_one_form_of_input_refuses_others_with_the_names_of_those_that_do() -> None:
    name = f"{__name__}:OfTables"
    assert isinstance(learners.build(name, tasks.load("tables").spec, OfTables.Config(), 0), OfTables)
    with pytest.raises(UserError, match=r"made for rows, .* glyphs:classes=50 are drawings.*protonet"):
        learners.build(name, family("classification").spec, OfTables.Config(), 0)


@pytest.mark.parametrize("name", LEARNERS)
def test_settings_are_checked(name: str) -> None:
    with pytest.raises(UserError, match=f"setting of {name}"):
        learners.configure(name, {"no_such_setting": 1})
    assert replace(learner_class(name).Config()) == learners.configure(name, {})


def test_an_unknown_learner_is_a_user_error() -> None:
    with pytest.raises(UserError, match="Did you mean protonet"):
        learners.learner_class("protonets")


@every_case
def test_a_run_keeps_what_a_learner_makes_of_its_defaults(case: Case) -> None:
    """Built anew from its settings it is the same, whatever the defaults are by then."""
    made = build(case)
    again = learners.build(case.name, made.spec, made.config, seed=0)
    assert again.config == made.config
    for name in ("backbone", "norm"):
        assert getattr(made.config, name, "") != "auto"
    for name in ("width", "inner_steps", "inner_rate"):
        assert getattr(made.config, name, 1) != 0
    shapes = [{name: value.shape for name, value in one.state_dict().items()} for one in (made, again)]
    assert shapes[0] == shapes[1]
