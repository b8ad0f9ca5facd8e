"""Rows in order, with ties said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quickstudy.challenge.rank import apart, rank, read
from quickstudy.challenge.run import FORMAT
from quickstudy.errors import UserError


def row(name: str, scores: list[float | None], **changed: Any) -> dict[str, Any]:
    """A row of one block with a unit for each score."""
    block = {
        "tasks": "waves",
        "manifest": "abc",
        "scores": scores,
        "unit_ids": list(range(len(scores))),
        "curve": {"areas": scores},
        "time": {"areas": scores, "holds": True},
    }
    told = {"format": FORMAT, "challenge": "t", "suite": "x", "entry": name, "seed": 0, "version": "0.1"}
    return told | {"blocks": [block]} | {"breaks_the_rules": False, "score": {"mean": 0.5, "ci95": 0.1}} | changed


def test_a_small_difference_on_the_same_tasks_is_seen_and_noise_is_not() -> None:
    generator = np.random.RandomState(0)
    hard = generator.rand(200)
    first, second = row("first", (hard + 0.02 + 0.02 * generator.randn(200)).tolist()), row("second", hard.tolist())
    twin = row("twin", (hard + 0.02 * generator.randn(200)).tolist())
    found = rank([second, twin, first])
    assert found.ranked[0].row["entry"] == "first"
    assert [one.place for one in found.ranked] == [(1, 1), (2, 3), (2, 3)]
    assert [{pair.first, pair.second} for pair in apart(found)] == [{"second", "twin"}]
    (pair,) = [pair for pair in found.differences if {pair.first, pair.second} == {"first", "second"}]
    assert pair.mean == pytest.approx(0.02, abs=0.005)
    own = np.asarray(first["blocks"][0]["scores"]) - hard
    assert pair.ci95 == pytest.approx(1.96 * own.std() / np.sqrt(200), rel=0.15)


def test_repeats_of_a_unit_are_averaged_first() -> None:
    many = row("many", [1.0, 1.0, 1.0, 0.0])
    many["blocks"][0]["unit_ids"] = [7, 7, 7, 9]
    (found,) = rank([many]).ranked
    assert found.mean == pytest.approx(0.5)


def test_who_breaks_the_rules_or_has_no_timing_has_no_place() -> None:
    cheat, honest = row("cheat", [0.9] * 9, breaks_the_rules=True), row("honest", [0.5] * 9)
    found = rank([cheat, honest])
    assert [one.row["entry"] for one in found.ranked] == ["honest"]
    assert found.left_out[0][1].startswith("its answers depend on the other queries")
    honest["blocks"][0]["time"] = {"areas": None, "holds": False}
    assert "timing is void" in rank([honest], by="time").left_out[0][1]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "nothing to rank"),
        (
            [row("a", [0.1, 0.2]), row("b", [0.1, 0.2], seed=1)],
            "different tasks: a of t (x, seed 0, quickstudy 0.1); b of t (x, seed 1",
        ),
        ([row("a", [0.1, 0.2]), row("a", [0.1, 0.2])], "the same name"),
    ],
)
def test_rows_that_cannot_be_ranked_are_refused(rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(UserError) as error:
        rank(rows)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no row of a challenge"),
        ("[]", "is a JSON file, and no row of a challenge"),
        (json.dumps(row("a", [0.1], format=99, version="9.0")), "is a row of format 99 (quickstudy 9.0), and this is"),
    ],
)
def test_files_that_are_no_rows_are_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "foreign.json"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        read(file)
    assert said in str(error.value)
    assert "foreign.json" in str(error.value)
