"""``quickstudy bench returns``: held-out bodies driven by a planner with a learner as its model."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from quickstudy import runs
from quickstudy.app import output
from quickstudy.app.bench_folds import numbers, place_of
from quickstudy.app.bench_ladder import chosen
from quickstudy.app.flags import parse
from quickstudy.bench.folds import Folds
from quickstudy.bench.ladder import Ladder
from quickstudy.bench.returns import Drives, measure
from quickstudy.control.planner import Planning
from quickstudy.plan import TrainConfig
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import check_counts

DESCRIPTION = """Drive held-out bodies of dynamics by a planner whose model is a learner, adapting at every step and not
at all: one JSON row for each, with paired differences of what was earned. Learners are trained as by `quickstudy bench
folds`, whose runs are taken where they are there; episodes that are there are not driven again."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Who drives, and where it goes."""

    tasks: str = "dynamics"
    """Task family dynamics, with its options."""
    learners: str
    """Learners, with commas between them."""
    partitions: str = "0,1,2"
    """Numbers of partitions, with commas between them."""
    bodies: int = 12
    """Held-out bodies of each partition."""
    seeds: int = 8
    """Episodes of each body."""
    steps: int = 200
    """Of an episode, a twentieth of a second each."""
    oracle: int = 0
    """Episodes of each body for a planner in the true simulation, which takes long; 0 leaves it out."""
    method: Literal["icem", "mppi"] = "icem"
    """Planner."""
    horizon: int = 15
    """Steps that it looks ahead."""
    samples: int = 64
    """Sequences that it tries in its first round."""
    budget: float = 0.0
    """CPU seconds of each training; 0 leaves it to the recipes."""
    runs: Path | None = None
    """Folder for the runs; by default that of bench folds."""
    out: Path | None = None
    """Folder for the rows; by default rows in that of the runs."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """All rows as one JSON object."""


def main(args: list[str]) -> int:
    """Run the benchmark; the last line on stdout is the folder of the rows."""
    flags = parse(Flags, args, prog="quickstudy bench returns", description=DESCRIPTION)
    partitions = numbers(flags.partitions)
    check_counts(bodies=flags.bodies, seeds=flags.seeds, steps=flags.steps)
    check_counts(least=0, oracle=flags.oracle)
    family = load_tasks(f"{flags.tasks}:partition={partitions[0]}")
    names = chosen(flags.learners, family)
    place = flags.runs or place_of(flags.tasks)
    out = flags.out or place / "rows"
    runs.check_writable(out / "row.json")
    ladder = Ladder(
        family=family, learners=names, columns=(), config=TrainConfig(budget=flags.budget), runs=place, out=out
    )
    drives = Drives(
        folds=Folds(tasks=flags.tasks, partitions=partitions, against=names[:1], ladder=ladder),
        bodies=flags.bodies,
        seeds=flags.seeds,
        steps=flags.steps,
        oracle_seeds=flags.oracle,
        how=Planning(method=flags.method, horizon=flags.horizon, samples=flags.samples),
    )
    made = measure(drives, lambda line: print(line, file=sys.stderr, flush=True))
    rows = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in made.items()}
    if flags.json:
        output.print_json(rows)
    else:
        show(rows)
        print(out)
    return 0


def show(rows: dict[str, dict[str, Any]]) -> None:
    """One line a driver; of those that adapt, also the difference from the same learner that does not."""
    lines = []
    for name, row in rows.items():
        other = row["minus"].get(name.replace("-adapting", "-unadapted"), {})
        cells = [row["scores"].get("return"), other.get("return"), row["scores"].get("error")]
        hertz = sum(row["plans_in_a_cpu_second"]["alone"]) / len(row["plans_in_a_cpu_second"]["alone"])
        lines.append([name, *map(said, cells), str(row["blew_up"]), f"{hertz:.1f}"])
    output.print_table(["", "return", "minus unadapted", "one-step error", "blew up", "plans in a CPU second"], lines)
    first = next(iter(rows.values()))
    print(f"\nmean ± 95 % interval over {first['units']} bodies, {first['seeds']} episodes of each\n")


def said(found: dict[str, Any] | None) -> str:
    """Mean and interval."""
    return output.score("return", found["mean"], found["ci95"]) if found else "-"
