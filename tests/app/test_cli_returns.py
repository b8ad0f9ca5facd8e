"""Returns of driven robots on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FEW = ("--partitions", "0", "--bodies", "3", "--seeds", "2", "--steps", "4", "--horizon", "3", "--samples", "8")
ASKED = ("bench", "returns", "--tasks", "dynamics:small=true", "--learners", "grandmean,nearest", *FEW)


@pytest.mark.slow
def test_returns_are_told_in_rows_and_not_driven_again(cli: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("mujoco", reason="the extra robots is not installed")
    pytest.importorskip("gymnasium", reason="the extra robots is not installed")
    answer = cli(*ASKED, "--oracle", "1")
    assert answer.code == 0, answer.err
    place = tmp_path / "runs/folds/dynamics-smalltrue"
    assert answer.out.strip().endswith("runs/folds/dynamics-smalltrue/rows")
    rows = {path.stem: json.loads(path.read_text()) for path in (place / "rows").glob("*.json")}
    names = [f"{name}-{way}" for name in ("grandmean", "nearest") for way in ("adapting", "unadapted")]
    assert sorted(rows) == sorted([*names, "oracle"])
    row = rows["nearest-adapting"]
    assert (row["units"], row["episodes"], row["blew_up"]) == (3, 6, 0)
    assert row["minus"]["nearest-unadapted"]["return"]["mean"] == pytest.approx(
        row["scores"]["return"]["mean"] - rows["nearest-unadapted"]["scores"]["return"]["mean"], abs=1e-5
    )
    assert set(row["by_kind"]) <= {"dead", "weak", "reversed", "outside"}
    assert "error" not in rows["oracle"]["scores"]
    assert rows["oracle"]["episodes"] == 3
    before = {path: path.stat().st_mtime_ns for path in place.rglob("returns/*")}
    assert cli(*ASKED, "--oracle", "1").out == answer.out
    assert {path: path.stat().st_mtime_ns for path in place.rglob("returns/*")} == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--tasks", "dynamics:simulated=true"), "can be driven"),
        (("--tasks", "pk:simulated=true", "--learners", "grandmean"), "can be driven"),
        (("--seeds", "0"), "--seeds is 0"),
        (("--learners", "nobody"), "unknown learner"),
    ],
)
def test_what_cannot_be_driven_is_said(cli: Callable[..., Any], args: tuple[str, ...], said: str) -> None:
    answer = cli("bench", "returns", "--learners", "grandmean", *FEW, "--tasks", "dynamics:simulated=true", *args)
    assert answer.code == 2
    assert said in answer.err
