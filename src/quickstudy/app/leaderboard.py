"""``quickstudy leaderboard``: rows of results as pages, and rows made again."""

from __future__ import annotations

import importlib

from quickstudy.errors import UserError, unknown

PARTS = {
    "build": ("quickstudy.app.leaderboard_build", "rows of results as static pages: tables, plots, a page an entry"),
    "verify": ("quickstudy.app.leaderboard_verify", "make rows again: reproduced, within their intervals, or not"),
}


def main(args: list[str]) -> int:
    """Run the verb."""
    if args and args[0] in PARTS:
        code: int = importlib.import_module(PARTS[args[0]][0]).main(args[1:])
        return code
    if {"-h", "--help"} & {*args}:
        known = "".join(f"  {name:8}{line}\n" for name, (_, line) in PARTS.items())
        print(f"usage: quickstudy leaderboard PART ...\n\n{known}\n`quickstudy leaderboard build --help` explains one.")
        return 0
    if args and not args[0].startswith("-"):
        raise unknown("part of leaderboard", args[0], PARTS)
    raise UserError("say what, for example quickstudy leaderboard build runs/challenge/sprint --out leaderboard.")
