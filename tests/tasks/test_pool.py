"""Episodes from labelled examples: nesting, purity, ragged classes, groups, bad input."""

import pytest
import torch

from quickstudy.errors import UserError
from quickstudy.tasks.base import Spec
from quickstudy.tasks.pool import Pool, PoolFamily


def make(
    counts: list[int], groups: list[int] | None = None, narrow: float = 0.0, span: tuple[int, int] = (1, 1)
) -> PoolFamily:
    """Classes of ``counts`` examples; an example's value is class + position / 1000."""
    count = torch.tensor(counts)
    start = count.cumsum(0) - count
    x = torch.cat([c + torch.arange(n) / 1000 for c, n in enumerate(counts)]).unsqueeze(-1)
    group = torch.tensor(groups or [0] * len(counts))
    names = tuple(f"toy/{c}" for c in range(len(counts)))
    pool = Pool(x=x, start=start, count=count, group=group, names=names, narrow=narrow, groups=span)
    spec = Spec(name="toy", kind="classification", shape=(1,), classes=len(counts))
    return PoolFamily(spec, {"train": lambda: pool, "test": lambda: pool})


def test_labels_fit_examples_and_nothing_is_in_support_and_query() -> None:
    task = make([20] * 30).sample("train", torch.arange(50), way=5, shot=3, query=15, seed=1)
    for part in (task.support, task.query):
        label = part.y.argmax(-1)
        assert torch.equal(part.x.squeeze(-1).floor().long(), task.classes.gather(-1, label))
    both = torch.cat([task.support.x, task.query.x], 1).squeeze(-1)
    assert all(len(row.unique()) == both.shape[1] for row in both)
    assert all(len(row.unique()) == 5 for row in task.classes)


def test_an_episode_depends_on_no_other_and_on_no_order() -> None:
    family = make([20] * 30)
    index = torch.tensor([7, 3, 99, 0])
    together = family.sample("test", index, way=5, shot=2, query=4, seed=3)
    for place, number in enumerate(index):
        alone = family.sample("test", number.view(1), way=5, shot=2, query=4, seed=3)
        assert torch.equal(alone.support.x[0], together.support.x[place])
        assert torch.equal(alone.query.x[0], together.query.x[place])
        assert torch.equal(alone.key[0], together.key[place])


def test_draws_nest_over_shots_and_ways() -> None:
    family, index = make([20] * 30), torch.arange(10)
    one = family.sample("train", index, way=5, shot=1, query=10, seed=0)
    ten = family.sample("train", index, way=5, shot=10, query=10, seed=0)
    wide = family.sample("train", index, way=20, shot=1, query=10, seed=0)
    assert torch.equal(one.classes, ten.classes)
    assert torch.equal(one.query.x, ten.query.x)
    assert torch.equal(one.support.x, ten.support.x.unflatten(1, (5, 10))[:, :, 0])
    assert torch.equal(one.classes, wide.classes[:, :5])
    assert torch.equal(one.query.x, wide.query.x[:, :50])


def test_split_seed_and_number_each_change_the_episode() -> None:
    family = make([20] * 300)
    base = family.sample("train", torch.arange(1), way=5, shot=1, query=1, seed=0)
    others = [
        family.sample("test", torch.arange(1), way=5, shot=1, query=1, seed=0),
        family.sample("train", torch.arange(1), way=5, shot=1, query=1, seed=1),
        family.sample("train", torch.arange(1, 2), way=5, shot=1, query=1, seed=0),
    ]
    assert all(not torch.equal(base.classes, other.classes) for other in others)


def test_small_classes_give_what_they_have_and_always_a_query() -> None:
    task = make([2, 3, 9, 20]).sample("train", torch.arange(8), way=4, shot=5, query=6, seed=0)
    for row in range(8):
        for place, number in enumerate(task.classes[row].tolist()):
            supports = int(task.support.mask[row].unflatten(0, (4, 5))[place].sum())
            queries = int(task.query.mask[row].unflatten(0, (4, 6))[place].sum())
            assert (supports, queries) == {0: (1, 1), 1: (2, 1), 2: (5, 4), 3: (5, 6)}[number]


def test_narrow_episodes_stay_in_one_group_that_is_large_enough() -> None:
    groups = [0] * 5 + [1] * 30 + [2] * 20
    family = make([4] * 55, groups, narrow=1.0)
    task = family.sample("train", torch.arange(100), way=10, shot=1, query=1, seed=0)
    group = torch.tensor(groups)[task.classes]
    assert (group == group[:, :1]).all()
    assert group.unique().tolist() == [1, 2]


def test_narrow_training_takes_as_many_groups_as_it_may_and_needs() -> None:
    groups = [number // 6 for number in range(60)]
    family = make([4] * 60, groups, narrow=0.5, span=(1, 3))
    task = family.sample("train", torch.arange(400), way=5, shot=1, query=1, seed=0)
    used = torch.tensor([len(row.unique()) for row in torch.tensor(groups)[task.classes]])
    assert 0.1 < (used == 1).double().mean() < 0.4
    wide = make([4] * 60, groups, narrow=1.0, span=(1, 3)).sample(
        "train", torch.arange(50), way=15, shot=1, query=1, seed=0
    )
    assert all(len(row.unique()) == 3 for row in torch.tensor(groups)[wide.classes])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"way": 31}, "--way is 31"),
        ({"shot": 20}, "--shot is 20"),
        ({"shot": 0}, "--shot is 0"),
        ({"query": 0}, "--query is 0"),
        ({"split": "val"}, "no split 'val'"),
    ],
)
def test_what_a_split_cannot_give_is_said(asked: dict[str, int], words: str) -> None:
    family = make([20] * 30)
    asked = {"way": 5, "shot": 1, "query": 5, "split": "train"} | asked
    with pytest.raises(UserError, match=words):
        family.sample(asked.pop("split"), torch.arange(2), seed=0, **asked)
