"""``quickstudy challenge run``: entries on a challenge."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from quickstudy import runs
from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.errors import UserError

DESCRIPTION = """Let entries take part in a challenge, each in a process of its own with limits of time, memory and
files, without network and without the labels of what is asked where the system allows. A row that is there already is
not made again, unless the challenge or the entry's files have changed. An entry that cannot take part is named, and the
others go on.

ENTRIES are learners of the list, files with a learner of your own (mine.py), run folders, folders with a model.py as in
the MetaDL challenge, or command lines in quotes that speak JSON lines ("node mine.js")."""


SHORT = 80
"""Letters of a reason in the table."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Who takes part in what."""

    challenge: tyro.conf.Positional[str]
    """One that comes along (quickstudy challenge check names them), or a file NAME.toml."""
    entries: tyro.conf.Positional[tuple[str, ...]]
    """Who takes part."""
    name: str = ""
    """What the entry is called, where there is one alone; by default after its file."""
    seed: int | None = None
    """Of the tasks; by default the challenge's. Hosts keep it to themselves."""
    out: Path | None = None
    """Folder for the rows; by default runs/challenge/NAME, and NAME-SEED with another seed than the challenge's."""
    again: tyro.conf.FlagCreatePairsOff[bool] = False
    """Make rows anew that are there."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """All rows as one JSON object."""


def main(part: str, args: list[str]) -> int:
    """Run the verb; the last line on stdout is the folder of the rows."""
    flags = parse(Flags, args, prog="quickstudy challenge run", description=DESCRIPTION)
    from quickstudy.challenge import suite
    from quickstudy.challenge.check import opened

    if not flags.entries:
        raise UserError("say who takes part, for example: quickstudy challenge run sprint nearest mine.py")
    if flags.name and len(flags.entries) > 1:
        raise UserError(f"--name is {flags.name!r}, and there are {len(flags.entries)} entries. Run them one by one.")
    found = suite.load(flags.challenge)
    blocks = opened(found)
    seed = found.seed if flags.seed is None else flags.seed
    out = flags.out or folder(found, seed)
    rows, failed = take_part(found, blocks, flags, seed, out)
    if flags.json:
        output.print_json(rows)
    elif rows:
        show(list(rows.values()))
        print(out)
    return 2 if failed else 0


def folder(suite: Any, seed: int) -> Path:
    """Where rows go by default: those of one folder are of the same tasks."""
    return Path("runs/challenge") / (suite.name if seed == suite.seed else f"{suite.name}-{seed}")


def take_part(found: Any, blocks: Sequence[Any], flags: Flags, seed: int, out: Path) -> tuple[dict[str, Any], int]:
    """The rows of all entries by name, and how many could not take part."""
    from quickstudy.challenge.entry import enter
    from quickstudy.challenge.many import check_name, there
    from quickstudy.challenge.run import run

    rows: dict[str, Any] = {}
    failed = 0
    for text in flags.entries:
        try:
            entry = enter(text, flags.name)
            name = entry.name
            if name in rows:
                raise UserError(f"two entries are called {name}. Run {text!r} by itself, with --name.")
            path = out / f"{name}.json"
            if not flags.again:
                check_name(path, entry)
            row = None if flags.again else there(path, found.hash, seed, files=entry.files)
            if row is not None:
                rows[name] = row
                continue
            rows[name] = run(found, blocks, entry, seed, lambda line: print(line, file=sys.stderr))
            runs.write_json(path, output.finite(rows[name]))
        except UserError as error:
            failed += 1
            print(f"error: {text}: {error}", file=sys.stderr)
    return rows, failed


def show(rows: list[dict[str, Any]]) -> None:
    """A line for each entry."""
    heading = ["entry", "score", "area by examples", "area by time", "memory", "trained", "remarks"]
    output.print_table(heading, [cells(row) for row in rows])
    row = rows[0]
    print(
        f"\n{row['challenge']}, {row['tasks']} tasks, seed {row['seed']}: 0 is chance, 1 perfect or the best possible"
    )


def cells(row: dict[str, Any]) -> list[str]:
    """A row in words."""
    return [
        row["entry"],
        *(said(row[name]) for name in ("score", "area_by_examples", "area_by_time")),
        f"{row['memory_mb']:.0f} MB",
        output.duration(row["training_s"]),
        "; ".join(remarks(row)),
    ]


def short(text: str) -> str:
    """The beginning of a sentence; the row has all of it."""
    return text if len(text) <= SHORT else f"{text[:SHORT].rstrip()} ..."


def said(cell: dict[str, Any]) -> str:
    """A mean with its interval."""
    return "-" if cell["mean"] is None else output.score("", cell["mean"], cell["ci95"])


def remarks(row: dict[str, Any]) -> list[str]:
    """What whoever reads the numbers should know."""
    from quickstudy.challenge.neighbours import BROKEN

    found = []
    blocks = row["blocks"]
    if row["breaks_the_rules"]:
        why = dict.fromkeys(BROKEN[block["inductive"]] for block in blocks if block["inductive"] in BROKEN)
        found.append(f"breaks the rules: {'; '.join(why)}")
    elif any(block["inductive"] == "rolls dice" for block in blocks):
        found.append("answers the same question in two ways, so nobody can say whether it looks at other queries")
    if ended := next((block for block in blocks if block["ended"]), None):
        found.append(
            f"{ended['tasks']}: {ended['answered']} of {ended['episodes']} tasks answered: {short(ended['ended'])}"
        )
    if wrong := next((block["wrong"][0] for block in blocks if block["wrong"]), ""):
        found.append(
            f"{sum(block['wrong_answers'] for block in blocks)} answers, of all that was asked, were none ({wrong})"
        )
    if not all(block["time"]["holds"] for block in blocks):
        found.append("timing void: the reference workload drifted by more than 10 %")
    if any(block["isolation"] and not block["isolation"]["network"] for block in blocks):
        found.append("this system cuts off neither network nor files: limits of resources alone")
    return found
