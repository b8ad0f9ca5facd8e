"""``quickstudy robot``: finds the robot."""

from __future__ import annotations

import importlib
from pathlib import Path

from quickstudy import runs
from quickstudy.errors import UserError, unknown

ROBOTS = {
    "grip": ("quickstudy.app.robot_grip", "two fingers find out how hard to hold an unfamiliar object"),
    "gait": ("quickstudy.app.robot_gait", "a body finds out how to walk on ground that it has not met"),
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


def make_folder(robot: str, wanted: Path | None) -> Path:
    """A folder for film and plot, by default runs/ROBOT-1 or the next; UserError where something is in it."""
    number = 1
    while wanted is None and (runs.RUNS / f"{robot}-{number}").exists():
        number += 1
    path = wanted or runs.RUNS / f"{robot}-{number}"
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} is there already. Choose another --out, or leave it out.")
    return path
