"""``quickstudy robot gait``: a body on ground that it has not met finds a gait in a few tries; try by try, and as a
film of it, of who does not adapt, and of who knows all."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal

import tyro

import quickstudy
from quickstudy import runs
from quickstudy.app import film, output, robot_gait_film
from quickstudy.app.flags import check_seed, parse
from quickstudy.app.robot_gait_film import SLOWER, Lane
from quickstudy.app.robot_gait_table import heading, outcome, told, watched
from quickstudy.app.robot_tries import make_folder, write_error_plot
from quickstudy.control import gait
from quickstudy.control.gait import Known
from quickstudy.control.history import Candidates, Search
from quickstudy.errors import UserError
from quickstudy.settings import flag
from quickstudy.sim import bodies
from quickstudy.sim.strides import Ground
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import check_counts
from quickstudy.tasks.robots import grounds
from quickstudy.tasks.robots.strides import SOLVED, Strides, body_named

DESCRIPTION = f"""A body on ground that it has not met, or with a joint that is broken, tries a few gaits for one second
each and finds a fast one, or one that goes at a given speed. In the simulation of MuJoCo. Grounds:
{", ".join(grounds.GROUNDS)}; numbers: {", ".join(grounds.LIMITS)}."""
OWN = Path(quickstudy.__file__).parent / "weights" / "gait"
LIBRARY, ASKED, HISTORY = "library.safetensors", "asked.json", "history.json"
FIXED = ("body", "ground", "break_", "speed", "run", "seed")
"""What a search that goes on cannot change."""
KEPT: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("body", "ground", "break_"), (str,)),
    "speed": (int, float, NoneType),
    "run": (str, NoneType),
    "seed": (int,),
    "tries": (int,),
}
"""What ``ASKED`` holds."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The body, what is wrong, and who walks."""

    body: str = "cheetah"
    """cheetah, ant, go1 or, with a --run of its own, an MJCF file."""
    ground: str = "ice"
    """Names and numbers with commas between them: ice, or slope,payload=0.5. The learner is not told."""
    break_: Annotated[str, tyro.conf.arg(name="break")] = ""
    """Joints that are dead or, with =0.3, keep 30 % of their strength. The learner is not told."""
    speed: float | None = None
    """Find a gait that goes at this many metres a second; without it, the fastest."""
    run: Path | None = None
    """Run folder of a learner of strides; by default the weights that come with the package."""
    tries: int = 10
    """Strides that may be tried."""
    seed: int = 0
    """Decides between gaits that are as good."""
    out: Path | None = None
    """Folder to make; by default runs/gait-1, or the next that is free."""
    resume: Path | None = None
    """Folder of a search that was interrupted, to go on with it."""
    picture: Literal["auto", "drawing"] = "auto"
    """auto has MuJoCo render the film where it can, which needs EGL or OSMesa; drawing never."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Everything as one JSON object."""


def main(arguments: list[str]) -> int:
    """Run the verb; the last line on stdout is the folder of film and plot."""
    flags = asked(arguments)
    check(flags)
    body = body_named(flags.body)
    ground = Ground(body, grounds.condition(flags.ground, flags.break_, body.joints))
    run = run_of(flags)
    candidates = library(run)
    if (candidates.x.shape[1], candidates.outcomes) != (len(body.gait.names), body.outcomes):
        raise UserError(f"{run.path} was trained on {run.spec.name}, which is another body than {flags.body}.")
    if flags.tries > len(candidates.x):
        raise UserError(f"--tries is {flags.tries}, but there are {len(candidates.x)} gaits to try. Ask for no more.")
    known = gait.know(ground, candidates)
    check_can(flags, known)
    path = flags.resume or make_folder("gait", flags.out)
    if not flags.resume:
        runs.write_json(path / ASKED, jsonable(flags))
    search = Search(run.learner(), candidates, path / HISTORY, speed=flags.speed, seed=flags.seed)

    def show(text: str) -> None:
        if not flags.json:
            print(text, flush=True)

    show(heading(search, ground, run))
    try:
        steps = watched(search, ground, flags.tries, show)
    except KeyboardInterrupt:
        print(f"go on with: quickstudy robot gait --resume {path}", file=sys.stderr)
        raise
    walks = list(gait.walks(search, ground, known, flags.tries))
    for one in walks:
        show(f"{one.who:>14}: {outcome(one, flags.speed)}")
    off, missed = gait.errors(search, known, flags.tries)
    record = told(search, ground, steps, walks) | {"fastest": known.best, "off": off, "missed": missed}
    runs.write_json(path / "tries.json", record)
    lanes = [Lane(one.who, outcome(one, flags.speed), ground.film(one.gait)) for one in walks]
    frames = robot_gait_film.walking(ground, lanes, flags.picture)
    film.write_gif(path / "gait.gif", frames.pictures, frames.seconds)
    wanted = "short of the oracle" if flags.speed is None else "off the speed asked for"
    errors = {"error of all believed speeds": off, wanted: missed}
    write_error_plot(path / "error.png", errors, "tries", "metres a second")
    if flags.json:
        output.print_json(record | {"folder": str(path), "rendered": frames.rendered})
        return 0
    how = "rendered by MuJoCo" if frames.rendered else "drawn from the poses"
    print(f"\ngait.gif ({how}, {SLOWER:g} times slower), error.png and tries.json are in\n{path}")
    return 0


