"""``quickstudy leaderboard verify``: rows made again from what they say of themselves."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.errors import UserError

DESCRIPTION = """Make rows again from their command, seed and version, and say of each: reproduced, within its interval,
or not reproduced. A learner is trained for as many steps as the row says. Rows of `evaluate` need the run that they
judge. Exit code 0: all came out, at least within their intervals; 1: some did not; 2: some cannot be made again."""
RUN = ["quickstudy", "challenge", "run"]


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Which rows."""

    rows: tyro.conf.Positional[tuple[Path, ...]]
    """Files of rows."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object."""


def main(args: list[str]) -> int:
    """Run the verb."""
    flags = parse(Flags, args, prog="quickstudy leaderboard verify", description=DESCRIPTION)
    if not flags.rows:
        raise UserError("say which rows, for example: quickstudy leaderboard verify runs/challenge/sprint/nearest.json")
    from quickstudy.app.board_collect import read
    from quickstudy.challenge.rank import NoRowError, VersionError

    found, failed = {}, False
    for path in flags.rows:
        try:
            row = read(path)
            done = verified(row)
        except (NoRowError, VersionError) as error:  # which name the file
            failed = True
            print(f"error: {error}", file=sys.stderr)
            continue
        except UserError as error:
            failed = True
            print(f"error: {path}: {error}", file=sys.stderr)
            continue
        found[str(path)] = {"verdict": done.verdict, "why": done.why}
        if not flags.json:
            print(f"{done.verdict}: {path}: {done.why}", flush=True)
    if flags.json:
        output.print_json(found)
    return 2 if failed else int(any(one["verdict"] == "not reproduced" for one in found.values()))


def verified(row: Any) -> Any:
    """The verdict on a row. UserError where it cannot be made again."""
    from quickstudy.challenge import suite
    from quickstudy.challenge.entry import enter
    from quickstudy.challenge.verify import verify

    if not row.challenge:
        return evaluated(row.value)
    words = shlex.split(row.command)
    if words[: len(RUN)] != RUN:
        raise UserError("the row has no command that makes it: it is older, or of a table of answers.")
    from quickstudy.app.challenge_run import Flags as Entered

    entered = parse(Entered, words[len(RUN) :], prog="the row's command", description="")
    if len(entered.entries) != 1:
        raise UserError(f"the row's command is {row.command!r}, which is not of one entry.")
    challenge = suite.load(entered.challenge)
    entry = enter(entered.entries[0], entered.name)
    return verify(row.value, challenge, entry, lambda line: print(line, file=sys.stderr))


def evaluated(value: Mapping[str, Any]) -> Any:
    """The verdict on a row of ``evaluate``."""
    from quickstudy import learners
    from quickstudy.challenge.verify import Verdict, Verified, check_version, is_within, said
    from quickstudy.evaluation import evaluate
    from quickstudy.tasks import load as load_tasks

    check_version(value)
    if "manifest" not in value:
        raise UserError("a row of bench folds has several trainings. Run its command with another --out and compare.")
    family = load_tasks(value["tasks"])
    run: Any = Path(value["run"]) if value.get("run") else None
    if run is None:
        run = learners.build(value["learner"], family.spec, learners.configure(value["learner"], {}), value["seed"])
        if run.learns:
            raise UserError(f"the row does not say which run of {value['learner']} it judged.")
    elif not run.is_dir():
        raise UserError(f"its run {run} is not here. Train it again as the row says, or fetch it.")
    sizes = {name: value[name] for name in ("split", "shot", "query", "episodes", "seed")}
    fresh = evaluate(run, family, way=value["way"] or 5, device=value["device"], **sizes).to_json()
    if fresh["manifest"] != value["manifest"]:
        raise UserError(f"the episodes of {value['tasks']} are others here. Fetch the data that the row was made from.")
    old, new = ({"score": {"mean": one["mean"], "ci95": one["ci95"]}} for one in (value, fresh))
    close = is_within(old["score"] | {"ci95": 0.0}, new["score"])
    within: Verdict = "within interval" if is_within(old["score"], new["score"]) else "not reproduced"
    return Verified("reproduced" if close else within, said("score", old, new), fresh)
