"""``quickstudy bench serve``: the server under load."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from quickstudy import runs
from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.bench import serving
from quickstudy.bench.process import WorkerError
from quickstudy.bench.rows import Row
from quickstudy.bench.serving import Load, Serve
from quickstudy.errors import UserError
from quickstudy.server.settings import given_weights

DESCRIPTION = """Start a server on a store of many models and ask it as many users would: how many answers a second, how
soon, in how much memory; and how soon one user sees what an added example changes. docs/server.md explains it."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to measure, and where it goes."""

    load: tyro.conf.OmitArgPrefixes[Load] = field(default_factory=Load)
    weights: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A learner in place of the bundled one: characters=PATH of a run."""
    threads: int = 0
    """Threads of the server's arithmetic; 0 for its default."""
    decoders: int = 2
    """Processes of the server that read pictures; 0 for threads."""
    out: Path | None = None
    """File for the row."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """The row as JSON."""


def main(args: list[str]) -> int:
    """Run the benchmark; 1 where an answer was an error."""
    flags = parse(Flags, args, prog="quickstudy bench serve", description=DESCRIPTION)
    given_weights(flags.weights)
    serve = Serve(flags.weights, flags.threads, flags.decoders)
    try:
        found = serving.measure(flags.load, serve, lambda line: print(line, file=sys.stderr))
    except WorkerError as lost:
        raise UserError(f"{lost}. Look whether `quickstudy serve` runs here.") from lost
    if flags.out is not None:
        runs.write_json(flags.out, found)
    if flags.json:
        output.print_json(found)
    else:
        show(found)
    return 1 if found["errors"] else 0


def show(found: Row) -> None:
    """The row in words."""
    rows = [
        ("answers a second", f"{found['answered_per_s']:.1f}, {found['errors']} errors, {found['right']:.1%} right"),
        ("a prediction", times(found["predict_ms"])),
        ("example added, then asked", times(found["add_then_predict_ms"])),
        ("users were kept waiting", f"by their own process, at most {found['users_late_ms']:.0f} ms"),
        ("questions a batch", f"{found['questions_a_batch']:.1f}"),
        ("memory", f"{found['memory_mb']['before']:.0f} MB before, {found['memory_mb']['after']:.0f} MB after"),
        ("CPU", f"server {found['cpu_s']['server']:.1f} s, users {found['cpu_s']['users']:.1f} s"),
        ("the machine was busy", ", ".join(f"{name} {share:.0%}" for name, share in found["machine_busy"].items())),
    ]
    output.print_table(("", ""), rows)
    if found["first_error"]:
        print(f"first error: {found['first_error']}", file=sys.stderr)


def times(spread: dict[str, float]) -> str:
    """Percentiles in words."""
    return f"median {spread['p50']:.1f} ms, 95 % within {spread['p95']:.1f} ms, 99 % within {spread['p99']:.1f} ms"
