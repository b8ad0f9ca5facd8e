"""``quickstudy add``: more pictures of a label, or of a new one, for a file that ``quickstudy fit`` wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from quickstudy.app.fit import report
from quickstudy.app.flags import parse
from quickstudy.app.predict import files, load
from quickstudy.errors import UserError

DESCRIPTION = """Learn from more pictures. MODEL is a file that `quickstudy fit` wrote; it changes whole, or not at all.

The same as having fitted all of them at once; --label may be a new one."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to add to what."""

    model: tyro.conf.Positional[Path]
    """File that `quickstudy fit` wrote."""
    pictures: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures, or folders of them."""
    label: str = ""
    """What they show."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object, as of `quickstudy fit`."""


def main(args: list[str]) -> int:
    """Run the verb; the last line on stdout is the path of the file."""
    flags = parse(Flags, args, prog="quickstudy add", description=DESCRIPTION)
    if not flags.label:
        raise UserError("say what the pictures show: --label dog.")
    if not flags.pictures:
        raise UserError("say which pictures to add: files, or folders of them.")
    made, paths = load(flags.model), files(flags.pictures)
    try:
        label = (
            np.array([flags.label])
            if made.classes_.dtype.kind == "U"
            else np.array([made.classes_.dtype.type(flags.label)])
        )
    except ValueError as error:
        raise UserError(f"--label is {flags.label!r}, and labels there are like {made.classes_[0]}.") from error
    made.partial_fit(paths, label.repeat(len(paths)))
    report(made, made.save(flags.model), flags.json)
    return 0
