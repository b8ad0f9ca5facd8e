"""fit, predict and add with tables."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from sklearn.neighbors import KNeighborsClassifier

from quickstudy import FewShotClassifier
from quickstudy.app.cli import main


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Real rows with a column of words and a gap."""
    found = load_wine(as_frame=True)
    frame = found.data.assign(kind=found.target_names[found.target])
    frame["shade"] = np.where(frame["color_intensity"] > 5, "dark", "light")
    frame = frame.sample(frac=1, random_state=0)
    frame.iloc[3, 0] = np.nan
    return frame


@pytest.fixture
def wine(rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """They in wine.csv (60 rows), new.csv (40) and more.csv."""
    monkeypatch.chdir(tmp_path)
    frame = rows.copy()
    for name, part in (("wine", frame[:60]), ("new", frame[60:100]), ("more", frame[100:])):
        part.to_csv(f"{name}.csv", index=False)
    return frame


@pytest.fixture(scope="module")
def known(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of what was learnt of the first 60."""
    folder = tmp_path_factory.mktemp("known")
    rows[:60].to_csv(folder / "wine.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["fit", "wine.csv", "--target", "kind"]) == 0
    return (folder / "wine.qs").read_bytes()


def test_rows_are_learnt_told_apart_and_added_to(cli: Callable[..., Any], wine: pd.DataFrame) -> None:
    answer = cli("fit", "wine.csv", "--target", "kind", "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["path"] == "wine.qs"
    assert sum(one["examples"] for one in found["labels"].values()) == 60
    lines = [json.loads(line) for line in cli("predict", "wine.qs", "new.csv", "--json").out.splitlines()]
    assert [line["row"] for line in lines][:2] == ["new.csv:1", "new.csv:2"]
    right = np.mean([line["label"] == kind for line, kind in zip(lines, wine["kind"][60:100], strict=True)])
    assert right > 0.85
    answer = cli("add", "wine.qs", "more.csv", "--target", "kind")
    assert answer.code == 0, answer.err
    whole = FewShotClassifier(device="cpu").fit(
        pd.concat([pd.read_csv("wine.csv"), pd.read_csv("more.csv")]).drop(columns="kind"),
        wine["kind"].drop(wine.index[60:100]),
    )
    new = pd.read_csv("new.csv").drop(columns="kind")
    again = FewShotClassifier.load("wine.qs")
    assert np.array_equal(again.predict(new), whole.predict(new))
    assert cli("add", "wine.qs", "more.csv", "--label", "unknown").code == 0
    assert "unknown" in FewShotClassifier.load("wine.qs").classes_


def test_frames_are_in_units_of_their_columns(wine: pd.DataFrame) -> None:
    x = wine.drop(columns=["kind", "shade"])
    x = x.fillna(x.iloc[:60].mean())
    mean, spread = x.iloc[:60].mean(), x.iloc[:60].std(ddof=0)
    oracle = KNeighborsClassifier(1).fit(((x - mean) / spread).iloc[:60], wine["kind"].iloc[:60])
    found = FewShotClassifier("nearest", device="cpu").fit(x.iloc[:60], wine["kind"].iloc[:60])
    same = found.predict(x.iloc[60:]) == oracle.predict(((x - mean) / spread).iloc[60:])
    assert same.mean() > 0.98


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("fit", "wine.csv"), "--target NAME. There are alcohol"),
        (("fit", "wine.csv", "--target", "kin"), "Did you mean kind?"),
        (("fit", "wine.csv", "--target", "proline"), "different values; expected up to 50 classes"),
        (("fit", "gone.csv", "--target", "kind"), "there is no file"),
        (("fit", "empty.csv", "--target", "kind"), "empty.csv"),
        (("fit", ".", "--target", "kind"), "--target is for tables"),
        (("predict", "wine.qs", "other.csv"), "has no column 'alcohol'"),
        (("add", "wine.qs", "more.csv"), "--target NAME"),
        (("add", "wine.qs", "other.csv", "--label", "class_0"), "has no column 'alcohol'"),
    ],
)
def test_what_is_not_right_is_said(
    cli: Callable[..., Any], wine: pd.DataFrame, known: bytes, args: tuple[str, ...], said: str
) -> None:
    Path("empty.csv").write_text("")
    Path("other.csv").write_text("a,b\n1,2\n")
    Path("wine.qs").write_bytes(known)
    answer = cli(*args)
    assert answer.code == 2
    assert said in answer.err
    assert Path("wine.qs").read_bytes() == known


def test_without_pandas_it_says_what_to_install(
    cli: Callable[..., Any], wine: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    answer = cli("fit", "wine.csv", "--target", "kind")
    assert answer.code == 2
    assert "pip install 'quickstudy[tables]'" in answer.err


MIXED = """size;seen;grade;land
-0,63;2024-01-03;1;NA
-0,41;2024-01-09;2;NA
-0,55;2024-02-01;3+;NA
-0,125;?;1;NA
-0,20;2024-01-20;2;NA
3,112;2025-03-03;3+;DE
2,98;2025-03-09;2;DE
3,40;2025-04-01;1;DE
2,70;NA;1;DE
3,05;2025-03-20;3+;DE
"""


def test_numbers_dates_gaps_and_labels_are_what_they_look_like(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mixed.csv").write_text(MIXED)
    assert cli("fit", "mixed.csv", "--target", "land", "--json").code == 0
    made = FewShotClassifier.load("mixed.qs")
    assert made.classes_.tolist() == ["DE", "NA"]
    assert list(made._reader.levels) == ["grade"]
    np.testing.assert_allclose(made.examples_[0], [-0.63, 19725, 0])
    assert np.isnan(made.examples_[3, 1])
    assert made.examples_[[3, 5], 0].tolist() == [-0.125, 3.112]
    (tmp_path / "asked.csv").write_text("size;seen;grade\n0,1;2024-01-05;1.0\n3,2;2025-03-05;1\n3,2;;\n")
    said = [json.loads(line) for line in cli("predict", "mixed.qs", "asked.csv", "--json").out.splitlines()]
    assert [one["label"] for one in said] == ["NA", "DE", "DE"]
    (tmp_path / "more.csv").write_text("size;seen;grade;land\nabc;2024-01-05;1;NA\n")
    assert cli("add", "mixed.qs", "more.csv", "--target", "land").code == 0
    again = [json.loads(line) for line in cli("predict", "mixed.qs", "asked.csv", "--json").out.splitlines()]
    assert again[0]["probabilities"] != again[1]["probabilities"], "a word among numbers is one gap"


def test_what_cannot_be_told_is_left_open(cli: Callable[..., Any], wine: pd.DataFrame) -> None:
    assert cli("fit", "wine.csv", "--target", "kind").code == 0
    lines = [
        json.loads(line)
        for line in cli("predict", "wine.qs", "new.csv", "--abstain", "0.98", "--json").out.splitlines()
    ]
    made = FewShotClassifier.load("wine.qs")
    sure = made.predict(pd.read_csv("new.csv").drop(columns="kind")[list(made.feature_names_in_)], abstain=0.98)
    assert [one["label"] for one in lines] == [None if label is None else str(label) for label in sure]
    assert None in sure
    assert "?" in cli("predict", "wine.qs", "new.csv", "--abstain", "0.98").out
    assert "the coverage is 1.5" in cli("predict", "wine.qs", "new.csv", "--abstain", "1.5").err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,0.5\n2,1.5\n3,2.5\n", "has amounts (0.5)"),
        ("b\nx\ny\n", "no column beside b"),
        ("a,b\n1,x,\n2,y,\n", "line 2 of"),
        ("a,a,b\n1,2,x\n3,4,y\n", "more than one column 'a'"),
    ],
)
def test_tables_that_cannot_be_learnt_are_said(cli: Callable[..., Any], tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "odd.csv").write_text(text)
    answer = cli("fit", "odd.csv", "--target", "b")
    assert answer.code == 2
    assert said in answer.err


def test_labels_that_are_words_stay_as_they_are_written(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "agents.csv").write_text("size,who\n1,007\n2,007\n8,Q\n9,Q\n")
    assert cli("fit", "agents.csv", "--target", "who").code == 0
    (tmp_path / "more.csv").write_text("size,who\n1.5,007\n")
    assert cli("add", "agents.qs", "more.csv", "--target", "who").code == 0
    assert FewShotClassifier.load("agents.qs").classes_.tolist() == ["007", "Q"]
