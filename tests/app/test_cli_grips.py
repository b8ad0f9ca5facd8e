"""The benchmark of grips: rows that say who was gripped how, made once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ASKED = ("bench", "grips", "--simulated", "--partitions", "0,1", "--learners", "maxgrip,frictiongrip", "--runs", "r")
KINDS = {"inside": 320, "outside": 156, "shapes": 160}
"""Objects of each kind in two partitions."""


def test_rows_of_learners_and_oracle_are_made_once(cli: Callable[..., Any]) -> None:
    first = cli(*ASKED)
    assert first.code == 0
    assert first.out.rstrip().endswith("rows")
    rows = {path.stem: json.loads(path.read_text()) for path in Path("r/rows").iterdir()}
    assert {*rows} == {f"{name}-{kind}" for name in ("maxgrip", "frictiongrip", "oracle") for kind in KINDS}
    assert rows["oracle-outside"]["scores"]["success"] == {"mean": 1.0, "ci95": 0.0}
    assert {kind: rows[f"frictiongrip-{kind}"]["units"] for kind in KINDS} == KINDS
    assert rows["frictiongrip-outside"]["left_out"] == 160 - KINDS["outside"]
    estimator, strongest = rows["frictiongrip-inside"], rows["maxgrip-inside"]
    assert estimator["scores"]["success"]["mean"] > 0.95
    assert strongest["scores"]["crushed"]["mean"] > 0.9
    parts = [strongest["scores"][metric]["mean"] for metric in ("success", "crushed", "dropped")]
    assert sum(parts) == pytest.approx(1)
    difference = strongest["minus"]["frictiongrip"]["success"]["mean"]
    scores = [row["scores"]["success"]["mean"] for row in (strongest, estimator)]
    assert difference == pytest.approx(scores[0] - scores[1])
    again = cli(*ASKED)
    assert "training" not in again.err
    assert again.out == first.out
    assert json.loads(cli(*ASKED, "--json").out)["frictiongrip-inside"] == estimator


def test_a_training_that_is_there_is_not_taken_for_another(cli: Callable[..., Any]) -> None:
    asked = (*ASKED[:3], "--partitions", "0", "--learners", "pooled", "--runs", "r")
    made = cli(*asked, "--steps", "3", "--json")
    assert made.code == 0, made.err
    assert cli(*asked, "--steps", "3", "--json").out == cli(*asked, "--json").out == made.out
    for other in (("--steps", "7"), ("--seed", "5")):
        refused = cli(*asked, *other)
        assert refused.code == 2
        assert f"was trained with {other[0]} {'3' if other[0] == '--steps' else '0'}, not {other[1]}" in refused.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--learners", "cpn"), "Did you mean cnp"),
        (("--learners", "cnp", "--against", "maml"), "unknown learner of --against"),
        (("--learners", ","), "--learners is ','; expected learners"),
        (("--seed", "-1"), "--seed is -1"),
        (("--wider", "1e30"), "wider"),
        (("--lifts", "0"), "at least 1"),
        (("--steps", "-1"), "--steps is -1"),
        (("--wider", "0.1"), "from 1"),
        (("--partitions", "x"), "--partitions is 'x'"),
    ],
)
def test_what_makes_no_sense_is_said(cli: Callable[..., Any], flags: tuple[str, ...], words: str) -> None:
    answer = cli("bench", "grips", "--simulated", *flags)
    assert answer.code == 2
    assert words in answer.err
    assert not Path("runs").exists()
