"""``quickstudy challenge``: hold a challenge, enter it, and say who is ahead."""

from __future__ import annotations

import importlib

from quickstudy.errors import UserError, unknown

PARTS = {
    "new": ("quickstudy.app.challenge_new", "a challenge of your own: a file of ten lines"),
    "check": ("quickstudy.app.challenge_new", "whether a challenge can be held; without a name, which there are"),
    "run": ("quickstudy.app.challenge_run", "entries on a challenge, each in a process of its own"),
    "rank": ("quickstudy.app.challenge_rank", "who is ahead, and who cannot be told apart"),
    "seal": ("quickstudy.app.challenge_seal", "files to hand out, and the solution to keep"),
    "score": ("quickstudy.app.challenge_seal", "a submission for sealed tasks"),
}


def main(args: list[str]) -> int:
    """Run the verb."""
    if args and args[0] in PARTS:
        code: int = importlib.import_module(PARTS[args[0]][0]).main(args[0], args[1:])
        return code
    if {"-h", "--help"} & {*args}:
        known = "".join(f"  {name:8}{line}\n" for name, (_, line) in PARTS.items())
        print(f"usage: quickstudy challenge PART ...\n\n{known}\n`quickstudy challenge run --help` explains one.")
        return 0
    if args and not args[0].startswith("-"):
        raise unknown("part of challenge", args[0], PARTS)
    raise UserError(f"say what, for example quickstudy challenge run sprint nearest. There are: {', '.join(PARTS)}.")
