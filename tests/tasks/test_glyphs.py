"""Invented characters: pure draws that nest, classes that differ, images that look like pen on paper."""

import pytest
import torch
from torch import Tensor

from quickstudy.errors import UserError
from quickstudy.tasks.base import Task, TaskFamily
from quickstudy.tasks.vision.glyphs import Glyphs
from quickstudy.tasks.vision.strokes import curve, ink, trace


def episodes(index: list[int], way: int = 5, shot: int = 1, query: int = 3, seed: int = 0, **family: int) -> Task:
    return Glyphs(**family).sample("train", torch.tensor(index), way=way, shot=shot, query=query, seed=seed)


def by_class(x: Tensor, way: int) -> Tensor:
    """[T, way * n, 1, s, s] -> [T, way, n, 1, s, s]."""
    return x.view(len(x), way, -1, *x.shape[2:])


@pytest.mark.parametrize("size", [8, 28, 48, 105])
def test_shapes_and_range(size: int) -> None:
    task = episodes([0, 1], way=4, shot=2, size=size)
    assert task.support.x.shape == (2, 8, 1, size, size)
    assert task.query.y.shape == (2, 12, 4)
    assert task.classes.shape == (2, 4)
    assert task.support.x.dtype == torch.float32
    assert bool(task.query.mask.all())
    assert float(task.query.x.min()) == 0
    assert 0.5 < float(task.query.x.max()) <= 1
    assert torch.equal(task.support.y.sum(1), torch.full((2, 4), 2.0))
    assert torch.equal(task.support.y[0].argmax(-1), torch.arange(4).repeat_interleave(2))


def test_it_is_a_family() -> None:
    family = Glyphs()
    assert isinstance(family, TaskFamily)
    assert (family.spec.name, family.spec.shape, family.spec.classes) == ("glyphs", (1, 28, 28), None)
    named = Glyphs(size=48, classes=1000).spec
    assert (named.name, named.shape, named.classes) == ("glyphs:size=48:classes=1000", (1, 48, 48), 1000)


def test_any_batch_and_any_order_give_the_same_images() -> None:
    whole = episodes(list(range(40)), way=7, query=2)
    mixed = episodes([33, 5, 12], way=7, query=2)
    alone = episodes([12], way=7, query=2)
    for at, index in enumerate([33, 5, 12]):
        assert torch.equal(mixed.support.x[at], whole.support.x[index])
        assert torch.equal(mixed.query.x[at], whole.query.x[index])
        assert torch.equal(mixed.classes[at], whole.classes[index])
        assert torch.equal(mixed.key[at], whole.key[index])
    assert torch.equal(alone.query.x[0], whole.query.x[12])


def test_the_number_of_threads_does_not_change_an_image() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = episodes(list(range(20))).query.x
        torch.set_num_threads(2)
        two = episodes(list(range(20))).query.x
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, two)


@pytest.mark.parametrize("classes", [0, 30])
def test_draws_nest(classes: int) -> None:
    few = episodes([3, 4], shot=1, classes=classes)
    many = episodes([3, 4], shot=10, query=5, classes=classes)
    assert torch.equal(few.classes, many.classes)
    assert torch.equal(by_class(few.query.x, 5), by_class(many.query.x, 5)[:, :, :3])
    assert torch.equal(by_class(few.support.x, 5), by_class(many.support.x, 5)[:, :, :1])
    wide = episodes([3, 4], way=20, classes=classes)
    assert torch.equal(wide.classes[:, :5], few.classes)
    assert torch.equal(by_class(wide.query.x, 20)[:, :5], by_class(few.query.x, 5))
    assert not torch.equal(by_class(few.support.x, 5), by_class(few.query.x, 5)[:, :, :1])


