"""``quickstudy bench ways``: how much slower the way of batching that is chosen is than the best."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from quickstudy.app import output
from quickstudy.app.bench_speed import amount, chosen, settings_of
from quickstudy.app.flags import parse
from quickstudy.bench import rows, ways
from quickstudy.bench.rows import Row
from quickstudy.devices import on_threads
from quickstudy.inner.batch import EAGER, HOWS
from quickstudy.tasks.base import check_counts

DESCRIPTION = """Let auto choose how tasks are batched, as in a first call and as in a long training, several times;
then time every way that can do it, in turn: how many times slower than the best is the chosen one? docs/speed.md
explains it."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to measure, and how."""

    works: str = "all"
    """Works, with commas between them."""
    threads: int = 0
    """Threads; 0 for one a core."""
    rounds: int = 7
    """How often each way is measured, after warming up."""
    choices: int = 5
    """How often it is chosen, with all earlier choices forgotten."""
    eager: tyro.conf.FlagCreatePairsOff[bool] = False
    """Without compiled, which needs a C++ compiler and half a minute a work."""
    seed: int = 0
    """Of episodes and initial weights."""
    device: str = "auto"
    """auto, cpu or cuda."""
    out: Path = Path("runs/ways")
    """Folder for a row a work."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object: the row of each work."""


def main(args: list[str]) -> int:
    """Run the benchmark; the last line on stdout is the folder of the rows."""
    flags = parse(Flags, args, prog="quickstudy bench ways", description=DESCRIPTION)
    names = chosen(flags.works, ways.TIMED, "work")
    settings = settings_of(threads=flags.threads, rounds=flags.rounds, seed=flags.seed, device=flags.device)
    check_counts(choices=flags.choices)
    found: dict[str, Row] = {}
    hows = EAGER if flags.eager else HOWS
    with on_threads(settings.threads):
        for name in names:
            found[name] = ways.row(name, settings, flags.choices, hows, lambda line: print(line, file=sys.stderr))
            rows.write(found[name], flags.out)
    if flags.json:
        output.print_json(found)
        return 0
    output.print_table(
        ("work", *HOWS, "first choice", "slower", "later", "slower"), [line(row) for row in found.values()]
    )
    print("\nslower than the best: median of the choices, and the worst of them\n")
    print(flags.out)
    return 0


def line(row: Row) -> list[str]:
    """One row's cells."""
    times = [row["ways"][how].get("seconds") for how in HOWS]
    cells = [amount(one["median"], "seconds") if one else "-" for one in times]
    for when in ("first", "later"):
        slower = row[when]["slower"]
        cells += [", ".join(row[when]["chosen"]), f"{slower['median']:.2f}, {slower['worst']:.2f}"]
    return [row["work"], *cells]
