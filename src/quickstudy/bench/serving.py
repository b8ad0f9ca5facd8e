"""A server under load: many users with many models, then one user who adds an example and asks at once.

Server and users are processes of their own. What else the machine did meanwhile is counted too: times that were
measured beside other work say so.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quickstudy.bench import crowd
from quickstudy.bench.process import WorkerError
from quickstudy.bench.rows import Row, machine, versions
from quickstudy.devices import cores
from quickstudy.errors import UserError
from quickstudy.server.database import Database
from quickstudy.server.served import DEFAULT, Catalogue

PATIENCE_S = 60
STAT = Path("/proc/stat")


@dataclass(frozen=True, kw_only=True)
class Load:
    """Who asks, how much, and of what."""

    users: int = 200
    """Users at the same time, each with a connection and a key."""
    models: int = 10_000
    """Models in the store, divided over the users."""
    rate: float = 330.0
    """Predictions a second that are asked for."""
    seconds: float = 30.0
    """How long."""
    times: int = 100
    """How often the one user adds an example and asks."""
    seed: int = 0
    """Of who asks when and what."""

    def __post_init__(self) -> None:
        if min(self.users, self.models, self.rate, self.seconds, self.times) <= 0 or self.models < self.users:
            raise UserError("expected numbers above 0, and at least as many --models as --users.")


@dataclass(frozen=True)
class Serve:
    """How the server is started."""

    weights: tuple[str, ...] = ()
    """Learners in place of the bundled ones, each NAME=PATH."""
    threads: int = 0
    decoders: int = 2

    @property
    def flags(self) -> list[str]:
        """For its command line."""
        named = [part for word in self.weights for part in ("--weights", word)]
        return ["--threads", str(self.threads), "--decoders", str(self.decoders), *named]


def measure(load: Load, serve: Serve, say: Callable[[str], None]) -> Row:
    """Fill a store, start a server on it, load it; the row of what was found."""
    with tempfile.TemporaryDirectory(prefix="quickstudy-") as folder:
        store = Path(folder) / "models.db"
        named = dict(word.split("=", 1) for word in serve.weights)
        say(f"filling a store with {load.models:,} models ...")
        users = crowd.fill(Database(str(store)), Catalogue(named).get(DEFAULT), DEFAULT, load.users, load.models)
        plan = {"seed": load.seed, "users": [asdict(user) for user in users]}
        plan |= {"pictures": crowd.questions(crowd.characters(0))}
        with serving(store, serve) as server:
            plan["url"] = server.url
            say(f"{load.users} users ask {load.rate:g} times a second for {load.seconds:g} s ...")
            asked = plan | {"rate": load.rate, "seconds": load.seconds}
            _ask(asked | {"seconds": min(3.0, load.seconds)}, folder)  # what is only done at first is not counted
            before, busy = server.facts(), busy_seconds()
            many = _ask(asked, folder)
            after, spent = server.facts(), busy_seconds()
            say(f"one user adds and asks {load.times} times ...")
            _ask(plan | {"alone": "warm", "times": 10}, folder)
            one = _ask(plan | {"alone": "alone", "times": load.times}, folder)
            batches = server.batches()
            facts = server.facts()
    cpu = {"server": round(after["cpu_s"] - before["cpu_s"], 2), "users": round(many["cpu_s"], 2)}
    return {
        "work": "serving",
        "says": "predictions of many users' models of drawn characters, five ways, over HTTP",
        **asdict(load),
        "decoders": serve.decoders,
        "answered_per_s": len(many["seconds"]) / load.seconds,
        "errors": len(many["errors"]) + len(one["errors"]),
        "first_error": next(iter(many["errors"] + one["errors"]), None),
        "right": many["right"] / max(len(many["seconds"]), 1),
        "predict_ms": spread_ms(many["seconds"]),
        "add_then_predict_ms": spread_ms(one["seconds"]),
        "questions_a_batch": round(batches, 1),
        "users_late_ms": round(1000 * many["late"], 1),
        "memory_mb": {"before": before["memory_mb"], "after": after["memory_mb"], "end": facts["memory_mb"]},
        "cpu_s": cpu,
        "machine_busy": shares(busy, spent, cpu["server"] + cpu["users"]),
        "machine": machine(serve.threads or max(cores() - serve.decoders, 1), "cpu"),
        "versions": versions([]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
    if len(seconds) < 2:
        raise UserError("too few answers to say how long they take. Ask for more --seconds.")
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    found = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(seconds)}
    return {name: round(1000 * value, 2) for name, value in found.items()}


def _ask(plan: dict[str, Any], folder: str) -> dict[str, Any]:
    path = Path(folder) / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    command = [sys.executable, "-m", "quickstudy.bench.asking", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise WorkerError(f"the users ended with code {ran.returncode}: {last}")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


class Server:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[str], url: str, key: str) -> None:
        self.process, self.url, self.key = process, url, key

    def facts(self) -> dict[str, float]:
        """Memory (what processes share is counted once) and CPU seconds, where the system tells them."""
        found = {"memory_mb": 0.0, "cpu_s": 0.0}
        for pid in family(self.process.pid):
            with contextlib.suppress(OSError, IndexError):  # it ends just now
                place = Path(f"/proc/{pid}")
                times = (place / "stat").read_text().rpartition(")")[2].split()
                found["cpu_s"] += (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
                pss = (place / "smaps_rollup").read_text().partition("Pss:")[2]
                found["memory_mb"] += int(pss.split()[0]) / 1024
        return {name: round(value, 1) for name, value in found.items()}

    def batches(self) -> float:
        """Mean number of questions that were answered in one pass."""
        request = urllib.request.Request(f"{self.url}/v1/metrics", headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request) as answer:
            lines = answer.read().decode().splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if line.startswith("quickstudy_batch"))
        return float(values["quickstudy_batch_questions_sum"]) / float(values["quickstudy_batch_questions_count"])


def family(pid: int) -> list[int]:
    """A process and all that it started, where the system tells them."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
    found = [pid] if pid in parents else []
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


@contextlib.contextmanager
def serving(store: Path, serve: Serve) -> Iterator[Server]:
    """A server on ``store``, gone at the end; WorkerError where it does not start."""
    command = [sys.executable, "-m", "quickstudy", "serve", "--port", "0", "--store", str(store)]
    command += serve.flags
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            said: list[str] = []
            for line in process.stdout:
                said.append(line.strip())
                if "http://" in line:
                    break
            else:
                raise WorkerError(f"the server does not start: {' '.join(said)}")
            yield Server(process, line.split()[-1], crowd.key(0))
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def busy_seconds() -> tuple[float, float, float]:
    """(all, busy, niced) CPU seconds of the machine since it started; zeros where the system does not tell."""
    if not STAT.exists():
        return 0.0, 0.0, 0.0
    user, nice, system, idle, *rest = (int(word) for word in STAT.read_text().split("\n", 1)[0].split()[1:])
    tick = os.sysconf("SC_CLK_TCK")
    every = user + nice + system + idle + sum(rest)
    return every / tick, (every - idle - rest[0]) / tick, nice / tick


def shares(before: tuple[float, float, float], after: tuple[float, float, float], ours: float) -> dict[str, float]:
    """Shares of the machine's time between two looks: what it was busy, what of it was not ``ours``, or niced."""
    every, busy, niced = (b - a for a, b in zip(before, after, strict=True))
    if not every:
        return {}
    return {
        name: round(max(part, 0) / every, 3)
        for name, part in (("all", busy), ("others", busy - ours), ("niced", niced))
    }
