"""``quickstudy bench ladder``: every learner at one budget, on the same episodes."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from quickstudy import learners
from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.bench.ladder import Column, Ladder, Refused, climb
from quickstudy.errors import UserError
from quickstudy.plan import TrainConfig
from quickstudy.tasks import TaskFamily
from quickstudy.tasks import load as load_tasks

DESCRIPTION = """Train every learner for the same number of CPU seconds, each by its own recipe, and judge all on the
same episodes: one JSON row for each learner and column. Rows that are there are not made again, and a training that was
interrupted is resumed, so that a long table is this command, repeated until it is done."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to compare, and where it goes."""

    tasks: str = "omniglot"
    """Task family with its options."""
    learners: str = "all"
    """Learners, with commas between them; all are those for such tasks."""
    budget: float = 720.0
    """CPU seconds of each training."""
    at: str = "5w1s,20w1s"
    """Columns: ways and shots of the episodes, or for regression shots alone (5s,10s)."""
    episodes: int = 1000
    """Episodes of a row."""
    query: int = 15
    """Queries of each class, or of a task."""
    backbone: str = "auto"
    """Of all learners that have one."""
    width: int = 0
    """Of their backbones; 0 is its default."""
    seed: int = 0
    """Of weights and episodes."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    runs: Path = Path("runs/ladder")
    """Folder for the runs."""
    out: Path = Path("runs/ladder/rows")
    """Folder for the rows."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """All rows as one JSON object."""


def main(args: list[str]) -> int:
    """Run the benchmark."""
    flags = parse(Flags, args, prog="quickstudy bench ladder", description=DESCRIPTION)
    family = load_tasks(flags.tasks)
    ladder = Ladder(
        family=family,
        learners=chosen(flags.learners, family),
        columns=columns(flags.at, family),
        config=TrainConfig(budget=flags.budget, seed=flags.seed, device=flags.device),
        settings=own_nets(flags),
        episodes=flags.episodes,
        query=flags.query,
        seed=flags.seed,
        runs=flags.runs,
        out=flags.out,
    )
    made, refused = climb(ladder, lambda line: print(line, file=sys.stderr))
    rows = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in made}
    if flags.json:
        output.print_json(rows)
    else:
        show(ladder, rows, refused)
        print(flags.out)
    return 0


def own_nets(flags: Flags) -> dict[str, Any]:
    """What is said of the nets; where nothing is, each learner has its own defaults."""
    said = {"backbone": flags.backbone, "width": flags.width}
    return {name: value for name, value in said.items() if value not in ("auto", 0)}


def chosen(names: str, family: TaskFamily) -> list[str]:
    """The learners that ``names`` says; UserError for one that is unknown."""
    if names == "all":
        return learners.able(family.spec)
    return named(names)


def named(names: str) -> list[str]:
    """Learners with commas between them, each once; UserError for one that is unknown."""
    found = [name.strip() for name in names.split(",") if name.strip()]
    for name in found:
        learners.learner_class(name)
    return list(dict.fromkeys(found))


def columns(text: str, family: TaskFamily) -> list[Column]:
    """UserError for a column that is none, or that such tasks cannot have."""
    regression = family.spec.kind == "regression"
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"(?:(\d+)w)?(\d+)s", part.strip())
        if match is None or bool(match[1]) == regression:
            example = "--at 5s,10s" if regression else "--at 5w1s,20w1s"
            raise UserError(f"--at has {part.strip()!r}; for {family.spec.name} expected for example {example}.")
        found.append(Column(int(match[1] or 0), int(match[2])))
    return found


def show(ladder: Ladder, rows: dict[str, dict[str, Any]], refused: list[Refused]) -> None:
    """One line a learner, the best in the first column on top."""
    metric, sign = ladder.family.spec.metric, -1 if ladder.family.spec.higher_is_better else 1
    lines = {name: [rows.get(f"{name}-{column}") for column in ladder.columns] for name in ladder.learners}
    lines = {name: cells for name, cells in lines.items() if any(cells)}

    def place(name: str) -> float:
        """A row that is not there, or has no mean, comes last."""
        mean = (lines[name][0] or {}).get("mean")
        return math.inf if mean is None else sign * float(mean)

    output.print_table(
        ("learner", *map(str, ladder.columns)),
        [
            (name, *(output.score(metric, cell["mean"], cell["ci95"]) if cell else "-" for cell in lines[name]))
            for name in sorted(lines, key=place)
        ],
    )
    for one in refused:
        print(f"\n{one.learner} has no row: {one.why}")
    print()
