"""``quickstudy leaderboard``: rows of results as pages, and rows made again."""

from __future__ import annotations

import importlib

from quickstudy.app.parts import Parts, find

PARTS = {
    "build": ("quickstudy.app.leaderboard_build", "rows of results as static pages: tables, plots, a page an entry"),
    "verify": ("quickstudy.app.leaderboard_verify", "make rows again: reproduced, within their intervals, or not"),
}
VERB = Parts(
    verb="leaderboard",
    word="PART",
    kind="part of leaderboard",
    example="build",
    missing="say what, for example quickstudy leaderboard build runs/challenge/sprint --out leaderboard.",
    known=PARTS,
)


def main(args: list[str]) -> int:
    """Run the verb."""
    found = find(args, VERB)
    if found is None:
        return 0
    code: int = importlib.import_module(found).main(args[1:])
    return code
