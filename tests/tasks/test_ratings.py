"""Users as tasks: whose ratings make what, who meets whom, and what is scored."""

import math

import pytest
import torch
from torch import Tensor

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.learners.base import Point
from quickstudy.tasks import places
from quickstudy.tasks.tastes import item_tables, ranking
from quickstudy.tasks.tastes.rated_items import COLUMNS, ITEM
from quickstudy.tasks.tastes.ratings import FEWEST_USERS, UNRATED, UserRatings, divided

ASKED = {"way": 0, "seed": 0}
needs_movielens = pytest.mark.skipif(
    not (folder := places.data_folder()) or not (folder / "movielens" / "ratings.csv").is_file(),
    reason="MovieLens' ratings.csv and movies.csv are not in the folder movielens of QUICKSTUDY_DATA",
)


def simulated(**options: object) -> UserRatings:
    return UserRatings(simulated=True, **options)  # type: ignore[arg-type]


def inputs(family: UserRatings, user: int) -> Tensor:
    """What the user's own tasks say of every item."""
    item = torch.arange(len(family.ratings.items)).unsqueeze(0)
    one = torch.tensor([user])
    return family.x(family.fold[one], item, family.era[one])[0]


def with_other_ratings(family: UserRatings, user: int) -> UserRatings:
    """The same family had ``user`` given the opposite ratings."""
    mine = family.ratings.user == user
    family.y = torch.where(mine, -family.y, family.y)
    return family


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_what_a_user_rates_is_in_none_of_his_own_inputs(split: str) -> None:
    user = int(simulated().users[split][3])  # type: ignore[index]
    before, after = simulated(), with_other_ratings(simulated(), user)
    torch.testing.assert_close(inputs(after, user), inputs(before, user), rtol=0, atol=0)
    if split == "train":
        other = next(int(one) for one in before.users["train"] if before.fold[one] != before.fold[user])
        changed = (inputs(after, other) - inputs(before, other)).abs()
        assert changed[:, 1].max() > 0.01


def test_a_leak_that_is_put_in_on_purpose_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one table for all, a training user's inputs change with his own ratings."""
    leaking = torch.zeros(len(simulated().ratings.users), dtype=torch.int64) + item_tables.FOLDS
    user = int(simulated().users["train"][3])
    before, after = simulated(), with_other_ratings(simulated(), user)
    assert before.tables.shape == after.tables.shape
    for family in (before, after):
        monkeypatch.setitem(family.__dict__, "fold", leaking)
    assert (inputs(after, user) - inputs(before, user)).abs().max() > 0.01


@pytest.mark.parametrize("split", ["val", "test"])
def test_held_out_users_make_no_statistic(split: str) -> None:
    before, after = simulated(), simulated()
    for user in before.users[split].tolist():  # type: ignore[index]
        after = with_other_ratings(after, user)
    torch.testing.assert_close(after.tables, before.tables, rtol=0, atol=0)


def test_partitions_test_every_user_once_and_mix_nobody() -> None:
    tested = torch.cat([divided(610, partition)[2] for partition in range(5)])
    assert sorted(tested.tolist()) == list(range(610))
    again = torch.cat([divided(610, partition)[2] for partition in range(5, 10)])
    assert sorted(again.tolist()) == list(range(610))
    assert divided(610, 0)[2].tolist() != divided(610, 5)[2].tolist()
    for partition in (0, 4, 7):
        train, val, test = (set(part.tolist()) for part in divided(610, partition))
        assert not (train & val) | (train & test) | (val & test)
        assert len(train | val | test) == 610
        assert 0.08 < len(val) / 610 < 0.12


def test_members_of_splits_are_disjoint_and_the_same_in_every_partition() -> None:
    train, val, test = (simulated().members(split) or frozenset() for split in ("train", "val", "test"))
    assert not train & val
    assert not train & test
    assert not val & test
    other = simulated(partition=3, order="time")
    assert frozenset().union(*(other.members(split) or () for split in other.splits)) == train | val | test


