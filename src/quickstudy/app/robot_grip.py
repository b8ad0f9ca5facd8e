"""``quickstudy robot grip``: two fingers lift an object a few times, then know how hard to hold it; try by try, and as
a film beside a grip without tries and one that knew."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import tyro

import quickstudy
from quickstudy import runs
from quickstudy.app import film, output, robot_film
from quickstudy.app.flags import check_seed, parse
from quickstudy.app.robot_tries import line, make_folder, write_error_plot
from quickstudy.control import grip
from quickstudy.control.grip import Belief, Tries
from quickstudy.errors import UserError
from quickstudy.learners.base import Learner
from quickstudy.sim.gripper import CRUSHED, DROPPED, SHAPES, STRONGEST, WEAKEST, Objects, needed
from quickstudy.sim.gripper_mujoco import MuJoCoGripper
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import NINETY, check_counts
from quickstudy.tasks.robots.grips import Grips
from quickstudy.tasks.robots.grips_objects import FRICTION, MASS
from quickstudy.tasks.robots.grips_rows import SLIPPED, newtons

DESCRIPTION = """An object of unknown weight and friction between two fingers: each test lift says something of both,
and the grip that follows has to hold it through 2 s of shaking without crushing it. In the simulation of MuJoCo."""
OWN = Path(quickstudy.__file__).parent / "weights" / "grip"
COLUMNS = ("try", "force", "carried", "slipped", "", "then believes that it needs")
WIDTHS = (4, 9, 9, 10, 8, 0)


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The object, and who grips it."""

    mass: float = 0.4
    """Of the object, in kg; the learner is not told."""
    friction: float = 0.3
    """Its coefficient of friction; the learner is not told."""
    shape: Literal["box", "cylinder", "sphere"] = "box"
    """Its shape; the weights that come with the package were trained on boxes."""
    run: Path | None = None
    """Run folder of a learner of grips; by default the weights that come with the package."""
    lifts: int = 4
    """Test lifts before the grip."""
    seed: int = 0
    """Of the sensors' noise."""
    out: Path | None = None
    """Folder to make; by default runs/grip-1, or the next that is free."""
    picture: Literal["auto", "drawing"] = "auto"
    """auto has MuJoCo render the film where it can, which needs EGL or OSMesa; drawing never."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Everything as one JSON object."""


class Grip(NamedTuple):
    """A grip and what came of it."""

    who: str
    force: float
    outcome: Literal["held", "dropped", "crushed"]
    states: np.ndarray
    """[steps, state] of the lift and the shaking."""


def main(arguments: list[str]) -> int:
    """Run the verb; the last line on stdout is the folder of film and plot."""
    flags = parse(Flags, arguments, prog="quickstudy robot grip", description=DESCRIPTION)
    check(flags)
    learner, margins = learner_of(flags)
    gripper = MuJoCoGripper(
        Objects(np.array([flags.mass]), np.array([flags.friction]), np.array([SHAPES.index(flags.shape)]))
    )
    need = float(needed(gripper)[0])
    if not math.isfinite(need):
        raise UserError(
            f"a {flags.shape} of {flags.mass:g} kg with a friction of {flags.friction:g} is more than the gripper's "
            f"{STRONGEST:g} N can hold. Choose a lighter or a less slippery one."
        )
    if need * CRUSHED < WEAKEST:
        raise UserError(
            f"a {flags.shape} of {flags.mass:g} kg with a friction of {flags.friction:g} needs {need:.3f} N, and "
            f"the {WEAKEST:g} N that the gripper closes with at least crush it. Choose a heavier or more slippery one."
        )
    path = make_folder("grip", flags.out)

    def show(text: str) -> None:
        if not flags.json:
            print(text, flush=True)

    show(heading(flags))
    tries = watched(learner, gripper, flags, show)
    grips = list(outcomes(gripper, tries, margins, need))
    for one in grips:
        show(f"{one.who:>14}: {one.force:6.2f} N, {one.force / need:5.2f} x what is needed: {one.outcome}")
    record = told(flags, tries, grips, need)
    runs.write_json(path / "tries.json", record)
    named = [(f"{one.who}: {one.force:.1f} N", one.outcome, one.states) for one in grips]
    frames = robot_film.gripping(flags.shape, named, flags.picture)
    film.write_gif(path / "grip.gif", frames.pictures, frames.seconds)
    errors = {"": [100 * (2 ** believed["error"] - 1) for believed in record["believed"]]}
    write_error_plot(path / "error.png", errors, "test lifts", "error of the believed force, %")
    if flags.json:
        output.print_json(record | {"folder": str(path), "rendered": frames.rendered})
        return 0
    how = "rendered by MuJoCo" if frames.rendered else "drawn from the poses"
    print(f"\ngrip.gif ({how}), error.png and tries.json are in\n{path}")
    return 0


