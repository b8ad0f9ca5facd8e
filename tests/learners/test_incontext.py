"""The in-context learner against PyTorch's own transformer; labels as vectors; numbers of shots."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quickstudy import learners, tasks
from quickstudy.errors import UserError
from quickstudy.inner import batch
from quickstudy.learners import Learner
from quickstudy.learners.base import Gaussian, Point
from quickstudy.learners.glucose import readings
from quickstudy.tasks.base import Task

GLYPHS, SINE, TABLES = (tasks.load(name) for name in ("glyphs:classes=50", "sinusoid", "tables"))
SMALL = {"width": 8, "tokens": 16, "heads": 4, "layers": 2}


def build(family: tasks.TaskFamily = GLYPHS, **settings: object) -> Learner:
    return learners.build("incontext", family.spec, learners.configure("incontext", {**SMALL, **settings}), 0).eval()


def draw(family: tasks.TaskFamily = GLYPHS, way: int = 3, shot: int = 2) -> Task:
    return batch.take(family.sample("train", torch.arange(1), way=way, shot=shot, query=2, seed=0), 0)


@torch.no_grad()
def answer(learner: Learner, task: Task) -> Tensor:
    found: Tensor = learner.predict(learner.adapt(task.support), task.query.x, task.query.mask)[0]
    return found


@torch.no_grad()
def moved(learner: Learner) -> Learner:
    """Away from where it starts."""
    draws = torch.Generator().manual_seed(0)
    for value in learner.parameters():
        value.add_(0.1 * torch.randn(value.shape, generator=draws))
    return learner


def transformer(learner: Learner) -> nn.TransformerEncoder:
    """PyTorch's own with the same weights."""
    layer = nn.TransformerEncoderLayer(16, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
    theirs = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    for own, other in zip(learner.blocks, theirs.layers, strict=True):
        parts = own.attention.query, own.attention.key, own.attention.value
        other.self_attn.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        other.self_attn.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        pairs = (
            (own.attention.out, other.self_attn.out_proj),
            (own.first, other.norm1),
            (own.second, other.norm2),
            (own.hidden[0], other.linear1),
            (own.hidden[2], other.linear2),
        )
        for mine, copied in pairs:
            copied.load_state_dict(mine.state_dict())
    return theirs


@pytest.mark.parametrize("family", [GLYPHS, SINE], ids=["glyphs", "sinusoid"])
@torch.no_grad()
def test_it_is_the_transformer_of_pytorch_over_the_support_and_one_query(family: tasks.TaskFamily) -> None:
    task, learner = draw(family), moved(build(family))
    embed = [learner.inputs(learner.net(part.x, part.mask, None)[0]) for part in (task.support, task.query)]
    y = F.pad(task.support.y, (0, 20 - 3)) if family is GLYPHS else task.support.y
    shown, asked = embed[0] + y @ learner.labels.weight.T, embed[1] + learner.unknown
    hidden = torch.zeros(len(shown) + 1, len(shown) + 1, dtype=torch.bool)
    hidden[:, -1] = True  # nobody attends to the query
    theirs = transformer(learner).train()  # in eval mode it takes a fused path
    rows = [theirs(torch.cat([shown, one[None]])[None], mask=hidden)[0, -1] for one in asked]
    found = learner.last(torch.stack(rows))
    logits = found @ learner.labels.weight / learner.length
    wanted = logits[:, :3] if family is GLYPHS else learner.answer(found)
    torch.testing.assert_close(answer(learner, task), wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_it_starts_as_a_matching_network() -> None:
    learner, task = build(layers=1, tokens=32, heads=1), draw(way=5, shot=3)
    vectors = learner.labels.weight.T
    torch.testing.assert_close(vectors @ vectors.T / learner.length**2, torch.eye(20), rtol=1e-5, atol=1e-5)
    embed = [learner.inputs(learner.net(part.x, part.mask, None)[0]) for part in (task.support, task.query)]
    shown, asked = embed[0] + vectors[task.support.y.argmax(-1)], embed[1]
    support, query = F.layer_norm(shown, [32]), F.layer_norm(asked, [32])
    attention = (1.5**2 * query @ support.T / 32**0.5).softmax(-1)
    seen = F.layer_norm(asked + attention @ support, [32])
    torch.testing.assert_close(answer(learner, task), seen @ vectors[:5].T / learner.length, rtol=1e-4, atol=1e-4)


def test_more_classes_than_label_vectors_are_refused() -> None:
    learner = build(max_way=4)
    assert answer(learner, draw(way=4)).shape == (8, 4)
    with pytest.raises(UserError, match=r"4 classes and met 5.*protonet, .*--max-way 5"):
        learner.adapt(draw(way=5).support)


def test_training_shows_each_class_under_every_number() -> None:
    learner, task = moved(build(max_way=3)), draw()
    keys = torch.arange(200)
    with torch.no_grad():
        losses = torch.func.vmap(lambda key: learner.loss(task._replace(key=key), 0.0))(keys)
    wanted = []
    for order in ([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]):
        support, query = (part._replace(y=part.y[:, order]) for part in task[:2])
        turned = task._replace(support=support, query=query)
        wanted.append(F.cross_entropy(answer(learner, turned), query.y))
    apart = (losses.unsqueeze(-1) - torch.stack(wanted)).abs()
    assert (apart.min(-1).values < 1e-4).all()
    assert (torch.bincount(apart.argmin(-1), minlength=6) > 10).all()


def test_a_few_classes_at_a_time_teach_all_label_vectors() -> None:
    learner = build().train()
    tasks_ = GLYPHS.sample("train", torch.arange(40), way=3, shot=1, query=1, seed=0)
    _, grads = batch.meta_gradient(learner, tasks_, 0.0, "vmap", inside=False)
    assert (grads["labels.weight"].norm(dim=0) > 0).all()


@pytest.mark.parametrize("gaussian", [False, True])
def test_points_or_gaussians(gaussian: bool) -> None:
    learner, task = build(SINE, gaussian=gaussian), draw(SINE, shot=0)
    found = learner.predict(learner.adapt(task.support), task.query.x, task.query.mask)
    assert isinstance(found, Gaussian if gaussian else Point)
    assert all(part.shape == task.query.y.shape for part in found)
    if isinstance(found, Gaussian):
        assert (found.std > 0.1).all()
    loss = learner.loss(task, 0.0)
    torch.testing.assert_close(loss, found.nll(task.query.y).mean())


def test_a_gaussian_of_classes_is_refused() -> None:
    with pytest.raises(UserError, match="--gaussian"):
        build(gaussian=True)


@pytest.mark.parametrize("family", [GLYPHS, TABLES], ids=["glyphs", "tables"])
@torch.no_grad()
def test_readings_average_what_it_says_in_other_orders(family: tasks.TaskFamily) -> None:
    task, whole = draw(family, way=3, shot=4), moved(build(family, readings=3))
    alone = build(family)
    alone.load_state_dict(whole.state_dict())
    columns, numbers = readings.orders(task.support, 3, 20, family.spec.form)
    told = []
    for column, number in zip(columns, numbers, strict=True):
        y = F.pad(task.support.y, (0, 17))[:, number]
        x, asked = (part.x[:, column] if len(column) else part.x for part in (task.support, task.query))
        state = alone.adapt(task.support._replace(x=x, y=y))
        told.append(alone.predict(state, asked, task.query.mask)[0].log_softmax(-1)[:, number.argsort()[:3]])
    torch.testing.assert_close(answer(whole, task), torch.stack(told).mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(told[0], answer(alone, task).log_softmax(-1), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(told[0], told[1], atol=1e-2)


def test_columns_without_a_value_are_read_last() -> None:
    support = draw(TABLES, way=2, shot=5).support
    seen = support.x[:, 20:].any(0)
    columns, numbers = readings.orders(support, 6, 20, "rows")
    assert columns[0].tolist() == list(range(40))
    for one in columns[1:, :20]:
        assert sorted(one.tolist()) == list(range(20))
        assert seen[one].tolist() == sorted(seen.tolist(), reverse=True)
    assert torch.equal(columns[:, 20:], columns[:, :20] + 20)
    assert len({tuple(one) for one in columns.tolist()}) > 1 or int(seen.sum()) == 1
    assert [sorted(one) for one in numbers.tolist()] == [list(range(20))] * 6


def test_numbers_have_no_other_orders() -> None:
    with pytest.raises(UserError, match="--readings"):
        build(SINE, readings=2)
