"""Synthetic tables, and one's own as CSV."""

from pathlib import Path

import pytest
import torch
from sklearn.linear_model import LogisticRegression

import quickstudy as qs
from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.tasks.base import Task
from quickstudy.tasks.tabular.tables import Tables


def drawn(columns: int = 20, count: int = 40, **sizes: int) -> Task:
    return Tables(columns=columns).sample(
        "train", torch.arange(count), **{"way": 3, "shot": 10, "query": 5, **sizes}, seed=0
    )


def test_rows_are_in_standard_units_of_the_support() -> None:
    task = drawn()
    values, here = task.support.x.chunk(2, -1)
    assert set(here.unique().tolist()) == {0.0, 1.0}
    assert (values[here == 0] == 0).all()
    assert values.abs().max() <= 5
    assert task.query.x[..., :20].abs().max() <= 5
    mean = values.sum(1) / here.sum(1).clamp(min=1)
    # what is cut off moves a mean a little
    assert (mean.abs() < 0.05).float().mean() > 0.98
    spread = ((values.square().sum(1) / here.sum(1).clamp(min=1))[here.sum(1) > 1]).sqrt()
    assert ((spread - 1).abs() < 0.1).float().mean() > 0.9


def test_tables_differ_in_columns_gaps_and_levels() -> None:
    here = drawn(count=200).support.x.chunk(2, -1)[1]
    used = here.amax(1).sum(-1)
    assert used.min() <= 2
    assert used.max() >= 15
    gaps = torch.stack([(1 - one[:, : int(n)]).mean() for one, n in zip(here, used, strict=True)])
    assert 0.4 < (gaps == 0).float().mean() < 0.8
    assert gaps.max() < 0.5
    values = drawn(count=200).support.x[..., 0]
    levels = torch.tensor([len(column.unique()) for column in values])
    assert 0.2 < (levels <= 7).float().mean() < 0.7


def test_classes_are_equally_many_and_can_be_told_apart() -> None:
    task = drawn(count=60)
    assert task.support.y.sum(1).unique().tolist() == [10.0]
    right = []
    for x, y, asked, truth in zip(task.support.x, task.support.y, task.query.x, task.query.y, strict=True):
        found = LogisticRegression(C=0.3, max_iter=200).fit(x.numpy(), y.argmax(-1).numpy()).predict(asked.numpy())
        right.append((found == truth.argmax(-1).numpy()).mean())
    accuracy = torch.tensor(right)
    assert 0.42 < accuracy.mean() < 0.75
    assert accuracy.std() > 0.1  # some tables are easy, others hopeless


def test_a_table_does_not_depend_on_what_is_drawn_beside_it() -> None:
    whole, part = drawn(), Tables().sample("train", torch.tensor([7]), way=3, shot=10, query=5, seed=0)
    torch.testing.assert_close(whole.support.x[7], part.support.x[0])
    assert torch.equal(whole.query.y[7], part.query.y[0])
    assert not torch.equal(
        whole.support.x[7], Tables().sample("val", torch.tensor([7]), way=3, shot=10, query=5, seed=0).support.x[0]
    )


def test_tables_can_have_more_columns_than_nodes() -> None:
    assert drawn(columns=40, count=3).support.x.shape == (3, 30, 80)
    with pytest.raises(UserError, match="1 to 1000"):
        Tables(columns=0)


def written(folder: Path, text: str) -> str:
    (folder / "own.csv").write_text(text, encoding="utf-8")
    return f"csv:path={folder / 'own.csv'}"


TABLE = """id,age,blood,stage,sick
1,10,A,"early, mild",yes
2,20,B,late,no
3,?,A,late,yes
4,40,,late,no
5,50,0,late,no
6,60,A,late,
7,70,A,late,perhaps
"""


