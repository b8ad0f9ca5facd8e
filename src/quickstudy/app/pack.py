"""``quickstudy pack``: a run to hand on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from quickstudy.app.flags import parse

DESCRIPTION = """Write a trained run without what only training needed, its weights in half precision: a small folder
that evaluates, fits and predicts as the run does."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Which run, and where it goes."""

    run: tyro.conf.Positional[str]
    """Folder of a trained run."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder to write."""


def main(args: list[str]) -> int:
    """Run the verb; the last line on stdout is the path of the folder."""
    flags = parse(Flags, args, prog="quickstudy pack", description=DESCRIPTION)
    from quickstudy import packing, runs

    made = packing.pack(runs.load(flags.run), flags.out)
    print(made.path)
    return 0
