"""``quickstudy bench tables``: fit and predict on real tables, beside what people use now."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.errors import UserError, unknown

DESCRIPTION = """Learn real tables from 5, 10 or 20 rows of each class and ask about all other rows, beside logistic
regression, a random forest and nearest neighbours (scikit-learn's defaults, gaps filled, numbers scaled). One JSON row
for each table and number of rows; rows that are there are not made again. Needs quickstudy[tables]."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to learn, and where rows go."""

    weights: str = "tables"
    """Run folder, or weights that come with the package."""
    tables: str = "all"
    """Tables, with commas between them."""
    shots: str = "5,10,20"
    """Rows of each class to learn from, with commas between them."""
    episodes: int = 100
    """Draws of them for each row."""
    seed: int = 0
    """Of the draws."""
    out: Path = Path("runs/tables-bench")
    """Folder for the rows."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """All rows as one JSON object."""


def main(args: list[str]) -> int:
    """Run the benchmark; the last line on stdout is the folder of the rows."""
    flags = parse(Flags, args, prog="quickstudy bench tables", description=DESCRIPTION)
    from quickstudy import runs
    from quickstudy.bench import tables

    names = list(tables.TABLES) if flags.tables == "all" else [name.strip() for name in flags.tables.split(",")]
    for name in names:
        if name not in tables.TABLES:
            raise unknown("table", name, tables.TABLES)
    shots = [int(shot) if shot.strip().isdecimal() else 0 for shot in flags.shots.split(",")]
    if 0 in shots:
        raise UserError(f"--shots is {flags.shots!r}; expected numbers of rows with commas between them: 5,10,20.")
    if flags.episodes < 2:
        raise UserError(f"--episodes is {flags.episodes}; expected 2 or more.")
    found = {}
    for name in names:
        for shot in shots:
            path = flags.out / f"{name}-{shot}s.json"
            if not path.is_file():
                print(f"{name}, {shot} rows of each class ...", file=sys.stderr)
                row = tables.measure(flags.weights, name, shot=shot, episodes=flags.episodes, seed=flags.seed)
                runs.write_json(path, row)
            found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    if flags.json:
        output.print_json(found)
        return 0
    models = list(dict.fromkeys(model for row in found.values() for model in row["scores"]))
    lines = [(name, *(_said(row["scores"].get(model)) for model in models)) for name, row in found.items()]
    output.print_table(("table", *models), lines)
    print(flags.out)
    return 0


def _said(score: dict[str, Any] | None) -> str:
    return "-" if score is None else output.score("accuracy", score["mean"], score["ci95"])