@pytest.mark.parametrize("order", ["random", "time"])
def test_supports_grow_and_never_meet_their_query(order: str) -> None:
    family = simulated(order=order)
    five, ten = (family.sample("test", torch.arange(30), shot=shot, query=500, **ASKED) for shot in (5, 10))
    assert torch.equal(five.unit, ten.unit)
    assert torch.equal(five.support.x, ten.support.x[:, :5])
    for task, shot in ((five, 5), (ten, 10)):
        for number, user in enumerate(task.unit.tolist()):
            mine = family.ratings.item[family.ratings.user == user].tolist()
            support = (task.support.x[number, :, 0] * ITEM).round().long().tolist()
            query = (task.query.x[number, task.query.mask[number], 0] * ITEM).round().long().tolist()
            assert sorted(support + query) == sorted(mine)
            if order == "time":
                assert support == mine[:shot]


def test_answers_are_the_ratings() -> None:
    family = simulated()
    task = family.sample("val", torch.arange(5), shot=4, query=6, **ASKED)
    rated = family.rated(task.unit)
    item = (task.query.x[..., 0] * ITEM).round().long()
    torch.testing.assert_close(rated.gather(1, item), task.query.y[..., 0])
    stars = family.in_stars(task.query.y)
    assert set(stars.mul(2).unique().tolist()) <= set(range(1, 11))
    assert torch.equal(task.query.y >= 0, stars >= 4)


def test_an_episode_is_a_function_of_its_number_alone() -> None:
    family = simulated()
    many = family.sample("train", torch.arange(40), shot=3, query=7, **ASKED)
    one = family.sample("train", torch.tensor([17]), shot=3, query=7, **ASKED)
    assert torch.equal(many.support.x[17], one.support.x[0])
    assert torch.equal(many.query.y[17], one.query.y[0])
    assert set(many.unit.tolist()) <= set(family.users["train"].tolist())
    other = family.sample("train", torch.arange(40), shot=3, query=7, way=0, seed=1)
    assert not torch.equal(other.unit, many.unit)


def test_every_user_of_a_split_has_his_turn() -> None:
    family = simulated()
    users = family.users["test"]
    assert sorted(family.sample("test", torch.arange(len(users)), shot=5, query=1, **ASKED).unit.tolist()) == (
        sorted(users.tolist())
    )


def test_users_with_too_few_ratings_are_left_out_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    family = simulated()
    few = family.users["test"][family.count[family.users["test"]] <= 30]
    task = family.sample("test", torch.arange(60), shot=30, query=3, **ASKED)
    assert not set(task.unit.tolist()) & set(few.tolist())
    assert f"left out {len(few)} of {len(family.users['test'])} users" in capsys.readouterr().err
    family.sample("test", torch.arange(60), shot=30, query=3, **ASKED)
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match=r"no user .* has more than .* Ask for at most"):
        family.sample("test", torch.arange(3), shot=100, query=1, **ASKED)


def test_queries_to_be_ranked_have_items_that_nobody_rated_below_all_ratings() -> None:
    family = simulated(judge="ranking")
    task = family.sample("train", torch.arange(8), shot=5, query=10, **ASKED)
    item = (task.query.x[:, 10:, 0] * ITEM).round().long()
    assert item.shape == (8, UNRATED)
    assert family.rated(task.unit).gather(1, item).isnan().all()
    assert torch.equal(family.in_stars(task.query.y[:, 10:]), torch.full((8, UNRATED, 1), 0.5))


def knows(family: UserRatings, unit: Tensor) -> tasks.base.Predict:  # type: ignore[name-defined]
    """Who answers what the users rated, and 9 below that where they did not."""
    rated = family.rated(unit)

    def predict(x: Tensor, mask: Tensor) -> Point:
        item = (x[..., 0] * ITEM).round().long()
        return Point(rated.gather(1, item).nan_to_num(-9.0).unsqueeze(-1))

    return predict


