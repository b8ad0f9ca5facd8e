"""``quickstudy bench strides``: the strides that are counted are those that are made, and the time is theirs."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from quickstudy.bench import strides
from quickstudy.sim.strides import Felt, Ground

pytest.importorskip("mujoco", reason="the extra robots is not installed")
pytest.importorskip("gymnasium", reason="the extra robots is not installed")
ASKED = ("bench", "strides", "--strides", "24", "--rounds", "3")


def test_strides_are_counted_and_their_time_is_that_of_the_process(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, int]] = []
    walk = Ground.walk

    def counted(self: Ground, gaits: np.ndarray) -> Felt:
        assert len(self.data) == 1  # one thread
        made.append((self.body.name, len(gaits)))
        return walk(self, gaits)

    monkeypatch.setattr(Ground, "walk", counted)
    begin = time.process_time()
    answer = cli(*ASKED, "--json")
    spent = time.process_time() - begin
    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)
    assert rows == json.loads(Path("runs/strides-speed.json").read_text())
    assert made == [(name, 24) for name in ("cheetah", "ant") for _ in range(4)]  # the first is not timed
    assert 0 < sum(second for row in rows.values() for second in row["cpu_s"]) <= spent
    for row in rows.values():
        each = sorted(24 / second for second in row["cpu_s"])
        assert [row["per_cpu_s"][at] for at in ("min", "median", "max")] == pytest.approx(each)


def test_a_clock_that_is_known_gives_the_rate(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 0.5, 1.0, 1.1, 2.0, 2.2])  # rounds of 0.5, 0.1 and 0.2 seconds
    monkeypatch.setattr(strides, "time", SimpleNamespace(process_time=lambda: next(now)))
    answer = cli(*ASKED, "--bodies", "cheetah")
    assert answer.code == 0, answer.err
    (line,) = (line for line in answer.out.splitlines() if line.strip().startswith("cheetah"))
    assert line.split() == ["cheetah", "120", "48", "240"]
    assert answer.out.splitlines()[-1] == "runs/strides-speed.json"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--bodies", "cheeta"), "Did you mean cheetah"),
        (("--bodies", ","), "expected names with commas"),
        (("--rounds", "0"), "--rounds is 0"),
        (("--seed", "-1"), "--seed is -1"),
        (("--out", "/proc/nope/rows.json"), "cannot write /proc/nope/rows.json"),
    ],
)
def test_what_cannot_be_measured_is_said(cli: Callable[..., Any], flags: tuple[str, ...], words: str) -> None:
    answer = cli(*ASKED, *flags)
    assert answer.code == 2
    assert words in answer.err
    assert not Path("runs").exists()
