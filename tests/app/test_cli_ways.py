"""``quickstudy bench ways``: what is written was measured, and a wrong choice is as much slower as it is."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from quickstudy.bench import measure, ours
from quickstudy.bench import ways as bench
from quickstudy.bench.job import Job, Way
from quickstudy.bench.works import WORKS
from quickstudy.inner import calls as known
from quickstudy.inner import choosing
from quickstudy.inner.batch import How

ASKED = ("bench", "ways", "--works", "sine-1", "--rounds", "3", "--choices", "2", "--eager", "--threads", "1")
SECONDS = {"recorded": 1.0, "vmap": 2.0, "chunks": 3.0, "threads": 5.0, "loop": 4.0}


@pytest.fixture(autouse=True)
def nothing_measured() -> None:
    known.forget()


def test_every_way_that_can_do_it_is_timed_and_stands_in_the_row(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Counter[str] = Counter()
    taken: list[float] = []
    once, timed = ours.maml, measure.timed

    def counted(job: Job, gradient: Any, how: Any = "auto") -> list[torch.Tensor]:
        assert torch.get_num_threads() == 1
        made[how] += 1
        return once(job, gradient, how)

    def kept(way: Way, repeats: int, device: torch.device) -> float:
        taken.append(timed(way, repeats, device))
        return taken[-1]

    monkeypatch.setattr(ours, "maml", counted)
    monkeypatch.setitem(WORKS, "sine-1", replace(WORKS["sine-1"], tasks=2))
    monkeypatch.setattr(measure, "WARM", 1)
    monkeypatch.setattr(measure, "AT_LEAST", 0.001)
    monkeypatch.setattr(measure, "timed", kept)
    threads = torch.get_num_threads()
    answer = cli(*ASKED, "--json")
    assert answer.code == 0, answer.err
    row = json.loads(answer.out)["sine-1"]
    assert row == json.loads(Path("runs/ways/sine-1.json").read_text())
    assert torch.get_num_threads() == threads
    assert made["auto"] == 2  # a first call for each choice
    assert row["ways"].pop("compiled") == {"refused": "left out, as was asked"}
    assert list(row["ways"]) == list(SECONDS)
    last = taken[-3 * len(SECONDS) :]  # rounds, each of which begins with another way
    for place, (how, one) in enumerate(row["ways"].items()):
        own = sorted(last[len(SECONDS) * at + (place - at) % len(SECONDS)] for at in range(3))
        assert [one["seconds"][at] for at in ("min", "median", "max")] == own, how
        assert made[how] >= 3 * one["repeats"]
    for when, among in (("first", list(SECONDS)[1:]), ("later", list(SECONDS))):
        assert sum(row[when]["chosen"].values()) == 2
        assert row[when]["best"] == min(among, key=lambda how: row["ways"][how]["seconds"]["median"])
    assert row["machine"]["threads"] == 1


def test_a_choice_is_as_many_times_slower_as_the_clock_says(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is slower in each round than in the one before, and choices of which some are wrong."""
    chosen: dict[float, list[How]] = {1: ["threads", "vmap", "vmap"], float("inf"): ["recorded", "loop", "loop"]}
    calls: Counter[str] = Counter()

    def fastest(run: Any, module: Any, device: Any, calls: float) -> How:
        return chosen[calls].pop(0)

    def seconds(way: Any, repeats: int, device: torch.device) -> float:
        (how,) = way.args
        calls[how] += 1
        return SECONDS[how] * calls[how]

    monkeypatch.setattr(choosing, "fastest", fastest)
    monkeypatch.setattr(ours, "maml", lambda job, gradient, how: known.KNOWN.update(call=known.Known(chosen[1].pop(0))))
    monkeypatch.setattr(bench, "looked_at", lambda once, device: (dict.fromkeys(SECONDS, 1), {"compiled": "no"}))
    monkeypatch.setattr(measure, "timed", seconds)
    answer = cli(*ASKED, "--choices", "3", "--json")
    assert answer.code == 0, answer.err
    row = json.loads(answer.out)["sine-1"]
    assert row["first"] == {
        "chosen": {"threads": 1, "vmap": 2},
        "best": "vmap",
        "slower": {"median": 1.0, "worst": 2.5},
    }
    assert row["later"]["slower"] == {"median": 4.0, "worst": 4.0}
    assert row["ways"]["loop"]["seconds"] == {"median": 8.0, "min": 4.0, "max": 12.0}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--works", "protonet"), "unknown work 'protonet'"),  # it does not choose
        (("--rounds", "0"), "--rounds is 0"),
        (("--choices", "0"), "--choices is 0"),
    ],
)
def test_what_cannot_be_measured_is_said(cli: Callable[..., Any], flags: tuple[str, ...], words: str) -> None:
    answer = cli(*ASKED, *flags)
    assert answer.code == 2
    assert words in answer.err
    assert not Path("runs").exists()
