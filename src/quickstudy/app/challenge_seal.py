"""``quickstudy challenge seal`` and ``score``: tasks as files, and submissions for them."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from quickstudy import runs
from quickstudy.app import output
from quickstudy.app.flags import parse

SEAL = """Write the tasks of a challenge as files: a folder public for participants, with the labels of queries gone,
and a folder private that the host keeps, with the solution and a metric.py as Kaggle's hosts upload it."""
SCORE = """Judge a table of answers for sealed tasks."""


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What to seal, and where it goes."""

    challenge: tyro.conf.Positional[str]
    """One that comes along, or a file NAME.toml."""
    out: Path
    """Folder to make."""
    train_tasks: int = 100
    """Training tasks of each family."""
    seed: int | None = None
    """Of the tasks; by default one that nobody knows. It is kept in private/manifest.json."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What to judge."""

    submission: tyro.conf.Positional[Path]
    """Table with the columns id and answer."""
    solution: Path
    """private/solution.csv of the sealed challenge."""
    row: Path | None = None
    """Also write a row for challenge rank."""
    name: str = ""
    """What the entry is called there; by default after the file of its row, or its own."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """The row as JSON."""


def main(part: str, args: list[str]) -> int:
    """Run the verb; the last line on stdout of ``seal`` is the folder, of ``score`` the score."""
    return seal(args) if part == "seal" else score(args)


def seal(args: list[str]) -> int:
    """Write the folders."""
    flags = parse(Seal, args, prog="quickstudy challenge seal", description=SEAL)
    from quickstudy.challenge import seal as sealing
    from quickstudy.challenge import suite
    from quickstudy.challenge.check import opened
    from quickstudy.tasks.base import check_counts

    check_counts(**{"train-tasks": flags.train_tasks})
    found = suite.load(flags.challenge)
    seed = secrets.randbits(62) if flags.seed is None else flags.seed
    made = sealing.seal(
        found, opened(found), flags.out, seed=seed, salt=secrets.token_hex(16), train_tasks=flags.train_tasks
    )
    print(
        f"hand out {made / 'public'}, keep {made / 'private'}. Learners on the same tasks: quickstudy challenge run "
        f"{flags.challenge} nearest --seed {seed}",
        file=sys.stderr,
    )
    print(made)
    return 0


def score(args: list[str]) -> int:
    """Say what a submission is worth."""
    flags = parse(Score, args, prog="quickstudy challenge score", description=SCORE)
    from quickstudy.challenge.submission import judge

    row = judge(flags.submission, flags.solution, flags.name or (flags.row or flags.submission).stem)
    if flags.row is not None:
        runs.write_json(flags.row, row)
    if flags.json:
        output.print_json(row)
        return 0
    for block in row["blocks"]:
        cells = block["score"], block["raw"]
        own, raw = (
            output.score(block["metric"] if cell is cells[1] else "", cell["mean"], cell["ci95"]) for cell in cells
        )
        print(f"{block['tasks']}: {own}  ({block['metric']} {raw})")
    print(output.score("", row["score"]["mean"], row["score"]["ci95"]))
    return 0