def asked(arguments: list[str]) -> Flags:
    """The flags; those of a search that goes on are what it was asked before."""
    prog = "quickstudy robot gait"
    flags = parse(Flags, arguments, prog=prog, description=DESCRIPTION)
    if flags.resume is None:
        return flags
    file = flags.resume / ASKED
    if not file.is_file():
        raise UserError(f"{flags.resume} has no {ASKED}, so no search was begun there. Leave --resume out.")
    try:
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if odd := [f"{name} {kept[name]!r}" for name, kinds in KEPT.items() if type(kept[name]) not in kinds]:
            raise ValueError(", ".join(odd))
        before = Flags(**(kept | {"run": Path(kept["run"]) if kept["run"] else None}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged ({error}). Begin a new search, without --resume.") from error
    if flags.out is not None:
        raise UserError(f"a search goes on in its own folder, {flags.resume}. Leave out --out, or --resume.")
    flags = parse(Flags, arguments, prog=prog, description=DESCRIPTION, default=before)
    for name in FIXED:
        if getattr(flags, name) != getattr(before, name):
            raise UserError(f"the search in {flags.resume} has another {flag(name)}. Leave it out, or --resume.")
    return flags


def check(flags: Flags) -> None:
    """UserError for numbers that are none."""
    check_counts(tries=flags.tries)
    if flags.speed is not None and not 0 < flags.speed < math.inf:
        raise UserError(f"--speed is {flags.speed}; expected metres a second, above 0.")
    check_seed(flags.seed)


def run_of(flags: Flags) -> runs.Run:
    """The run that is asked for, or the one of the body that comes with the package."""
    own = OWN / flags.body if flags.body in bodies.names() else OWN
    if flags.run is None and not (own / runs.CARD).is_file():
        raise UserError(
            f"no weights for {flags.body} come with the package. Train some: quickstudy train taskgp --tasks "
            f"strides:body={flags.body} --out runs/gait, then add --run runs/gait."
        )
    run = runs.load(flags.run or own)
    if run.spec.form != "gaits":
        raise UserError(
            f"{run.path} was trained on {run.spec.name}. Give a run of strides: quickstudy train taskgp --tasks strides"
        )
    return run


def library(run: runs.Run) -> Candidates:
    """The gaits that ``run`` chooses from; kept beside it, so that its table is not simulated on another machine."""
    file = run.path / LIBRARY
    if file.is_file():
        return Candidates.read(file)
    family = load_tasks(run.spec.name)
    assert isinstance(family, Strides)
    if family.body is None:
        raise UserError(f"{run.path} was trained on {run.spec.name}, arithmetic that is no body. Train on strides.")
    found = Candidates.of(family)
    with contextlib.suppress(UserError):  # of somebody else, perhaps
        found.write(file)
    return found


def check_can(flags: Flags, known: Known) -> None:
    """UserError where nobody can do what is asked."""
    where = f"--ground {flags.ground}" + (f" --break {flags.break_}" if flags.break_ else "")
    if known.best < SOLVED:
        raise UserError(
            f"no gait is known that masters {where}: the fastest of {len(known.speed)} in the library, and of "
            f"{gait.CEM} that were searched for, goes at {known.best:.2f} m/s. Choose an easier ground."
        )
    most = float(known.speed.max())
    if flags.speed is not None and flags.speed > most:
        raise UserError(
            f"--speed is {flags.speed:g}, but with {where} the fastest gait of the library goes at {most:.2f} m/s. "
            "Ask for no more, or choose an easier ground."
        )


def jsonable(flags: Flags) -> dict[str, Any]:
    """What a search that goes on has to know."""
    return {name: getattr(flags, name) for name in (*FIXED, "tries")} | {"run": str(flags.run) if flags.run else None}
