"""``quickstudy challenge rank``: rows of a challenge in order."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from quickstudy.app import output
from quickstudy.app.challenge_run import said
from quickstudy.app.flags import parse
from quickstudy.errors import UserError, unknown

DESCRIPTION = """Put rows of one challenge in order, and say which entries cannot be told apart: a paired bootstrap over
the same tasks. ROWS are files, or folders of them; what else lies in a folder is named and left out. Exit code 2: a
row was of a newer version, or a file that was named is no row; the others have their ranks."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Which rows."""

    rows: tyro.conf.Positional[tuple[Path, ...]]
    """Files of rows, or folders with them."""
    by: Literal["score", "examples", "time"] = "score"
    """The final score, or the area under the curve by examples or by time."""
    family: str = ""
    """One family of the challenge, among those that take part in it."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object."""


def main(part: str, args: list[str]) -> int:
    """Run the verb."""
    flags = parse(Flags, args, prog="quickstudy challenge rank", description=DESCRIPTION)
    from quickstudy.challenge.rank import apart, check_same, on_family, rank

    rows, failed = readable(flags.rows)
    if flags.family:
        check_same(rows)
        rows = on_family(rows, number_of(flags.family, rows))
    ranking = rank(rows, flags.by)
    pairs = apart(ranking)
    if flags.json:
        output.print_json(
            {
                "by": flags.by,
                "family": flags.family or None,
                "ranks": [
                    {"entry": one.row["entry"], "mean": one.mean, "rank": list(one.place)} for one in ranking.ranked
                ],
                "differences": [pair._asdict() for pair in ranking.differences],
                "not_told_apart": [[pair.first, pair.second] for pair in pairs],
                "left_out": [{"entry": row["entry"], "why": why} for row, why in ranking.left_out],
            }
        )
        return 2 if failed else 0
    heading = ["rank", "entry", "score", "area by examples", "area by time"]
    names = ("score", "area_by_examples", "area_by_time")
    parts = [taking(one.row) for one in ranking.ranked]
    output.print_table(
        heading + ["takes part in"] * any(parts),
        [
            [
                "-".join(map(str, dict.fromkeys(one.place))),
                one.row["entry"],
                *(said(one.row[name]) for name in names),
                *([some] if any(parts) else []),
            ]
            for one, some in zip(ranking.ranked, parts, strict=True)
        ],
    )
    for pair in pairs:
        print(f"{pair.first} and {pair.second} cannot be told apart ({pair.mean:.3f} ± {pair.ci95:.3f})")
    for row, why in ranking.left_out:
        print(f"{row['entry']} has no place: {why}")
    return 2 if failed else 0


def taking(row: dict[str, Any]) -> str:
    """In which families an entry takes part; empty where it does in all."""
    from quickstudy.challenge.rank import takes_part

    done = [block["tasks"] for block in row["blocks"] if takes_part(block)]
    if len(done) == len(row["blocks"]):
        return ""
    return f"{len(done)} of {len(row['blocks'])}: {', '.join(done)}" if done else "none"


def number_of(family: str, rows: list[dict[str, Any]]) -> int:
    """Of a family, by its name with or without options. UserError where the challenge has none such."""
    names = [block["tasks"] for block in rows[0]["blocks"]]
    short = [name.partition(":")[0] for name in names]
    if family in names:
        return names.index(family)
    if short.count(family) == 1:
        return short.index(family)
    raise unknown(f"family of {rows[0]['challenge']}", family, {*names, *short})


def readable(paths: tuple[Path, ...]) -> tuple[list[dict[str, Any]], bool]:
    """The rows, and whether some could not be had. UserError where none could."""
    from quickstudy.challenge.rank import NoRowError, VersionError, read

    rows, errors = [], list[UserError]()
    for path in files(paths):
        try:
            rows.append(read(path))
        except (NoRowError, VersionError) as error:
            if isinstance(error, NoRowError) and path not in paths:
                errors.append(error.found_in(path.parent))
            else:
                errors.append(error)
    if errors and not rows:
        raise errors[0]
    for one in errors:
        print(f"error: {one}", file=sys.stderr)
    return rows, bool(errors)


def files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Those given, and those in folders."""
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob("*.json"))
            if not found:
                raise UserError(f"{path} has no rows. `quickstudy challenge run` makes them.")
            yield from found
        else:
            yield path
