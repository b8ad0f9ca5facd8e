"""``fit``, ``predict`` and ``add`` where examples are points of one person's history."""

import csv
import io
import json
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quickstudy as qs
from quickstudy.tasks import load
from quickstudy.tasks.tastes.ratings import UserRatings
from quickstudy.training import TrainConfig

START = datetime(2026, 5, 1, 7)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    few = TrainConfig(steps=5, tasks_per_step=2, query=4, validate_every=0, device="cpu")
    qs.train("arx", "glucose:simulated=true", out=folder / "glucose")
    qs.train("ridgeratings", "ratings:simulated=true", few, out=folder / "ratings")
    qs.train("mappk", "pk:simulated=true", out=folder / "pk")
    return folder


def record(hours: float, unit: float = 1.0) -> str:
    """A CSV of a glucose that swings, with a meal and a bolus every six hours."""
    lines = ["time,glucose,carbs,insulin"]
    for step in range(int(12 * hours)):
        glucose = (130 + 40 * math.sin(step / 30)) / unit
        meal = "45,4" if step % 72 == 3 else ","
        lines.append(f"{START + timedelta(minutes=5 * step):%Y-%m-%d %H:%M:%S},{glucose:.2f},{meal}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("unit", "name"), [(1.0, "mg/dL"), (18.016, "mmol/L")])
def test_a_record_is_learnt_and_its_next_hour_told_in_its_own_unit(
    cli: Callable[..., Any], runs: Path, unit: float, name: str
) -> None:
    Path("ada.csv").write_text(record(30, unit))
    answer = cli("fit", "ada.csv", "--weights", str(runs / "glucose"), "--json")
    assert answer.code == 0, answer.err
    report = json.loads(answer.out)
    assert report["points"] == 12 * 30 - 12 - 6
    assert [1 < one["rmse"] * unit < 30 for one in report["left_out"]] == [True, True]
    assert {one["unit"] for one in report["left_out"]} == {name}
    answer = cli("predict", "ada.qs", "ada.csv", "--json")
    assert "not for decisions about a patient" in answer.err
    (line,) = answer.out.splitlines()
    found = json.loads(line)
    assert found["point"] == "from day 2 12:55 on"
    soon, later = found["told"]
    assert (soon["what"], soon["unit"]) == ("glucose in 30 min", name)
    assert soon["low"] < soon["value"] < soon["high"]
    assert later["high"] - later["low"] > soon["high"] - soon["low"]
    assert soon["value"] * unit == pytest.approx(130 + 40 * math.sin((12 * 30 + 5) / 30), abs=15)
    shown = cli("predict", "ada.qs", "ada.csv").out
    assert "from day 2 12:55 on" in shown
    assert f"glucose in 30 min, {name}" in shown
    again = qs.FewShotRegressor.load("ada.qs")
    assert again._reader.told(again.examples_[:1], np.zeros((1, 2)), None)[0][0].unit == name


def test_of_files_in_two_units_each_is_answered_in_its_own(cli: Callable[..., Any], runs: Path) -> None:
    Path("ada.csv").write_text(record(30))
    Path("now.csv").write_text(record(30, 18.016))
    assert cli("fit", "ada.csv", "--weights", str(runs / "glucose")).code == 0
    lines = cli("predict", "ada.qs", "ada.csv", "now.csv", "--json").out.splitlines()
    soon, other = (json.loads(line)["told"][0] for line in lines)
    assert (soon["unit"], other["unit"]) == ("mg/dL", "mmol/L")
    assert soon["value"] == pytest.approx(18.016 * other["value"], rel=0.01)
    head, *rows = cli("predict", "ada.qs", "ada.csv", "now.csv").out.splitlines()
    assert "mg/dL" not in head
    assert ["mg/dL" in row for row in rows] == [True, False]
    assert ["mmol/L" in row for row in rows] == [False, True]


def test_what_a_file_lacks_is_said_once(cli: Callable[..., Any], runs: Path) -> None:
    head, *lines = record(30, 18.016).splitlines()
    lines[100] = lines[100].replace(",", ",99", 1)
    Path("ada.csv").write_text("\n".join([head, *lines[:150], *lines[190:]]))
    first = cli("fit", "ada.csv", "--weights", str(runs / "glucose")).err
    words = ("taken for mmol/L", "glucose outside 1.11 to 33.3 mmol/L", "1 gaps in its glucose")
    assert all(first.count(word) == 1 for word in words)
    for verb in ("predict", "add"):
        err = cli(verb, "ada.qs", "ada.csv").err
        assert not any(word in err for word in words)
    Path("new.csv").write_text(Path("ada.csv").read_text())
    assert all(word in cli("predict", "ada.qs", "new.csv").err for word in words)  # nobody was told of this one yet
    with Path("ada.csv").open("a") as file:  # the record goes on, and something else is odd
        file.write("\n" + lines[-1].replace(lines[-1].split(",")[0], "2026-05-02 13:00:00").replace(",", ",88", 1))
    err = cli("predict", "ada.qs", "ada.csv").err
    assert "left out 2 of 321" in err
    assert words[0] not in err


def test_few_hours_are_enough_and_what_is_missing_is_said(cli: Callable[..., Any], runs: Path) -> None:
    Path("ada.csv").write_text(record(6))
    assert cli("fit", "ada.csv", "--weights", str(runs / "glucose")).code == 0
    Path("now.csv").write_text(record(2.1))
    answer = cli("predict", "ada.qs", "now.csv", "--json")
    assert answer.code == 0, answer.err
    assert "no glucose" not in answer.err
    head, *lines = record(8).splitlines()
    Path("gap.csv").write_text("\n".join([head, *lines[:70], lines[-1]]))
    err = cli("predict", "ada.qs", "gap.csv").err
    assert "gap.csv: 120 of the last 120 minutes have no glucose, and after them there is one reading" in err


def test_a_patients_model_is_of_that_patient(cli: Callable[..., Any], runs: Path) -> None:
    head = "id,time,dose,level,weight,apgar\n"
    Path("anna.csv").write_text(head + "anna,0,25,,1.4,7\nanna,2,,17.3,1.4,7\nanna,60,,?,1.4,7\n")
    Path("ben.csv").write_text(Path("anna.csv").read_text().replace("anna", "ben"))
    assert cli("fit", "anna.csv", "--weights", str(runs / "pk")).code == 0
    for verb in ("predict", "add"):
        answer = cli(verb, "anna.qs", "ben.csv")
        assert answer.code == 2
        assert "ben.csv is about patient 'ben', and the model has learnt from 'anna'" in answer.err
    with Path("anna.csv").open("a") as file:
        file.write("anna,72,,35,1.4,7\n")
    assert "anna.csv: the model has not learnt the level in line 5" in cli("predict", "anna.qs", "anna.csv").err
    assert json.loads(cli("add", "anna.qs", "anna.csv", "--json").out)["points"] == 2
    answer = cli("predict", "anna.qs", "anna.csv")
    assert "what is told of line 4 rests on later levels as well: line 5" in answer.err
    Path("new.csv").write_text(head + "eva,0,25,,1.4,7\neva,60,,?,1.4,7\n")
    answer = cli("fit", "new.csv", "--weights", str(runs / "pk"), "--json")
    assert (answer.code, json.loads(answer.out)["points"]) == (0, 0)
    assert "typical patient" in answer.err
    assert cli("predict", "new.qs", "new.csv").code == 0


def rated(family: UserRatings, user: int) -> list[tuple[str, float]]:
    mine = family.ratings.user == user
    titles = [family.content.titles[item] for item in family.ratings.item[mine].tolist()]
    return list(zip(titles, family.ratings.value[mine].tolist(), strict=True))


def table(rows: list[tuple[str, Any]]) -> str:
    return "title,rating\n" + "".join(f'"{title}",{value}\n' for title, value in rows)


def test_a_taste_is_learnt_and_the_catalogue_ranked_without_the_data(cli: Callable[..., Any], runs: Path) -> None:
    family = load("ratings:simulated=true")
    assert isinstance(family, UserRatings)
    rows = rated(family, int(family.users["test"][0]))
    Path("mine.csv").write_text(table(rows[:6]))
    assert cli("fit", "mine.csv", "--weights", str(runs / "ratings"), "-o", "me.qs").code == 0
    out = cli("predict", "me.qs", "--csv").out
    lines = list(csv.DictReader(io.StringIO(out)))
    assert len(lines) == len(family.content.titles) - 6
    values = [float(line["value"]) for line in lines]
    assert values == sorted(values, reverse=True)
    assert not {title for title, _ in rows[:6]} & {line["point"] for line in lines}
    assert len(cli("predict", "me.qs", "--top", "3", "--json").out.splitlines()) == 3
    Path("ask.csv").write_text(table([(rows[7][0], "?"), (rows[8][0], "")]))
    answers = csv.DictReader(io.StringIO(cli("predict", "me.qs", "ask.csv", "--csv").out))
    every = {line["point"]: float(line["value"]) for line in lines}
    asked = {line["point"]: float(line["value"]) for line in answers}
    assert asked == pytest.approx({title: every[title] for title, _ in rows[7:9]}, abs=1e-5)
    Path("more.csv").write_text(table(rows[6:8]))
    assert json.loads(cli("add", "me.qs", "more.csv", "--json").out)["points"] == 8
    whole = qs.FewShotRegressor(weights=runs / "ratings", device="cpu")
    again = cli("add", "me.qs", "more.csv", "--json")
    assert "more.csv: 2 of 2 points are known already" in again.err
    assert json.loads(again.out)["points"] == 8
    Path("both.csv").write_text(table(rows[:8]))
    np.testing.assert_allclose(
        qs.FewShotRegressor.load("me.qs").predict(None), whole.fit("both.csv").predict(None), atol=1e-5
    )


@pytest.mark.parametrize(
    ("learner", "tasks"),
    [("popularity", "ratings:simulated=true"), ("itemmean", "ratings:judge=ranking:simulated=true")],
)
def test_what_only_orders_tells_no_ratings(cli: Callable[..., Any], tmp_path: Path, learner: str, tasks: str) -> None:
    qs.train(learner, tasks, out=tmp_path / "run")
    Path("mine.csv").write_text(table([("drama 1", 3), ("comedy 2", 5), ("horror 3", 1)]))
    answer = cli("fit", "mine.csv", "--weights", str(tmp_path / "run"), "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["left_out"] is None
    lines = [json.loads(line)["told"][0] for line in cli("predict", "mine.qs", "--json").out.splitlines()]
    assert {line["what"] for line in lines} == {"score"}
    values = [line["value"] for line in lines]
    assert values == sorted(values, reverse=True)
    assert values[0] in qs.FewShotRegressor.load("mine.qs").predict(None)
    assert "rating" not in cli("predict", "mine.qs", "--top", "3").out


@pytest.mark.parametrize(
    ("weights", "text", "args", "said"),
    [
        ("ratings", table([("nothing of the kind", 3)]), (), "line 2 of own.csv: unknown item 'nothing of the kind'"),
        ("ratings", table([("drama 1", 3), ("drama 1", 4)]), (), "line 3 of own.csv rates drama 1 again, after line 2"),
        ("ratings", table([("drama 1", 9)]), (), "the rating is '9'; expected a number from 0.5 to 5"),
        ("ratings", table([("drama 1", "?")]), (), "own.csv has no rating"),
        ("ratings", "film,stars\na,3\n", (), "own.csv has no column of items"),
        ("ratings", table([("drama 1", 3)]), ("--target", "rating"), "--target is for classes"),
        ("ratings", table([("drama 1", 3)]), ("--out", "own.csv"), "own.csv is there already and is no model"),
        ("ratings", "user,title,rating\na,drama 1,3\nb,drama 2,4\n", (), "ratings of 2 users (a, b); expected one"),
        ("glucose", record(1.5), (), "expected 2 or more"),
        ("pk", "id,time,dose,level\na,0,25,\na,2,,17\n", (), "weight"),
    ],
)
def test_what_is_not_right_is_said(
    cli: Callable[..., Any], runs: Path, weights: str, text: str, args: tuple[str, ...], said: str
) -> None:
    Path("own.csv").write_text(text)
    answer = cli("fit", "own.csv", "--weights", str(runs / weights), *args)
    assert answer.code == 2
    assert said in answer.err
    assert not Path("own.qs").exists()


def test_questions_that_cannot_be_are_refused(cli: Callable[..., Any], runs: Path) -> None:
    Path("own.csv").write_text(table([("drama 1", 3), ("comedy 2", 4)]))
    assert cli("fit", "own.csv", "--weights", str(runs / "ratings")).code == 0
    for args, said in (
        (("predict", "own.qs", "own.csv"), "every item of own.csv has a rating"),
        (("predict", "own.qs", "--top", "-3"), "--top is -3"),
        (("predict", "own.qs", "--abstain", "0.9"), "--abstain is for labels"),
        (("add", "own.qs", "own.csv", "--label", "x"), "this model predicts numbers"),
        (("predict", "own.qs", "lost.csv"), "there is no file lost.csv"),
    ):
        answer = cli(*args)
        assert answer.code == 2
        assert said in answer.err
    Path("ada.csv").write_text(record(30))
    assert cli("fit", "ada.csv", "--weights", str(runs / "glucose")).code == 0
    assert "say from where on" in cli("predict", "ada.qs").err
