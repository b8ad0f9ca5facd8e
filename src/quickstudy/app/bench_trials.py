"""``quickstudy bench trials``: trial and error of a robot on held-out grounds."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from quickstudy import runs
from quickstudy.app import output
from quickstudy.app.bench_folds import numbers, place_of, rivals
from quickstudy.app.bench_ladder import chosen
from quickstudy.app.flags import check_seed, parse
from quickstudy.bench.folds import Folds
from quickstudy.bench.ladder import Ladder
from quickstudy.bench.trials import Asked, Contest, measure
from quickstudy.control.acquisition import Rule
from quickstudy.errors import UserError
from quickstudy.plan import TrainConfig
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import check_counts
from quickstudy.tasks.robots.strides import Strides

DESCRIPTION = """Let learners find the fastest stable gait on grounds that they have not met, try by try, beside the
cross-entropy method with hundreds of tries, and gaits that go at commanded speeds: one JSON row for each learner, with
paired differences. Learners are trained as by `quickstudy bench folds`, whose runs are taken where they are there."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Who tries, and where it goes."""

    tasks: str = "strides"
    """Task family strides, with its options."""
    learners: str
    """Learners, with commas between them."""
    against: str = ""
    """Learners from whom differences are taken, with commas between them; by default the first."""
    partitions: str = "0,1,2,3,4"
    """Numbers of partitions, with commas between them."""
    tries: int = 20
    """Tries on each ground."""
    asked: Asked = "fastest"
    """What is tried for: the fastest gait, or gaits that go at four speeds, each by tries of its own."""
    rule: Rule = "improvement"
    """How a try for the fastest is chosen: improvement, bound, mean or random."""
    budget: float = 0.0
    """CPU seconds of each training; 0 leaves it to the recipes."""
    seed: int = 0
    """Of weights and ties."""
    runs: Path | None = None
    """Folder for the runs; by default that of bench folds."""
    out: Path | None = None
    """Folder for the rows; by default rows in that of the runs."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """All rows as one JSON object."""


def main(args: list[str]) -> int:
    """Run the benchmark; the last line on stdout is the folder of the rows."""
    flags = parse(Flags, args, prog="quickstudy bench trials", description=DESCRIPTION)
    partitions = numbers(flags.partitions)
    check_counts(tries=flags.tries)
    check_seed(flags.seed)
    family = load_tasks(f"{flags.tasks}:partition={partitions[0]}")
    names = chosen(flags.learners, family)
    if not names:
        raise UserError(f"--learners is {flags.learners!r}; expected learners with commas between them.")
    most = len(family.table.gaits) if isinstance(family, Strides) else flags.tries
    if flags.tries > most:
        raise UserError(f"--tries is {flags.tries}, but {flags.tasks} has {most} gaits. Ask for at most {most}.")
    against = rivals(flags.against, names) or names[:1]
    place = flags.runs or place_of(flags.tasks)
    out = flags.out or place / "rows"
    runs.check_writable(out / "row.json")
    ladder = Ladder(
        family=family,
        learners=names,
        columns=(),
        config=TrainConfig(budget=flags.budget, seed=flags.seed),
        seed=flags.seed,
        runs=place,
        out=out,
    )
    folds = Folds(tasks=flags.tasks, partitions=partitions, against=against, ladder=ladder)
    shown = sorted({flags.tries, *(many for many in (1, 3, 5, 10, 20, 50) if many <= flags.tries)})
    contest = Contest(folds=folds, tries=flags.tries, shown=shown, rule=flags.rule, asked=flags.asked)
    made = measure(contest, lambda line: print(line, file=sys.stderr))
    if not made:
        raise UserError("nobody has tried.")
    rows = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in made.items()}
    if flags.json:
        output.print_json(rows)
    else:
        (show if flags.asked == "fastest" else show_commands)(rows, shown)
        print(out)
    return 0


def show(rows: dict[str, dict[str, Any]], shown: list[int]) -> None:
    """One line a learner."""
    lines = []
    for name, row in rows.items():
        scores = row["scores"]
        best = [f"{scores[f'best of {many}']['mean']:.3f}" for many in shown]
        share = f"{row['share of cem'][str(min(10, shown[-1]))]:.1%}"
        lines.append([name, *best, share, f"{scores['tries until near']['mean']:.1f}"])
    output.print_table(["", *(f"best of {many}" for many in shown), "of cem", "tries until near"], lines)
    first = next(iter(rows.values()))
    print(f"metres a second, mean over {first['grounds']} grounds; cem {first['scores']['cem']['mean']:.3f}\n")


def show_commands(rows: dict[str, dict[str, Any]], shown: list[int]) -> None:
    """One line a learner."""
    lines = [
        [name, *(f"{row['scores'][f'off after {many}']['mean']:.3f}" for many in (0, *shown))]
        for name, row in rows.items()
    ]
    output.print_table(["", "not adapting", *(f"after {many} tries" for many in shown)], lines)
    print(f"metres a second off the speed commanded, mean over {next(iter(rows.values()))['grounds']} grounds\n")
