"""``quickstudy robot``: finds the robot."""

from __future__ import annotations

import importlib

from quickstudy.app.parts import Parts, find

PARTS = {
    "grip": ("quickstudy.app.robot_grip", "two fingers find out how hard to hold an unfamiliar object"),
    "gait": ("quickstudy.app.robot_gait", "a body finds out how to walk on ground that it has not met"),
}
VERB = Parts(
    verb="robot",
    word="ROBOT",
    kind="robot",
    example="grip",
    missing=f"say which robot, for example quickstudy robot grip. There are: {', '.join(PARTS)}.",
    known=PARTS,
)


def main(args: list[str]) -> int:
    """Run the verb."""
    found = find(args, VERB)
    if found is None:
        return 0
    code: int = importlib.import_module(found).main(args[1:])
    return code
