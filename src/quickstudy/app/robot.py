"""``quickstudy robot``: finds the robot."""

from __future__ import annotations

import importlib

from quickstudy.errors import UserError, unknown

ROBOTS = {
    "grip": ("quickstudy.app.robot_grip", "two fingers find out how hard to hold an unfamiliar object"),
}


def main(args: list[str]) -> int:
    """Run the verb."""
    if args and args[0] in ROBOTS:
        code: int = importlib.import_module(ROBOTS[args[0]][0]).main(args[1:])
        return code
    if {"-h", "--help"} & {*args}:
        known = "".join(f"  {name:8}{line}\n" for name, (_, line) in ROBOTS.items())
        print(f"usage: quickstudy robot ROBOT ...\n\n{known}\n`quickstudy robot grip --help` explains one.")
        return 0
    if args and not args[0].startswith("-"):
        raise unknown("robot", args[0], ROBOTS)
    raise UserError(f"say which robot, for example quickstudy robot grip. There are: {', '.join(ROBOTS)}.")
