"""Real tables are learnt from a few rows, beside what people use for them now."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from quickstudy.app.cli import main
from quickstudy.bench import tables
from quickstudy.errors import UserError


@pytest.fixture
def hospitals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Forty patients in each of two hospitals; the ill are older in one and younger in the other."""
    draws, rows = np.random.default_rng(0), []
    for number, name in enumerate(("Cleveland", "VA Long Beach")):
        for ill in range(2):
            ages = draws.normal(50 + 8 * (ill - 0.5) * (-1) ** number, 1, 20)
            signs = draws.choice(["none", "pain", None], 20)
            rows += [
                {"id": at, "age": age, "sign": sign, "thal": None, "dataset": name, "num": 3 * ill}
                for at, (age, sign) in enumerate(zip(ages, signs, strict=True))
            ]
    found = pd.DataFrame(rows)
    (tmp_path / "heart_disease").mkdir()
    found.to_csv(tmp_path / "heart_disease" / "heart_disease_uci.csv", index=False)
    monkeypatch.setenv("QUICKSTUDY_DATA", str(tmp_path))
    return found


def test_rows_say_how_far_ahead_it_is_and_are_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["bench", "tables", "--tables", "iris", "--shots", "5", "--episodes", "3", "--out", str(tmp_path)]
    assert main(args) == 0
    out = capsys.readouterr().out
    path = tmp_path / "iris-5s.json"
    row = json.loads(path.read_text())
    ours, theirs = (row["scores"][name] for name in ("quickstudy", "logistic regression"))
    assert ours["mean"] > 0.8
    assert row["ahead_of"]["logistic regression"]["mean"] == pytest.approx(ours["mean"] - theirs["mean"])
    assert 0.5 < row["at_90"]["coverage"] <= 1
    assert f"{100 * theirs['mean']:.2f}" in out
    path.write_text(json.dumps(row | {"shot": 123}))
    assert main([*args, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["iris-5s"]["shot"] == 123


def test_scores_are_those_of_a_model_made_by_hand() -> None:
    row = tables.measure("tables", "wine", shot=10, episodes=2, seed=4)
    table, scores = tables.load("wine"), []
    for number in range(2):
        learnt = tables.drawn(table.labels, 10, np.random.default_rng((4, number)))
        assert np.bincount(table.labels[learnt]).tolist() == [10, 10, 10]
        x, y = table.rows.to_numpy(), table.labels
        x = (x - x[learnt].mean(0)) / x[learnt].std(0)
        right = LogisticRegression(max_iter=2000).fit(x[learnt], y[learnt]).predict(x[~learnt]) == y[~learnt]
        scores.append(np.mean([right[y[~learnt] == label].mean() for label in range(3)]))
    assert row["scores"]["logistic regression"]["mean"] == pytest.approx(np.mean(scores))


def test_a_hospital_is_learnt_alone_or_with_the_others(hospitals: pd.DataFrame) -> None:
    alone = tables.measure("tables", "heart-cleveland", shot=5, episodes=2, seed=0)
    assert (alone["rows"], alone["columns"], alone["classes"]) == (40, 3, 2)
    elsewhere = alone["scores"].pop("elsewhere")
    assert (elsewhere["mean"], elsewhere["auroc"]["mean"]) < (0.1, 0.1), "the others have it the other way round"
    assert min(one["mean"] for one in alone["scores"].values()) > 0.9
    assert min(one["auroc"]["mean"] for one in alone["scores"].values()) > 0.9
    assert 0.5 < elsewhere["ece"]["mean"] <= 1, "it is sure, and wrong"
    pooled = tables.load("heart-cleveland-pooled")
    assert len(pooled.more) == len(pooled.more_labels) == 40
    assert pooled.more["age"].tolist() == pytest.approx(hospitals["age"][40:].tolist())
    mixed = tables.measure("tables", "heart-cleveland-pooled", shot=5, episodes=2, seed=0)
    assert mixed["scores"]["logistic regression"]["mean"] < 0.5, "the others have it the other way round"
    with pytest.raises(UserError, match="leave fewer than 10"):
        tables.measure("tables", "heart-va", shot=20, episodes=2, seed=0)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--tables", "irises"], "Did you mean iris"),
        (["--shots", "5,few"], "expected numbers of rows"),
        (["--episodes", "1"], "expected 2 or more"),
        (["--tables", "heart-va"], "QUICKSTUDY_DATA"),
    ],
)
def test_what_is_not_right_is_said(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUICKSTUDY_DATA", raising=False)
    assert main(["bench", "tables", *args]) == 2
    assert said in capsys.readouterr().err
