"""``quickstudy bench grips``: objects gripped after a few test lifts, by learners and by rules."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from quickstudy import runs
from quickstudy.app import output
from quickstudy.app.bench_folds import numbers, rivals
from quickstudy.app.bench_ladder import named
from quickstudy.app.flags import check_seed, parse
from quickstudy.bench.grips import SETS, Plan, measure
from quickstudy.errors import UserError
from quickstudy.plan import TrainConfig
from quickstudy.tasks.base import check_counts

DESCRIPTION = """Train every learner anew on each partition of the objects, let it settle its margin on validation
objects, and let it grip test objects in the true simulation: inside the trained range, outside it, and of other shapes.
One JSON row for each learner, with paired differences. What is there is not made again."""
AGAINST = "frictiongrip"
LEARNERS = "maxgrip,fixedgrip,pooled,reactivegrip,frictiongrip,cnp,anp,maml,bayeslinear"
SHOWN = {"success": "success", "ratio": "force / need", "dropped": "dropped", "crushed": "crushed"}


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to compare, and where it goes."""

    learners: str = LEARNERS
    """Learners, with commas between them."""
    against: str = ""
    """Learners from whom differences are taken; by default frictiongrip, or the first."""
    partitions: str = "0,1,2,3,4"
    """Numbers of partitions, with commas between them."""
    lifts: int = 4
    """Test lifts before the grip."""
    wider: float = 4.0
    """Factor by which objects are made heavier or lighter in training at most; slippery by its root."""
    simulated: bool = False
    """Coulomb's law in place of MuJoCo."""
    steps: int = 0
    """Meta-steps of each training; 0 leaves it to the recipes."""
    seed: int = 0
    """Of weights, episodes and noise; each partition adds its number for the first two."""
    runs: Path | None = None
    """Folder for the runs; by default runs/grips."""
    out: Path | None = None
    """Folder for the rows; by default rows in that of the runs."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """All rows as one JSON object."""


def main(args: list[str]) -> int:
    """Run the benchmark; the last line on stdout is the folder of the rows."""
    flags = parse(Flags, args, prog="quickstudy bench grips", description=DESCRIPTION)
    check_counts(lifts=flags.lifts)
    check_counts(least=0, steps=flags.steps)
    check_seed(flags.seed)
    names = named(flags.learners)
    if not names:
        raise UserError(f"--learners is {flags.learners!r}; expected learners with commas between them.")
    against = rivals(flags.against, names) or [AGAINST if AGAINST in names else names[0]]
    place = flags.runs or Path("runs/grips")
    out = flags.out or place / "rows"
    runs.check_writable(out / "row.json")
    plan = Plan(
        options=f":wider={flags.wider:g}".replace("+", "") * (flags.wider != 4) + ":simulated=true" * flags.simulated,
        partitions=numbers(flags.partitions),
        learners=names,
        against=against,
        config=TrainConfig(shot=1, max_shot=flags.lifts, query=8, steps=flags.steps or None),
        runs=place,
        out=out,
        seed=flags.seed,
        lifts=flags.lifts,
    )
    made = measure(plan, lambda line: print(line, file=sys.stderr, flush=True))
    rows = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in made}
    if flags.json:
        output.print_json(rows)
    else:
        show(list(rows.values()))
        print(plan.out)
    return 0


def show(rows: Sequence[dict[str, Any]]) -> None:
    """For each kind of objects one line a learner, the best on top."""
    for objects in SETS:
        mine = [row for row in rows if row["objects"] == objects]
        mine.sort(key=lambda row: -row["scores"]["success"]["mean"])
        lines = [[row["learner"], *(said(row["scores"].get(metric)) for metric in SHOWN)] for row in mine]
        output.print_table([objects, *SHOWN.values()], lines)
        print()
        print(f"mean ± 95 % interval over {mine[0]['units']} objects, {len(mine[0]['partitions'])} partitions\n")


def said(cell: dict[str, Any] | None) -> str:
    """Mean and interval."""
    return output.score("ratio", cell["mean"], cell["ci95"]) if cell else "-"