def check(flags: Flags) -> None:
    """UserError for what cannot be gripped."""
    check_counts(lifts=flags.lifts)
    for name, most in (("mass", 100.0), ("friction", 10.0)):
        value = getattr(flags, name)
        if not 1e-3 <= value <= most:
            raise UserError(f"--{name} is {value}; expected a number from 0.001 to {most:g}.")
    check_seed(flags.seed)


def learner_of(flags: Flags) -> tuple[Learner, list[float]]:
    """The learner, and its margin after each number of lifts."""
    run = runs.load(flags.run or OWN)
    if run.spec.form != "lifts":
        raise UserError(
            f"{run.path} was trained on {run.spec.name}. Give a run of grips: quickstudy train cnp --tasks grips"
        )
    learner, file = run.learner(), run.path / grip.MARGINS_FILE
    if file.is_file():
        try:
            margins = [float(margin) for margin in json.loads(file.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{file} is damaged ({error}). Delete it, and it is settled anew.") from error
    else:
        family = load_tasks(run.spec.name)
        assert isinstance(family, Grips)
        which = family.folds["val"]
        hand = family.gripper(family.kept.objects.at(which.numpy()))
        tries = grip.explore(learner, hand, grip.keys(len(which), 0), flags.lifts)
        margins = grip.settle(tries, family.kept.need[which])
    return learner, margins + margins[-1:] * (flags.lifts + 1 - len(margins))


def heading(flags: Flags) -> str:
    """What is gripped, and the table's first line."""
    ranges = (("mass", MASS), ("friction", FRICTION))
    outside = [name for name, (least, most) in ranges if not least <= getattr(flags, name) <= most]
    note = f" ({' and '.join(outside)} outside what it was trained on)" if outside else ""
    return f"a {flags.shape} of {flags.mass:g} kg, friction {flags.friction:g}{note}\n\n{line(COLUMNS, WIDTHS)}"


def watched(learner: Learner, gripper: MuJoCoGripper, flags: Flags, show: Callable[[str], None]) -> Tries:
    """The tries, each shown when it is done."""
    for tries in grip.trying(learner, gripper, grip.keys(1, flags.seed), flags.lifts):
        number = len(tries.beliefs) - 1
        cells = [str(number) if number else "-", "", "", "", ""]
        if number:
            force = float(tries.forces[0, -1])
            carried, slip = tries.lifts.y[0, -1].tolist()
            outcome = "slipped" if slip > SLIPPED else "held"
            cells[1:] = [f"{force:.2f} N", f"{force * 2**carried:.2f} N", f"{2**slip - 1:.1f} mm", outcome]
        show(line([*cells, interval(tries.beliefs[-1])], WIDTHS))
    show("")
    return tries


def interval(belief: Belief) -> str:
    """The force believed to be needed, and where it is with 90 %."""
    middle = float(newtons(belief.mean))
    half = NINETY * float(belief.std)
    if math.isnan(half):
        return f"{middle:.2f} N"
    return f"{middle:.2f} N ({float(newtons(belief.mean - half)):.2f} to {float(newtons(belief.mean + half)):.2f})"


def outcomes(gripper: MuJoCoGripper, tries: Tries, margins: list[float], need: float) -> Iterator[Grip]:
    """Of the same learner before and after its tries, and of one that knew what is needed."""
    forces = {
        "not adapting": float(grip.grip(tries.beliefs[0], margins[0])),
        "adapting": float(grip.grip(tries.beliefs[-1], margins[len(tries.beliefs) - 1])),
        "oracle": need,
    }
    for who, force in forces.items():
        states = gripper.film(0, force)
        held = float(gripper.shake(np.array([force]))[0]) <= DROPPED
        yield Grip(who, force, "dropped" if not held else "crushed" if force > CRUSHED * need else "held", states)


def told(flags: Flags, tries: Tries, grips: list[Grip], need: float) -> dict[str, Any]:
    """Everything that happened, as JSON."""
    believed = [
        {
            "need": float(newtons(belief.mean)),
            "std_doublings": output.finite(float(belief.std)),
            "error": float(grip.error(belief, torch.tensor([need]))[0]),
        }
        for belief in tries.beliefs
    ]
    lifts = [
        {"force": force, "carried": force * 2**carried, "slipped_mm": 2**slip - 1, "held": slip <= SLIPPED}
        for force, (carried, slip) in zip(tries.forces[0].tolist(), tries.lifts.y[0].tolist(), strict=True)
    ]
    return {
        "object": {"mass": flags.mass, "friction": flags.friction, "shape": flags.shape, "need": need},
        "lifts": lifts,
        "believed": believed,
        "grips": [{"who": one.who, "force": one.force, "outcome": one.outcome} for one in grips],
        "seed": flags.seed,
        "version": quickstudy.__version__,
    }