def test_seeds_splits_and_episodes_differ() -> None:
    family, index = Glyphs(), torch.tensor([0, 1])
    train, val, test = (family.sample(split, index, way=5, shot=1, query=1, seed=0) for split in family.splits)
    other = family.sample("train", index, way=5, shot=1, query=1, seed=1)
    assert len({number for task in (train, val, test, other) for number in task.classes.flatten().tolist()}) == 40
    ids, writers = torch.arange(3), torch.zeros(3, 1, dtype=torch.int64)
    assert not torch.equal(family.images("train", ids, writers), family.images("val", ids, writers))


def test_a_class_limit_holds_for_training_alone() -> None:
    family, index = Glyphs(classes=6), torch.arange(50)
    train = family.sample("train", index, way=6, shot=1, query=1, seed=0)
    assert torch.equal(train.classes.sort(-1).values, torch.arange(6).expand(50, -1))
    assert len(set(family.sample("val", index, way=20, shot=1, query=1, seed=0).classes.flatten().tolist())) == 1000
    assert family.members("train") == frozenset(f"glyphs/train/{number}" for number in range(6))
    assert family.members("val") is None
    assert Glyphs().members("train") is None
    whole = list(family.tasks("train"))
    assert len(whole) == 6
    assert whole[0].x.shape == (20, 1, 28, 28)


def test_tasks_are_whole_classes() -> None:
    first, second = next(iter(Glyphs().tasks("train"))), next(iter(Glyphs().tasks("test")))
    assert first.x.shape == (20, 1, 28, 28)
    assert first.y.shape == (20, 1)
    assert bool(first.mask.all())
    assert not torch.equal(first.x, second.x)
    assert all(not torch.equal(first.x[0], other) for other in first.x[1:])


def test_characters_look_like_pen_on_paper() -> None:
    x = Glyphs().images("train", torch.arange(300), torch.arange(10).expand(300, -1)).squeeze(2)
    share = x.mean((-1, -2))
    assert 0.06 < float(share.mean()) < 0.095  # Omniglot: 0.078
    assert float(share.min()) > 0.001
    within = (x[:, :5] - x[:, 5:]).square().sum((-1, -2)).mean()
    between = (x - x.roll(1, 0)).square().sum((-1, -2)).mean()
    assert 0.65 < float(within / between) < 0.9  # Omniglot: 0.83


def test_a_straight_stroke_is_as_wide_as_asked() -> None:
    knots = torch.tensor([[[[0.5, 0.1], [0.5, 0.9]]]])
    points, length = trace(curve(knots, torch.zeros(1, 1, 2)))
    image = ink(points, length, torch.tensor([0.1]), 100)[0]
    assert float(length) == pytest.approx(0.8, abs=1e-5)
    assert float(image[50].sum()) == pytest.approx(10, abs=0.3)
    assert float(image[50, 48:52].min()) == 1
    assert float(image[:4].sum()) == 0


def test_repeated_knots_and_air_leave_no_ink() -> None:
    short = torch.tensor([[0.2, 0.2], [0.4, 0.2], [0.4, 0.2]])
    away = torch.tensor([[0.8, 0.8], [0.8, 0.8], [0.8, 0.8]])
    points, length = trace(curve(torch.stack([short, away]).unsqueeze(0), torch.ones(1, 2, 3)))
    assert float(length) == pytest.approx(0.2, abs=1e-5)
    assert float(points.amax()) == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"size": 7}, "size is 7"), ({"classes": -1}, "classes is -1")],
)
def test_bad_options(options: dict[str, int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Glyphs(**options)


@pytest.mark.parametrize(
    ("split", "counts", "words"),
    [
        ("train", {"way": 9}, "trains on 8 classes"),
        ("train", {"shot": 0}, "--shot is 0"),
        ("train", {"query": 0}, "--query is 0"),
        ("valid", {}, "no split 'valid'"),
    ],
)
def test_bad_episodes(split: str, counts: dict[str, int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Glyphs(classes=8).sample(split, torch.tensor([0]), **({"way": 2, "shot": 1, "query": 1, "seed": 0} | counts))  # type: ignore[arg-type]
