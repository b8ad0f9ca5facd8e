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


@pytest.fixture
def wine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Real rows with a column of words and a gap, in wine.csv (60 rows), new.csv (40) and more.csv."""
    monkeypatch.chdir(tmp_path)
    found = load_wine(as_frame=True)
    frame = found.data.assign(kind=found.target_names[found.target])
    frame["shade"] = np.where(frame["color_intensity"] > 5, "dark", "light")
    frame = frame.sample(frac=1, random_state=0)
    frame.iloc[3, 0] = np.nan
    for name, part in (("wine", frame[:60]), ("new", frame[60:100]), ("more", frame[100:])):
        part.to_csv(f"{name}.csv", index=False)
    return frame


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
        (("fit", "gone.csv", "--target", "kind"), "gone.csv cannot be read as a table"),
        (("fit", "empty.csv", "--target", "kind"), "empty.csv"),
        (("fit", ".", "--target", "kind"), "--target is for tables"),
        (("predict", "wine.qs", "other.csv"), "has no column 'alcohol'"),
        (("add", "wine.qs", "more.csv"), "--target NAME"),
        (("add", "wine.qs", "other.csv", "--label", "class_0"), "has no column 'alcohol'"),
    ],
)
def test_what_is_not_right_is_said(
    cli: Callable[..., Any], wine: pd.DataFrame, args: tuple[str, ...], said: str
) -> None:
    Path("empty.csv").write_text("")
    Path("other.csv").write_text("a,b\n1,2\n")
    assert cli("fit", "wine.csv", "--target", "kind").code == 0
    before = Path("wine.qs").read_bytes()
    answer = cli(*args)
    assert answer.code == 2
    assert said in answer.err
    assert Path("wine.qs").read_bytes() == before


def test_without_pandas_it_says_what_to_install(
    cli: Callable[..., Any], wine: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    answer = cli("fit", "wine.csv", "--target", "kind")
    assert answer.code == 2
    assert "pip install 'quickstudy[tables]'" in answer.err
