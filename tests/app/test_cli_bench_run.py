"""``quickstudy bench run``: every learner on a challenge, alone, by several processes, and over a cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from few import few_tasks

from quickstudy.app.cli import main
from quickstudy.challenge import cluster, many, processes, suite
from quickstudy.challenge.check import opened
from quickstudy.errors import UserError

Cli = Callable[..., Any]
SHORT = few_tasks("short")
NAMES = "nearest,protonet,r2d2"
TIMED = ("time", "training_s", "memory_mb", "created", "area_by_time", "machine")


def untimed(value: Any) -> Any:
    """``value`` without what has to do with time."""
    if isinstance(value, dict):
        return {name: untimed(item) for name, item in value.items() if name not in TIMED}
    return [untimed(item) for item in value] if isinstance(value, list) else value


def rows(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.toml").write_text(SHORT)
    return tmp_path


def test_rows_are_made_once_and_those_who_cannot_are_named(cli: Cli, short: Path) -> None:
    args = ("bench", "run", "short.toml", "--learners", "nearest,cnp", "--json")
    first = cli(*args)
    assert first.code == 0, first.err
    assert "cnp is left out: it does regression alone" in first.err
    (row,) = json.loads(first.out).values()
    assert row["command"] == "quickstudy challenge run short.toml nearest --seed 0"
    assert row["blocks"][0]["about"]["learner"] == "nearest"
    again = cli(*args)
    assert "1 row there, 0 to make" in again.err
    assert json.loads(again.out)["nearest"] == row
    path = short / "runs/challenge/short/nearest.json"
    episodes = [block["manifest"] for block in row["blocks"]]
    assert many.there(path, row["suite"], 0, episodes) == row
    assert many.there(path, row["suite"], 1, episodes) is None
    path.write_text(json.dumps(row | {"version": "99.0"}))
    for verb in (args, ("challenge", "run", "short.toml", "nearest", "--json")):
        newer = cli(*verb)
        assert (newer.code, json.loads(newer.out)) == (2, {})
        assert f"nearest.json is of quickstudy 99.0, and this is {row['version']}." in newer.err
        assert json.loads(path.read_text())["version"] == "99.0", "it is not written over"
    for change in ({"version": "0.0.1"}, {"blocks": [row["blocks"][0] | {"manifest": "other episodes"}]}):
        path.write_text(json.dumps(row | change))
        assert many.there(path, row["suite"], 0, episodes) is None


def test_a_row_whose_process_dies_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [many.Job(suite=suite.read(SHORT, "short"), entry=name, seed=0) for name in "abc"]
    times: list[list[str]] = []

    def dying(left: list[many.Job], count: int, say: Callable[[str], None]) -> Iterator[many.Made]:
        times.append([job.entry for job in left])
        yield many.Made(left[0].entry, {})

    monkeypatch.setattr(processes, "together", dying)
    made = list(processes.by_several(2)(jobs[:2], print))
    assert times == [["a", "b"], ["b"]]
    assert [one.row for one in made] == [{}, {}]
    monkeypatch.setattr(processes, "together", lambda *args: iter(()))
    assert [one.why for one in processes.by_several(2)(jobs[:1], print)] == ["its process died 3 times"]


def test_another_version_on_a_worker_is_no_row_of_this_one() -> None:
    job = many.Job(suite=suite.read(SHORT, "short"), entry="nearest", seed=0, version="9.9")
    assert "and 9.9 here" in many.make(job, print).why


def test_every_learner_either_fits_or_has_a_reason() -> None:
    blocks = opened(suite.read(SHORT, "short"))
    fit, unfit = many.able(blocks)
    assert {"protonet", "nearest", "gp"} <= {*fit}
    assert unfit["arx"] == "it is made for glucose"
    assert unfit["grandmean"] == "it does regression alone"
    _, unfit = many.able(opened(suite.load("sprint")), ["simpleshot"])
    assert "pre-training needs a fixed number of training classes" in unfit["simpleshot"], "none is begun with"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("sprnt",), "Did you mean sprint"),
        (("sprint", "--learners", "neerest"), "Did you mean nearest"),
        (("short.toml", "--learners", "cnp"), "none of cnp does the tasks of short"),
        (("sprint", "--parallel", "2", "--ray", "local"), "Choose one of them"),
        (("sprint", "--parallel", "-1"), "expected 1 process or more"),
    ],
)
def test_what_is_not_right_is_said(cli: Cli, short: Path, args: tuple[str, ...], said: str) -> None:
    answer = cli("bench", "run", *args)
    assert answer.code == 2
    assert said in answer.err.splitlines()[-1]


def test_without_ray_it_says_what_to_install(cli: Cli, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    answer = cli("bench", "run", "sprint", "--ray", "local")
    assert answer.code == 2
    assert answer.err == "error: --ray needs Ray, which is not here. Install it: pip install 'quickstudy[cluster]'\n"
    with pytest.raises(UserError, match="cluster"):
        cluster.engine()


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Rows that were made one by one."""
    folder = tmp_path_factory.mktemp("serial")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "short.toml").write_text(SHORT)
        assert main(["bench", "run", "short.toml", "--learners", NAMES, "--out", "rows"]) == 0
    return rows(folder / "rows")


@pytest.mark.slow
@pytest.mark.parametrize(("crew", "worker"), [("--parallel 2", b"spawn_main"), ("--ray local", b"ray::made_there")])
def test_others_make_the_same_rows_when_a_worker_is_killed(
    short: Path, serial: dict[str, Any], crew: str, worker: bytes
) -> None:
    if "ray" in crew:
        pytest.importorskip("ray", reason="ray is not installed: pip install 'quickstudy[cluster]'")
    if not Path("/proc/self/stat").is_file():
        pytest.skip("processes are looked for in /proc, which this system does not have")
    command = [sys.executable, "-m", "quickstudy", "bench", "run", "short.toml", "--learners", NAMES, "--json"]
    with subprocess.Popen(
        [*command, "--out", "rows", *crew.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as driver:
        killed = kill_a_worker(driver.pid, worker)
        told, heard = driver.communicate(timeout=600)  # seconds of a machine that others use too
    assert driver.returncode == 0, heard
    assert killed, heard
    assert untimed(rows(short / "rows")) == untimed(serial), heard
    assert sorted(json.loads(told)) == sorted(serial)


def kill_a_worker(driver: int, worker: bytes) -> bool:
    """Kill the first process below the driver whose command line has ``worker``; whether there was one."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        for pid in [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()]:
            try:
                if worker in Path(f"/proc/{pid}/cmdline").read_bytes() and is_below(pid, driver):
                    os.kill(pid, signal.SIGKILL)
                    return True
            except OSError:
                continue
        time.sleep(0.02)
    return False


def is_below(pid: int, ancestor: int) -> bool:
    """Whether ``ancestor`` has started the process, or one of those that did."""
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False
