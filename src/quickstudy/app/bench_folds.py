"""``quickstudy bench folds``: learners trained and judged over several partitions of the same people."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import tyro

from quickstudy import learners, runs
from quickstudy.app import output
from quickstudy.app.bench_ladder import chosen, columns
from quickstudy.app.flags import check_seed, parse
from quickstudy.bench.folds import Folds, measure
from quickstudy.bench.ladder import Ladder, Refused
from quickstudy.errors import UserError, unknown
from quickstudy.plan import TrainConfig
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import check_counts

DESCRIPTION = """Train every learner anew on each partition of a family of people, by its own recipe, and judge all on
the same held-out ones: one JSON row for each learner and column, with paired differences. What is there is not made
again, and a training that was interrupted is resumed, so that a long table is this command, repeated."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to compare, and where it goes."""

    tasks: str
    """Task family that has partitions, with its options."""
    learners: str = "all"
    """Learners, with commas between them; all are those for such tasks."""
    at: str
    """Columns: shots of the episodes (5s,10s), or ways and shots (5w1s,20w1s)."""
    against: str = ""
    """Learners from whom differences are taken, with commas between them; by default the first."""
    partitions: str = "0,1,2,3,4"
    """Numbers of partitions, with commas between them."""
    episodes: int = 600
    """Episodes of each partition."""
    query: int = 15
    """Queries of each class, or of a task."""
    budget: float = 0.0
    """CPU seconds of each training; 0 leaves it to the recipes."""
    shot: int = 0
    """Support examples of training episodes; 0 leaves it to the recipes."""
    settings: str = ""
    """Of those learners that have them, with commas between them: gradient=first-order,inner_rate=0.1."""
    seed: int = 0
    """Of weights and episodes."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    runs: Path | None = None
    """Folder for the runs; by default one of the tasks' own below runs/folds."""
    out: Path | None = None
    """Folder for the rows; by default rows in that of the runs."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """All rows as one JSON object."""


def main(args: list[str]) -> int:
    """Run the benchmark; the last line on stdout is the folder of the rows."""
    flags = parse(Flags, args, prog="quickstudy bench folds", description=DESCRIPTION)
    partitions = numbers(flags.partitions)
    check_counts(episodes=flags.episodes, query=flags.query)
    check_counts(least=0, shot=flags.shot)
    check_seed(flags.seed)
    family = load_tasks(f"{flags.tasks}:partition={partitions[0]}")
    names = chosen(flags.learners, family)
    against = rivals(flags.against, names) or names[:1]
    place = flags.runs or place_of(flags.tasks)
    out = flags.out or place / "rows"
    runs.check_writable(out / "row.json")
    ladder = Ladder(
        family=family,
        learners=names,
        columns=columns(flags.at, family),
        config=TrainConfig(budget=flags.budget, shot=flags.shot or None, seed=flags.seed, device=flags.device),
        settings=settings_of(flags.settings, names),
        episodes=flags.episodes,
        query=flags.query,
        seed=flags.seed,
        runs=place,
        out=out,
    )
    folds = Folds(tasks=flags.tasks, partitions=partitions, against=against, ladder=ladder)
    made, refused = measure(folds, lambda line: print(line, file=sys.stderr))
    if not made:
        raise UserError("no learner has a row. " + " ".join(f"{one.learner}: {one.why}" for one in refused))
    rows = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in made}
    if flags.json:
        output.print_json(rows)
    else:
        show(folds, rows, refused)
        print(out)
    return 0


def rivals(text: str, names: list[str]) -> list[str]:
    """Those from whom differences are taken; UserError for one that is not among ``names``."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    for name in found:
        if name not in names:
            raise unknown("learner of --against, which are among --learners:", name, names)
    return found


def settings_of(text: str, names: list[str]) -> dict[str, Any]:
    """Settings as ``text`` has them; UserError for what is none, or no setting of any of the learners ``names``."""
    found: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise UserError(f"--settings has {part!r}; expected for example gradient=first-order,inner_rate=0.1.")
        known = {field.name for one in names for field in fields(learners.learner_class(one).Config)}
        if name not in known:
            raise unknown("setting of --settings", name, sorted(known))
        found[name] = next((made for read in (int, float) if (made := read_as(read, value)) is not None), value)
    return found


def read_as(kind: type[int] | type[float], value: str) -> float | None:
    """The number that ``value`` is; None where it is none."""
    try:
        return kind(value)
    except ValueError:
        return None


def place_of(tasks: str) -> Path:
    """Where the runs of a family over its partitions are, unless it is said."""
    return Path("runs/folds") / re.sub(r"[^\w.+-]+", "-", tasks.replace("=", ""))


def numbers(text: str) -> list[int]:
    """Those of the partitions; UserError for what is none, or twice there."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len({*parts}) < len(parts):
        raise UserError(f"--partitions is {text!r}; expected numbers with commas between them: 0,1,2,3,4.")
    return [int(part) for part in parts]


def show(folds: Folds, rows: dict[str, dict[str, Any]], refused: list[Refused]) -> None:
    """For each column one line a learner, the best on top, and its difference from each of those it is held against."""
    spec = folds.ladder.family.spec
    sign = -1 if spec.higher_is_better else 1
    for column in folds.ladder.columns:
        told = [row for name in folds.ladder.learners if (row := rows.get(f"{name}-{column}"))]
        told.sort(key=lambda row: sign * (math.inf if (mean := _mean(row, spec.metric)) is None else mean))
        metrics = list(dict.fromkeys(metric for row in told for metric in row["scores"]))
        heading = [str(column), *metrics, *(f"{spec.metric} - {other}'s" for other in folds.against)]
        output.print_table(heading, [[row["learner"], *_cells(row, metrics, folds, spec.metric)] for row in told])
        if best := next((row["oracle"] for row in told if row["oracle"]), None):
            print(f"the best possible answer to these tasks has {spec.metric} {_said(spec.metric, best)}")
        print()
    for row in list(rows.values())[:1]:
        print(f"mean ± 95 % interval over {row['units']} units of {len(folds.partitions)} partitions\n")
    for one in refused:
        print(f"{one.learner} has no row: {one.why}\n")


def _mean(row: dict[str, Any], metric: str) -> float | None:
    mean: float | None = row["scores"][metric]["mean"]
    return mean


def _cells(row: dict[str, Any], metrics: list[str], folds: Folds, primary: str) -> list[str]:
    own = [_said(metric, row["scores"].get(metric)) for metric in metrics]
    return own + [_said(primary, row["minus"].get(other, {}).get(primary)) for other in folds.against]


def _said(metric: str, cell: dict[str, Any] | None) -> str:
    if not cell or cell["mean"] is None:
        return "-"
    return output.score(metric, cell["mean"], cell["ci95"])