def test_cells_become_numbers_levels_or_gaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    family = tasks.load(written(tmp_path, TABLE) + ":target=sick:without=id:columns=4")
    assert "classes that have one row (perhaps)" in capsys.readouterr().err
    pool = family.pool("test")
    assert pool.names == ("csv/own.csv/no", "csv/own.csv/yes")
    assert pool.count.tolist() == [3, 2]
    values, here = pool.x.chunk(2, -1)
    raw = torch.tensor([[20, 2, 1, 0], [40, 0, 1, 0], [50, 0, 1, 0], [10, 1, 0, 0], [0, 1, 1, 0]], dtype=torch.float32)
    for column in range(3):
        seen = here[:, column] > 0
        own = raw[seen, column]
        torch.testing.assert_close(values[seen, column], (own - own.mean()) / own.std(correction=0))
        assert not values[~seen, column].any()
    assert here.tolist() == [[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 1, 1, 0]]
    assert tasks.load(family.spec.name).spec == family.spec
    task = family.sample("test", torch.arange(3), way=2, shot=1, query=1, seed=0)
    assert task.support.x.shape == (3, 2, 8)
    assert family.splits == ("test",)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (TABLE, ":target=ill", "unknown column of own.csv 'ill'"),
        (TABLE, "", "the column of its classes"),
        (TABLE, ":target=sick:without=idd", "Did you mean id"),
        ("a,b\n" + 'x,"1\n' * 3, ":target=a", "line 2: .*quotation mark too many"),
        ("a\n" + "x\n" * 6, ":target=a", "no column beside a"),
        ("a,b\n" + "x,\ny,\n" * 3, ":target=a", "no value in any of the columns b"),
        ("a,b\nx,1\n\n\nx,2\ny,3\ny,4,5\n", ":target=a", "line 7 of .* has 3 cells"),
        ("a,b\nx," + "1" * 140_000 + "\ny,2\nx,1\ny,1\n", ":target=a", "quotation mark too many"),
        (TABLE, ":target=sick:columns=2", "has 4 columns beside sick, and there is room for 2"),
        (TABLE, ":target=id", "expected 2 or more"),
        (TABLE + "8,80\n", ":target=sick", "line 9 of .* has 2 cells, and the header has 5"),
        ("a,a\n" + "1,2\n" * 6, ":target=a", "more than one column 'a'"),
        ("a,b\n1,2\n", ":target=a", "has 2 lines"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, options: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        tasks.load(written(tmp_path, text) + options)


def test_a_learner_of_synthetic_tables_meets_a_real_one(tmp_path: Path) -> None:
    rows = "\n".join(f"{number % 7},{number % 2 * 3 + number % 5},{'ab'[number % 2]}" for number in range(60))
    name = written(tmp_path, "x;y;class\n" + rows.replace(",", ";"))
    config = qs.TrainConfig(steps=5, way=2, shot=5, query=5, validate_every=0)
    run = qs.train("protonet", "tables", config, settings={"width": 16}, out=tmp_path / "run")
    found = qs.evaluate(run, f"{name}:target=class", way=2, shot=5, query=10, episodes=40)
    assert found.mean > 0.6


def test_what_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ages = "".join(f"{number},{('none', 'mild', 'nan')[number % 3]}\n" for number in range(30))
    family = tasks.load(written(tmp_path, "age,state\n" + ages + "unknown,mild\n") + ":target=state")
    said = capsys.readouterr().err
    assert "left out 10 of 31 rows, which have no class" in said
    assert "column age: 1 cells that are no numbers count as missing (unknown)" in said
    assert family.pool("test").names == ("csv/own.csv/mild", "csv/own.csv/none")


def test_numbers_as_people_write_them(tmp_path: Path) -> None:
    plain = "a;b\n1.234;x\n5;y\n1.5;x\n1700000000;y\n1700000001;x\n"
    own = '"a, of";b\n"1,234";x\n5;y\n"1,5";x\n1700000000;y\n1700000001;x\n'
    first = tasks.load(written(tmp_path, plain) + ":target=b").pool("test").x
    assert torch.equal(first, tasks.load(written(tmp_path, own) + ":target=b").pool("test").x)
    parted = 'a,b\n"1,234",x\n5,y\n1.5,x\n1700000000,y\n1700000001,x\n'
    plain = plain.replace("1.234", "1234")
    first = tasks.load(written(tmp_path, plain) + ":target=b").pool("test").x
    assert torch.equal(first, tasks.load(written(tmp_path, parted) + ":target=b").pool("test").x)


def test_dates_keep_their_differences(tmp_path: Path) -> None:
    """float32 has steps of 128 there."""
    rows = "".join(f"{1_700_000_000 + number},{'xy'[number % 2]}\n" for number in range(8))
    pool = tasks.load(written(tmp_path, "when,class\n" + rows) + ":target=class").pool("test")
    found = pool.x[:, 0].sort().values.diff()
    torch.testing.assert_close(found, found[:1].expand(7))


def test_the_flags_of_rows_are_not_disturbed() -> None:
    with pytest.raises(UserError, match="would disturb the flags"):
        tasks.load("tables+shift")


def test_rows_of_other_width_are_refused_with_what_would_fit(tmp_path: Path) -> None:
    config = qs.TrainConfig(steps=1, way=2, validate_every=0)
    run = qs.train("protonet", "tables:columns=6", config, out=tmp_path / "run")
    with pytest.raises(UserError, match="here columns=6"):
        qs.evaluate(run, "tables", way=2, episodes=4)
    with pytest.raises(UserError, match="has no split 'train'"):
        qs.train("nearest", written(tmp_path, TABLE) + ":target=sick", out=tmp_path / "none")
    assert not (tmp_path / "none").exists()
