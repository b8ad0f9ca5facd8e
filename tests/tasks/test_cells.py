"""Cells of tables: numbers, words, nothing; columns in units of their spread."""

import datetime
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch

from quickstudy.tasks.cells import are_numbers, nothing, number, pointed, word
from quickstudy.tasks.tabular.columns import in_units, scale


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (3, 3.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        ("0,5", 0.5),
        ("-1,234.5", -1234.5),
        ("1,234", 1234.0),
        ("0,017", 0.017),
        (" 7 ", 7.0),
        ("1970-01-03", 2.0),
        ("1970-01-01 12:00", 0.5),
        (datetime.date(1970, 1, 2), 1.0),
        (pd.Timestamp("1970-01-01 06:00", tz="UTC"), 0.25),
        ("1_000", None),
        ("inf", None),
        ("2024-13-01", None),
        (10**400, None),
        ("red", None),
        ([1], None),
        (Decimal("2"), None),
        (math.inf, None),
    ],
)
def test_what_is_a_number_is_read_as_one(cell: object, found: float | None) -> None:
    assert number(cell) == found


def test_gaps_and_words() -> None:
    assert all(map(nothing, (None, math.nan, pd.NA, pd.NaT, "", " ? ", "N/A", "None", "-")))
    assert not any(map(nothing, (0, "0", "no", False, datetime.date(2020, 1, 1))))
    assert {word(one) for one in (1, 1.0, "1", " 1.0 ")} == {"1"}
    assert word("3+") == "3+"
    assert word(" red ") == "red"
    assert word("2024-01-01") == "2024-01-01"
    assert are_numbers(["1"] * 9 + ["x"])
    assert not are_numbers(["1", "2", "3+"])


def test_between_semicolons_a_comma_is_a_point() -> None:
    assert [pointed(one) for one in ("1,234", "-0,5", "1,234,567", "a,b", "")] == [
        "1.234",
        "-0.5",
        "1,234,567",
        "a,b",
        "",
    ]


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1.0, 1e9, 1e300])
def test_units_do_not_depend_on_the_size_of_numbers(size: float) -> None:
    values = torch.tensor([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]], dtype=torch.float64)
    here = torch.ones_like(values)
    mean, spread = scale(values * size, here)
    found = in_units(values * size, here, mean, spread)[:, :2]
    expected = (values[:, 0] - values[:, 0].mean()) / values[:, 0].std(correction=0)
    torch.testing.assert_close(found[:, 0], expected)
    assert not found[:, 1].abs().max() > 1e-3, "what is the same everywhere is 0"


def test_minutes_of_one_day_are_told_apart() -> None:
    days = torch.tensor([[20000.0], [20000.01], [20000.02]], dtype=torch.float64)
    mean, spread = scale(days, torch.ones_like(days))
    assert in_units(days, torch.ones_like(days), mean, spread)[:, 0].tolist() == pytest.approx(
        [-1.2247, 0, 1.2247], abs=1e-3
    )
