"""Tables of ratings as people have them, and what is said of those that are none."""

import math
from pathlib import Path

import pytest
import torch

from quickstudy import tasks
from quickstudy.errors import UserError
from quickstudy.tasks.tastes.catalogues import Content
from quickstudy.tasks.tastes.rating_files import Ratings, read
from quickstudy.tasks.tastes.ratings import UserRatings

LINES = ["user,item,rating,time"]
LINES += [f"u{user},i{item},{1 + (user + item) % 5},{1000 * user + item}" for user in range(30) for item in range(8)]


def write(folder: Path, lines: list[str], name: str = "ratings.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def found(path: Path, low: float = math.nan, high: float = math.nan) -> tuple[Ratings, Content]:
    return read(path, low, high)[:2]


def changed(number: int, line: str) -> list[str]:
    return [*LINES[: number - 1], line, *LINES[number:]]


def test_any_table_of_ratings_is_a_family(tmp_path: Path) -> None:
    path = write(tmp_path, LINES, "shop.csv")
    family = tasks.load(f"ratings:path={path}:order=time")
    assert isinstance(family, UserRatings)
    assert len(family.ratings.users) == 30
    assert family.ratings.items == tuple(f"i{item}" for item in range(8))
    assert family.content.titles == family.ratings.items
    assert (family.low, family.high, family.liked) == (1, 5, 4)
    task = family.sample("train", torch.arange(4), way=0, shot=3, query=4, seed=0)
    assert task.query.x.isfinite().all()
    assert tasks.load(family.spec.name).spec == family.spec


@pytest.mark.parametrize(
    "header", ["userId,movieId,rating,timestamp", "Customer ID,product_id,Stars,Date", "uid;isbn;Book-Rating;time"]
)
def test_usual_headings_are_understood(tmp_path: Path, header: str) -> None:
    lines = [line if ";" not in header else line.replace(",", ";") for line in [header, *LINES[1:]]]
    ratings, _ = found(write(tmp_path, lines))
    assert len(ratings.users) == 30
    assert ratings.timed
    assert not ratings.clicks


def test_the_latest_of_two_ratings_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratings, _ = found(write(tmp_path, [*LINES, "u0,i0,5,99999", "u0,i1,5,-1"]))
    assert "2 ratings are of a user and an item that had one before" in capsys.readouterr().err
    assert len(ratings.value) == 240
    mine = dict(zip(ratings.item[ratings.user == 0].tolist(), ratings.value[ratings.user == 0].tolist(), strict=True))
    assert mine[0] == 5
    assert mine[1] == 2


def test_rows_without_a_rating_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratings, _ = found(write(tmp_path, [*LINES, "u0,i9,,5", "u1,i9, ,5"]))
    assert "left out 2 rows without a rating" in capsys.readouterr().err
    assert len(ratings.items) == 8


def test_clicks_are_liked(tmp_path: Path) -> None:
    lines = ["user,item", *(line.rsplit(",", 2)[0] for line in LINES[1:])]
    family = UserRatings(path=str(write(tmp_path, lines)), judge="ranking")
    assert family.ratings.clicks
    assert (family.y >= 0).all()
    task = family.sample("train", torch.arange(4), way=0, shot=3, query=4, seed=0)
    assert task.query.y.shape[1] > 4
    assert torch.equal(task.query.mask.sum(1), torch.full((4,), 4))  # nobody is left who could be drawn as unrated
    some = ["user,item"] + [f"u{user},i{item}" for user in range(30) for item in range(20) if (user + item) % 3]
    family = UserRatings(path=str(write(tmp_path, some)), judge="ranking")
    task = family.sample("train", torch.arange(4), way=0, shot=3, query=4, seed=0)
    assert task.query.mask[:, 4:].any()
    assert (task.query.y[:, :4] == 1).all()
    assert (task.query.y[:, 4:] == -1).all()
    with pytest.raises(UserError, match="has no times"):
        UserRatings(path=str(tmp_path / "ratings.csv"), order="time", judge="ranking")
    with pytest.raises(UserError, match="can only be ranked"):
        UserRatings(path=str(tmp_path / "ratings.csv"))


def test_dates_are_times(tmp_path: Path) -> None:
    lines = ["user,item,rating,date"]
    lines += [f"u{user},i{item},3,2026-01-{10 - item:02d}" for user in range(25) for item in range(5)]
    ratings, _ = found(write(tmp_path, lines))
    assert ratings.item[:5].tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (changed(7, "u0,i5,55,1"), r"line 7 of .*ratings.csv: the rating 55 is out of the scale from 0 to 5 that 99%"),
        (changed(7, "u0,i5,good,1"), r"line 7 of .*: the rating is 'good', which is no number"),
        (changed(7, "u0,i5,nan,1"), r"line 7 of .*: the rating is 'nan', which is no number"),
        (changed(7, "u0,i5,4,soon"), r"line 7 of .*: the time is 'soon'; expected a number of seconds, or a date"),
        (changed(7, "u0,i5,4"), r"line 7 of .* has 3 cells, and the header has 4"),
        (changed(7, ",i5,4,1"), r"line 7 of .* has no user"),
        (changed(7, "u0,,4,1"), r"line 7 of .* has no item"),
        (["a,b,c"], r"has no column of users; its first line is"),
        (["user,stars"], r"has no column of items"),
        ([""], r"has no column of users"),
        (LINES[:40], r"has ratings of 5 users; expected 20 or more"),
    ],
)
def test_what_is_no_table_of_ratings_is_said_with_its_line(tmp_path: Path, lines: list[str], words: str) -> None:
    path = write(tmp_path, lines)
    with pytest.raises(UserError, match=words):
        UserRatings(path=str(path))


def test_a_scale_that_is_given_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path, LINES)
    with pytest.raises(UserError, match=r"line 6 of .*: the rating 5 is out of the scale from 1 to 4 that is"):
        UserRatings(path=str(path), low=1, high=4)
    family = UserRatings(path=str(path), low=1, high=7)
    assert family.liked == 5.5
    assert family.spec.name.endswith(":low=1:high=7")


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(UserError, match="cannot be read as text"):
        UserRatings(path=str(path))


def test_a_catalogue_beside_the_ratings_gives_genres_years_and_titles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, LINES)
    listed = ["movieId,title,genres", 'i0,"Heat, The (1995)",Crime|Drama', "i1,Nameless,(no genres listed)"]
    listed += [f"i{item},Film (2005),Drama" for item in range(2, 7)] + ["never,Seen by none (2015),Crime"]
    write(tmp_path, listed, "movies.csv")
    ratings, content = found(tmp_path)
    assert content.names == ("Crime", "Drama", "year")
    assert content.titles[0] == "Heat, The (1995)"
    assert ratings.items[7:] == ("never", "i7")
    assert "1 rated items are not listed" in capsys.readouterr().err
    assert content.values.shape == (9, 3)
    assert content.values[0, :2].tolist() == [1, 1]
    assert content.values[1].tolist() == [0, 0, 0]
    assert content.values[0, 2] < 0 < content.values[7, 2]
    write(tmp_path, [*listed, "i0,Again,Drama"], "movies.csv")
    with pytest.raises(UserError, match=r"line 10 of .*movies.csv lists the item i0 again"):
        found(tmp_path)
