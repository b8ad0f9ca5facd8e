"""A comparison from end to end, with stand-ins for the other libraries."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import stand_ins

from quickstudy.bench import compare, libraries, plot, rows
from quickstudy.bench.contest import Settings
from quickstudy.bench.process import Process, WorkerError

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The row of a work that all stand-ins take part in."""
    folder = tmp_path_factory.mktemp("libraries")
    stand_ins.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))
        patch.setattr(libraries, "is_found", lambda name: name in stand_ins.MODULES)
        against = ["iteryne", "learn2learn", "torchopt", "higher", "easyfsl"]
        settings = Settings(threads=1, rounds=2)
        return rows.row(compare.compare("sine-1", against, settings, lambda line: None))


def test_a_library_that_is_right_counts(found: dict[str, Any]) -> None:
    assert found["best"] == "iteryne"
    assert found["ratio"]["min"] <= found["ratio"]["median"] <= found["ratio"]["max"]
    theirs = found["libraries"]["iteryne"]
    assert theirs["way"] == "MAML"
    assert theirs["error"] < 1e-12
    assert theirs["error_float32"] < 1e-4
    assert theirs["seconds"]["min"] <= theirs["seconds"]["median"] <= theirs["seconds"]["max"]
    assert found["libraries"]["quickstudy"]["error"] < 1e-12
    assert found["libraries"]["loop"]["error"] == 0


def test_what_does_not_count_says_why(found: dict[str, Any]) -> None:
    refused = {name: one["refused"] for name, one in found["libraries"].items() if "refused" in one}
    assert refused.pop("learn2learn").startswith("wrong gradient (")
    assert refused == {"higher": "not importable (not installed)", "torchopt": "ended with code 3: gone fishing"}
    assert all("seconds" not in found["libraries"][name] for name in ("learn2learn", "higher", "torchopt"))


def test_a_row_has_its_fields(found: dict[str, Any], tmp_path: Path) -> None:
    assert {"goal", "seed", "date", "rounds", "tasks", "says", "ratio_to_loop"} <= found.keys()
    assert {"cpu", "cores", "threads", "device"} <= found["machine"].keys()
    assert {"python", "torch", "quickstudy", "higher"} <= found["versions"].keys()
    assert "easyfsl" not in found["libraries"]
    assert json.loads(rows.write(found, tmp_path).read_text()) == found == rows.read(tmp_path)[0]
    assert "<svg" in plot.draw([found], tmp_path).read_text()


def test_a_worker_is_asked_and_answers() -> None:
    with Process([sys.executable, "-c", ECHO], 30) as process:
        assert process.ask("this", and_that=1) == {"do": "this", "and_that": 1}
        assert not process.is_gone
    assert process.is_gone


@pytest.mark.parametrize(
    ("program", "patience", "said"),
    [
        ("import time; time.sleep(60)", 0.5, "no answer to this within 0 s"),
        ("import sys; input(); sys.exit('gone fishing')", 30, "ended with code 1: gone fishing"),
        ('input(); print(\'{"failed": "TypeError: three"}\')', 30, "TypeError: three"),
    ],
)
def test_a_worker_that_does_not_is_reported(program: str, patience: float, said: str) -> None:
    with Process([sys.executable, "-c", program], patience) as process, pytest.raises(WorkerError) as error:
        process.ask("this")
    assert str(error.value) == said
