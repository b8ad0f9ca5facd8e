"""``quickstudy bench photos``: photographs learnt and looked at, how fast and in how much memory."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro

from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.errors import UserError

DESCRIPTION = """Make JPEG files of 1.2 million pixels, learn a few of them and look at all: time of the clock and of
the processor, and the most memory at a quarter of the files and at the end, which is the same if it is flat."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to learn and to look at."""

    weights: str = "photos"
    """Run folder, or weights that come with the package."""
    pictures: int = 1000
    """Files to look at."""
    way: int = 5
    """Classes to learn."""
    shot: int = 5
    """Pictures of each."""
    seed: int = 0
    """Of the pictures."""
    out: Path = Path("runs/photos-speed.json")
    """File for the row."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """The row as one JSON object."""


def main(args: list[str]) -> int:
    """Run the benchmark; the last line on stdout is the file of the row."""
    flags = parse(Flags, args, prog="quickstudy bench photos", description=DESCRIPTION)
    from quickstudy import runs
    from quickstudy.bench import photos
    from quickstudy.tasks.base import check_counts

    check_counts(way=flags.way, shot=flags.shot, pictures=flags.pictures)
    if flags.pictures < 4 * flags.way * flags.shot:
        raise UserError(f"--pictures is {flags.pictures}; expected four times --way times --shot or more.")
    with tempfile.TemporaryDirectory(prefix="quickstudy-") as folder:
        print(f"{flags.pictures} pictures are made ...", file=sys.stderr)
        paths = photos.make(Path(folder), flags.pictures, flags.seed)
        print("and looked at ...", file=sys.stderr)
        row = photos.measure(paths, flags.weights, flags.way, flags.shot)
    runs.write_json(flags.out, row)
    if flags.json:
        output.print_json(row)
        return 0
    output.print_table(("what", "value"), [(name, str(value)) for name, value in row.items()])
    print(flags.out)
    return 0
