"""``quickstudy bench pictures``: fit and predict on drawings as people have them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from quickstudy.app import output
from quickstudy.app.bench_ladder import columns
from quickstudy.app.flags import parse
from quickstudy.errors import unknown
from quickstudy.tasks import load as load_tasks

DESCRIPTION = """Fit drawings and ask for others that went through a scene: light ink on dark paper, a thick or a fine
pen, small on a large sheet, cut off at the ink, photographed. One JSON row for each scene and column; rows that are
there are not made again."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to fit, and where rows go."""

    weights: str = "characters"
    """Run folder, or weights that come with the package."""
    tasks: str = "omniglot:classes=alphabets:size=105"
    """Task family of drawings."""
    scenes: str = "all"
    """Scenes, with commas between them."""
    at: str = "5w1s,20w1s"
    """Columns: ways and shots of the episodes."""
    episodes: int = 1000
    """Episodes of a row."""
    query: int = 15
    """Queries of each class."""
    seed: int = 0
    """Of episodes and scenes."""
    out: Path = Path("runs/pictures")
    """Folder for the rows."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """All rows as one JSON object."""


def main(args: list[str]) -> int:
    """Run the benchmark; the last line on stdout is the folder of the rows."""
    flags = parse(Flags, args, prog="quickstudy bench pictures", description=DESCRIPTION)
    from quickstudy import runs
    from quickstudy.bench import pictures
    from quickstudy.bench.scenes import SCENES

    scenes = list(SCENES) if flags.scenes == "all" else [name.strip() for name in flags.scenes.split(",")]
    for name in scenes:
        if name not in SCENES:
            raise unknown("scene", name, SCENES)
    family = load_tasks(flags.tasks)
    at = columns(flags.at, family)
    found = {}
    for scene in scenes:
        for column in at:
            path = flags.out / f"{scene}-{column}.json"
            if not path.is_file():
                print(f"{scene}, {column} ...", file=sys.stderr)
                counts = {"way": column.way, "shot": column.shot, "query": flags.query, "episodes": flags.episodes}
                runs.write_json(path, pictures.measure(flags.weights, family, scene=scene, seed=flags.seed, **counts))
            found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    if flags.json:
        output.print_json(found)
        return 0
    cells = [[found[f"{scene}-{column}"] for column in at] for scene in scenes]
    lines = [
        (scene, *(output.score("accuracy", row["mean"], row["ci95"]) for row in rows))
        for scene, rows in zip(scenes, cells, strict=True)
    ]
    output.print_table(("scene", *map(str, at)), lines)
    print(flags.out)
    return 0