def test_who_knows_all_is_judged_perfect() -> None:
    for judge in ("ratings", "ranking"):
        family = simulated(judge=judge)
        task = family.sample("test", torch.arange(20), shot=5, query=500, **ASKED)
        found = family.score(knows(family, task.unit), task)
        assert next(iter(found)) == family.spec.metric
        for name, values in found.items():
            torch.testing.assert_close(values, torch.full((20,), 0.0 if name == "rmse" else 1.0))


def test_errors_are_in_stars_and_answers_off_the_scale_are_brought_back() -> None:
    family = simulated()
    task = family.sample("test", torch.arange(20), shot=5, query=500, **ASKED)
    true = family.in_stars(task.query.y)[..., 0]
    found = family.score(lambda x, mask: Point(torch.full((*x.shape[:2], 1), 99.0)), task)["rmse"]
    each = [(5 - row[mask]).square().mean().sqrt() for row, mask in zip(true, task.query.mask, strict=True)]
    torch.testing.assert_close(found, torch.stack(each))


def test_the_support_is_no_answer_over_the_catalogue() -> None:
    family = simulated(judge="ranking")
    task = family.sample("test", torch.arange(20), shot=20, query=1, **ASKED)
    support = (task.support.x[..., 0] * ITEM).round().long()

    def only_the_support(x: Tensor, mask: Tensor) -> Point:
        return Point(torch.zeros(x.shape[:2]).scatter_(1, support, 9.0).unsqueeze(-1))

    nothing = family.score(lambda x, mask: Point(torch.zeros(*x.shape[:2], 1)), task)
    torch.testing.assert_close(family.score(only_the_support, task)["recall10"], nothing["recall10"])


def test_measures_of_order_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import ndcg_score

    torch.manual_seed(0)
    score, gain = torch.randn(6, 25), torch.randint(0, 5, (6, 25)).float()
    found = ranking.ndcg(score, gain, torch.ones(6, 25, dtype=torch.bool))
    for row, one, other in zip(found, score, gain, strict=True):
        assert float(row) == pytest.approx(ndcg_score([other.tolist()], [one.tolist()], k=10), abs=1e-6)
    mask = torch.arange(25) < 13
    cut = ranking.ndcg(score[:, :13], gain[:, :13], mask[:13].expand(6, -1))
    torch.testing.assert_close(ranking.ndcg(score, gain, mask.expand(6, -1)), cut)
    assert ranking.ndcg(score, torch.zeros(6, 25), mask.expand(6, -1)).isnan().all()
    liked = torch.zeros(1, 25, dtype=torch.bool)
    liked[0, [3, 4]] = True
    order = -torch.arange(25.0).unsqueeze(0)
    assert ranking.recall(order, liked, torch.ones_like(liked)).tolist() == [1.0]
    assert ranking.recall(-order, liked, torch.ones_like(liked)).tolist() == [0.0]


def test_an_item_that_nobody_rated_says_what_its_content_says() -> None:
    family = simulated()
    new = family.new_item(torch.tensor([1.0, 0.0, 0.0, 1.0, 0.3]))
    assert new.shape == family.spec.shape
    told = dict(zip(family.spec.names, new.tolist(), strict=True))
    assert told["item"] * ITEM == -1
    assert told["count"] == told["likes"] == told["factor 1"] == told["taste 32"] == 0
    assert (told["action"], told["comedy"], told["horror"], told["year"]) == (1, 0, 1, pytest.approx(0.3))
    assert told["mean"] == pytest.approx(float(family.y[family.fold[family.ratings.user] < 5].mean()))


