"""``quickstudy bench strides``: how many strides of a robot one core simulates in a CPU second."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from quickstudy.app import output
from quickstudy.app.flags import check_seed, parse
from quickstudy.errors import UserError

DESCRIPTION = """Simulate one-second strides of robots in one thread: how many there are in a CPU second, the median of
several rounds. Where the machine is busy they are fewer."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Whose strides."""

    bodies: str = "cheetah,ant"
    """cheetah, ant, go1 or MJCF files of one's own, with commas between them."""
    strides: int = 256
    """Random gaits on flat ground, in each round."""
    rounds: int = 5
    """Times that they are simulated."""
    seed: int = 0
    """Of the gaits."""
    out: Path = Path("runs/strides-speed.json")
    """File for the rows."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """All rows as one JSON object."""


def main(args: list[str]) -> int:
    """Run the benchmark; the last line on stdout is the file of the rows."""
    flags = parse(Flags, args, prog="quickstudy bench strides", description=DESCRIPTION)
    from quickstudy import runs
    from quickstudy.bench.strides import measure
    from quickstudy.tasks.base import check_counts
    from quickstudy.tasks.robots.strides import body_named

    check_counts(strides=flags.strides, rounds=flags.rounds)
    check_seed(flags.seed)
    names = [name.strip() for name in flags.bodies.split(",") if name.strip()]
    if not names:
        raise UserError(f"--bodies is {flags.bodies!r}; expected names with commas between them: cheetah,ant.")
    runs.check_writable(flags.out)
    bodies = {name: body_named(name) for name in names}
    rows: dict[str, dict[str, Any]] = {}
    for name, body in bodies.items():
        print(f"{name}: {flags.rounds} times {flags.strides} strides ...", file=sys.stderr)
        rows[name] = measure(body, strides=flags.strides, rounds=flags.rounds, seed=flags.seed)
    runs.write_json(flags.out, rows)
    if flags.json:
        output.print_json(rows)
        return 0
    told = [[name, *(f"{row['per_cpu_s'][at]:.0f}" for at in ("median", "min", "max"))] for name, row in rows.items()]
    output.print_table(["", "strides a CPU second", "least", "most"], told)
    print(f"\nmedian of {flags.rounds} rounds; one thread of {next(iter(rows.values()))['processor']}\n")
    print(flags.out)
    return 0
