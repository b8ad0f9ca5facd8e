"""``quickstudy challenge``: hold a challenge, enter it, and say who is ahead."""

from __future__ import annotations

import importlib

from quickstudy.app.parts import Parts, find

PARTS = {
    "new": ("quickstudy.app.challenge_new", "a challenge of your own: a file of ten lines"),
    "check": ("quickstudy.app.challenge_new", "whether a challenge can be held; without a name, which there are"),
    "run": ("quickstudy.app.challenge_run", "entries on a challenge, each in a process of its own"),
    "rank": ("quickstudy.app.challenge_rank", "who is ahead, and who cannot be told apart"),
    "seal": ("quickstudy.app.challenge_seal", "files to hand out, and the solution to keep"),
    "score": ("quickstudy.app.challenge_seal", "a submission for sealed tasks"),
}
VERB = Parts(
    verb="challenge",
    word="PART",
    kind="part of challenge",
    example="run",
    missing=f"say what, for example quickstudy challenge run sprint nearest. There are: {', '.join(PARTS)}.",
    known=PARTS,
)


def main(args: list[str]) -> int:
    """Run the verb."""
    found = find(args, VERB)
    if found is None:
        return 0
    code: int = importlib.import_module(found).main(args[0], args[1:])
    return code
