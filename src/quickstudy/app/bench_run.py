"""``quickstudy bench run``: every learner on a challenge."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from quickstudy import runs
from quickstudy.app import output
from quickstudy.app.bench_ladder import named
from quickstudy.app.challenge_run import folder, show
from quickstudy.app.flags import parse
from quickstudy.errors import UserError

DESCRIPTION = """Let every learner take part in a challenge that can: one JSON row each, the same that `quickstudy
challenge run` makes. Rows that are there, of the same episodes and this version, are not made again, so that a long
table is this command, repeated until it is done. With --parallel several processes share the work, with --ray the
machines of a cluster; the rows are the same, but for their timings."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Which challenge, who takes part, and who does the work."""

    challenge: tyro.conf.Positional[str]
    """One that comes along (quickstudy challenge check names them), or a file NAME.toml."""
    learners: str = "all"
    """Learners, with commas between them; all are those for such tasks."""
    seed: int | None = None
    """Of the tasks; by default the challenge's."""
    parallel: int = 0
    """Processes of this machine that share the work; 0 is this one alone."""
    ray: str = ""
    """Address of a Ray cluster that shares it, or local."""
    out: Path | None = None
    """Folder for the rows; by default runs/challenge/NAME, and NAME-SEED with another seed than the challenge's."""
    again: tyro.conf.FlagCreatePairsOff[bool] = False
    """Make rows anew that are there."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """All rows as one JSON object."""


def main(args: list[str]) -> int:
    """Run the benchmark; the last line on stdout is the folder of the rows."""
    flags = parse(Flags, args, prog="quickstudy bench run", description=DESCRIPTION)
    from quickstudy.challenge import many, suite
    from quickstudy.challenge.check import opened

    crew = crew_of(flags)
    found = suite.load(flags.challenge)
    blocks = opened(found)
    seed = found.seed if flags.seed is None else flags.seed
    out = flags.out or folder(found, seed)
    if out.exists() and not out.is_dir():
        raise UserError(f"--out is {out}, which is a file. Choose a folder.")
    names = [] if flags.learners == "all" else named(flags.learners)
    fit, unfit = many.able(blocks, names)
    for name, why in unfit.items():
        say(f"{name} is left out: {why}")
    if not fit:
        raise UserError(f"none of {flags.learners} does the tasks of {found.name}. Leave --learners out.")
    rows, refused = ({}, {}) if flags.again else kept(out, found, blocks, fit, seed)
    for why in refused.values():
        print(f"error: {why}", file=sys.stderr)
    jobs = [many.Job(suite=found, entry=name, seed=seed) for name in fit if name not in {*rows, *refused}]
    say(f"{found.name}: {output.count(len(rows), 'row')} there, {len(jobs)} to make")
    try:
        for made in crew(jobs, say) if jobs else ():
            if made.row is None:
                refused[made.entry] = made.why
                say(f"{made.entry} has no row: {made.why}")
            else:
                rows[made.entry] = made.row
                runs.write_json(out / f"{made.entry}.json", output.finite(made.row))
    except KeyboardInterrupt:
        say(f"{len(rows)} of {len(fit)} rows are in {out}; the same command goes on.")
        raise
    if flags.json:
        output.print_json(rows)
    elif rows:
        show(sorted(rows.values(), key=lambda row: -(row["score"]["mean"] or 0.0)))
        print(out)
    return 2 if refused else 0


def say(line: str) -> None:
    """Tell whoever waits."""
    print(line, file=sys.stderr, flush=True)


def crew_of(flags: Flags) -> Any:
    """Who makes the rows."""
    from quickstudy.challenge import cluster, many, processes

    if flags.parallel and flags.ray:
        raise UserError("--parallel and --ray both say who does the work. Choose one of them.")
    if flags.ray:
        return cluster.over(flags.ray)
    return processes.by_several(flags.parallel) if flags.parallel else many.one_by_one


def kept(
    out: Path, suite: Any, blocks: Sequence[Any], names: Sequence[str], seed: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """The rows that need not be made again, and why those of a newer version may not."""
    from quickstudy.challenge import many
    from quickstudy.challenge.rank import VersionError

    rows, refused = dict[str, Any](), dict[str, str]()
    there = [name for name in names if (out / f"{name}.json").is_file()]
    episodes = many.manifests(blocks, seed) if there else []
    for name in there:
        try:
            row = many.there(out / f"{name}.json", suite.hash, seed, episodes)
        except VersionError as error:
            refused[name] = str(error)
            continue
        if row is not None:
            rows[name] = row
    return rows, refused