def test_tables_say_what_they_are_called() -> None:
    family = simulated()
    mine = family.fold[family.ratings.user] < item_tables.FOLDS
    item, y = family.ratings.item[mine], family.y[mine]
    told = dict(zip(family.spec.names, family.catalogue().T, strict=True))
    count = torch.bincount(item, minlength=150)
    torch.testing.assert_close(told["count"], count.float().log1p() / 3)
    torch.testing.assert_close(told["likes"], torch.bincount(item[y >= 0], minlength=150).float().log1p() / 3)
    plain = torch.zeros(150).index_add(0, item, y) / count.clamp(min=1)
    often = count > 20
    assert torch.corrcoef(torch.stack([told["mean"][often], plain[often]]))[0, 1] > 0.95
    tastes = torch.stack([told[f"taste {number + 1}"] for number in range(32)], -1)
    likes = torch.zeros(120, 150)
    likes[family.ratings.user[mine][y >= 0], item[y >= 0]] = 1
    likes = likes[family.users["train"]]
    rows = likes / likes.norm(dim=1, keepdim=True).clamp(min=1)
    left, size, _ = torch.linalg.svd(rows.T, full_matrices=False)
    gram = (left[:, :32] * size[:32].square()) @ left[:, :32].T
    ratio = (tastes @ tastes.T).norm() / gram.norm()
    assert (tastes @ tastes.T / ratio - gram).norm() < 0.05 * gram.norm()


def test_factors_mean_the_same_in_every_fold() -> None:
    """A net reads them as they stand, so they must not be turned from fold to fold."""
    family = simulated()
    first, second = family.tables[0], family.tables[1]
    known = family.tables[-1, :, 1] > 0.9
    for number in range(3, 3 + item_tables.FACTORS):
        assert torch.corrcoef(torch.stack([first[known, number], second[known, number]]))[0, 1] > 0.4


def test_trends_are_likes_of_those_who_came_at_the_time() -> None:
    early, late = torch.zeros(100, 2), torch.linspace(0, 1, 100)
    early[:50, 0], early[50:, 1] = 1, 1  # the first half of all users like one item, the second half the other
    table = item_tables.table(torch.ones(100, 2), early - 0.5, late, torch.zeros(2, 0))
    trends = table[:, len(item_tables.NAMES) :]
    at = item_tables.trend(trends.expand(3, -1, -1), torch.tensor([0.0, 0.5, 1.0]))
    assert at[0, 0] > 1.2 * at[0, 1]
    assert at[1, 0] == pytest.approx(float(at[1, 1]), rel=0.05)
    assert at[2, 1] > 1.2 * at[2, 0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("order=tim", "Did you mean time"),
        ("judge=rank", "Did you mean ranking"),
        ("partition=-1", "expected 0 or more"),
        ("low=5:high=1", "expected low below high"),
        ("path=/nowhere/ratings.csv", "there is no file /nowhere/ratings.csv"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        tasks.load(f"ratings:{options}")


def test_options_are_in_the_name() -> None:
    name = "ratings:order=time:judge=ranking:partition=3:simulated=true"
    assert tasks.load(name).spec.name == name
    assert tasks.load("ratings:simulated=true:order=random:partition=0").spec.name == "ratings:simulated=true"
    assert FEWEST_USERS < 120
    assert simulated().spec.names[: len(COLUMNS)] == COLUMNS


@needs_movielens
def test_movielens_is_read_whole() -> None:
    family = UserRatings()
    assert (len(family.ratings.users), len(family.ratings.items), len(family.y)) == (610, 9742, 100836)
    assert (family.low, family.high) == (0.5, 5.0)
    assert family.content.titles[0] == "Toy Story (1995)"
    assert len(family.content.names) == 20
    told = dict(zip(family.content.names, family.content.values[0].tolist(), strict=True))
    assert told["Comedy"] == told["Animation"] == 1
    assert told["Horror"] == 0
    mine = family.ratings.user == family.ratings.users.index("1")
    assert float(family.ratings.value[mine].mean()) == pytest.approx(4.366, abs=1e-3)
    assert family.ratings.time[mine].diff().min() >= 0
    assert math.isclose(family.liked, 3.875)
