"""``quickstudy train``: flags from the configurations of the training and of one learner, then the training."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Any

import tyro
from safetensors import SafetensorError

from quickstudy import learners, parallel, runs, trainer
from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.app.progress import Watch, watching
from quickstudy.app.ranks import StoppedError, as_one
from quickstudy.devices import pick_device
from quickstudy.errors import UserError
from quickstudy.learners import LEARNERS
from quickstudy.settings import flag
from quickstudy.tasks import TaskFamily
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.base import Kind, Spec
from quickstudy.training import TrainConfig, resolve


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which tasks, and where the run goes."""

    tasks: str = "glyphs"
    """Task family with its options (`quickstudy list tasks`), for example omniglot:classes=alphabets."""
    out: Path | None = None
    """Run folder to make; by default a new one below runs/."""
    init: Path | None = None
    """Run whose backbone the training starts from."""
    resume: Path | None = None
    """Run to go on with, with the settings that it has."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that one command line says. For each learner a subclass has the type of its configuration."""

    place: tyro.conf.OmitArgPrefixes[Place] = field(default_factory=Place)
    training: tyro.conf.OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)
    learner: Any = None


def main(args: list[str]) -> int:
    """Run the verb, also as one of the processes of torchrun; the last line on stdout is the path of the run."""
    return as_one(lambda: run_verb(args))


def run_verb(args: list[str]) -> int:
    """The verb in this process."""
    wanted = option(args, "--resume")
    name = args[0] if args and not args[0].startswith("-") else None
    if wanted is not None:
        return resume(Path(wanted), name, args[1:] if name else args)
    if name is None:
        if args and not {"-h", "--help"} & {*args}:
            meant = next((arg for arg in args if arg in LEARNERS), "protonet")
            rest = shlex.join(arg for arg in args if arg != meant)
            raise UserError(f"the learner comes first, for example: quickstudy train {meant} {rest}")
        print(help_text())
        return 0
    learners.learner_class(name)
    return start(name, args[1:])


def help_text() -> str:
    """What ``quickstudy train --help`` prints."""
    known = "".join(f"  {name:14}{line}\n" for name, (_, line) in LEARNERS.items())
    return (
        "usage: quickstudy train LEARNER [--tasks FAMILY] [--out FOLDER] ...\n"
        "       quickstudy train --resume RUN\n\n"
        f"Learners; `quickstudy train LEARNER --help` lists the settings of one:\n{known}\n"
        "For example:\n\n"
        "  quickstudy train protonet --tasks omniglot\n"
        "  quickstudy train maml --tasks sinusoid --steps 10000 --out runs/waves"
    )


def option(args: list[str], name: str) -> str | None:
    """The value of a flag before the flags are known; None if it is not there."""
    for number, arg in enumerate(args):
        if arg.startswith(f"{name}="):
            return arg.partition("=")[2]
        if arg == name:
            if number + 1 == len(args):
                raise UserError(f"{name} needs the path of a run. `quickstudy list runs` shows those there are.")
            return args[number + 1]
    return None


def settings_type(name: str) -> type[Settings]:
    """``Settings`` with the flags of the learner ``name``."""
    config = learners.learner_class(name).Config
    taken = {one.name for one in fields(config)} & {one.name for kind in (Place, TrainConfig) for one in fields(kind)}
    if taken:
        raise UserError(f"the Config of {name} has {', '.join(sorted(taken))}, which train has too. Rename the field.")
    flat = tyro.conf.OmitArgPrefixes[config]  # type: ignore[valid-type]
    made: type[Settings] = make_dataclass(
        "Settings",
        [("learner", flat, field(default_factory=config))],
        bases=(Settings,),
        frozen=True,
        kw_only=True,
    )
    return made


def describe(name: str) -> str:
    """The learner in one line, and what its recipe makes of settings that are not given."""
    made = learners.learner_class(name)
    text = f"Meta-train {name}: {learners.about(name)}."
    for kind in made.traits.kinds:
        recipe = made.recipe(example_spec(kind))
        chosen = " ".join(f"{flag(field)} {value}" for field, value in recipe.items())
        if chosen:
            text += f"\n\nIts recipe for {kind}, where a default below is None:\n{chosen}"
    return text


def example_spec(kind: Kind) -> Spec:
    """Of tasks of that kind, unlimited in number."""
    return Spec(name=kind, kind=kind, shape=(1, 28, 28) if kind == "classification" else (1,), outputs=1)


def start(name: str, args: list[str]) -> int:
    """A new training."""
    asked = parse(settings_type(name), args, prog=f"quickstudy train {name}", description=describe(name))
    family = load_tasks(asked.place.tasks)
    config = resolve(asked.training, name, family.spec)
    path = trainer.choose_path(asked.place.out, name, family)
    parameters = learners.build(name, family.spec, asked.learner, config.seed).parameters()
    trained = any(True for _ in parameters)
    print(plan(name, family, config, path) if trained else f"{name} has no parameters to train", file=sys.stderr)

    def run(watch: Watch) -> runs.Run:
        settings = {setting.name: getattr(asked.learner, setting.name) for setting in fields(asked.learner)}
        return trainer.train(name, family, config, settings=settings, out=path, init=asked.place.init, progress=watch)

    return follow(run, path)


def plan(name: str, family: TaskFamily, config: TrainConfig, path: Path) -> str:
    """What the training will do, in two lines."""
    spec = family.spec
    counts = ((config.tasks_per_step, "task", "tasks"), (config.query, "query", "queries"))
    tasks, queries = (output.count(*one) for one in counts)
    steps = f"{config.budget:g} CPU seconds" if config.budget else output.count(config.steps, "step", "steps")
    ways = f"{config.way} to {config.most_ways}" if (config.most_ways or 0) > (config.way or 0) else f"{config.way}"
    classes = f"{ways}-way " if spec.kind == "classification" else ""
    shots = f"{config.shot} to {config.max_shot}" if (config.max_shot or 0) > (config.shot or 0) else f"{config.shot}"
    each = " of each class" if spec.kind == "classification" else ""
    world = parallel.world()
    processes = f" in {world.size} processes" if world.size > 1 else ""
    return (
        f"{name} on {spec.name}: {steps} of {tasks}, {classes}{shots}-shot, {queries}{each}\n"
        f"on {pick_device(config.device)}{processes}, into {path}; Ctrl-C stops it with a checkpoint"
    )


def resume(wanted: Path, name: str | None, args: list[str]) -> int:
    """Go on with a run; UserError for settings other than its own."""
    run = trainer.open_run(wanted)
    init = run.training.get("init")
    own = settings_type(run.learner_name)(
        place=Place(tasks=run.spec.name, out=run.path, init=None if init is None else Path(init), resume=wanted),
        training=trainer.settings_of(run),
        learner=run.config,
    )
    if name not in (None, run.learner_name):
        raise UserError(changed("learner", name, run.learner_name))
    prog = f"quickstudy train {run.learner_name}"
    asked = parse(type(own), args, prog=prog, description=describe(run.learner_name), default=own)
    check_unchanged(own, asked)
    finished, begun = parallel.world().decide(
        lambda: [(run.path / file).exists() for file in (runs.WEIGHTS, runs.CHECKPOINT)]
    )
    if finished:
        print(f"this training is finished; `quickstudy evaluate {quoted(run.path)}` judges it", file=sys.stderr)
        print(run.path)
        return 0
    start = "from its checkpoint" if begun else "from step 0, for it has no checkpoint,"
    device = pick_device(trainer.with_a_device(own.training).device)
    print(f"going on {start} with {run.learner_name} on {run.spec.name} in {run.path}, on {device}", file=sys.stderr)
    return follow(lambda watch: trainer.resume(run.path, watch), run.path)


def check_unchanged(own: Settings, asked: Settings) -> None:
    """UserError for the first setting in ``asked`` that the run does not have."""
    for part in ("place", "training", "learner"):
        mine, theirs = getattr(own, part), getattr(asked, part)
        for setting in fields(mine):
            has, found = getattr(mine, setting.name), getattr(theirs, setting.name)
            if found != has and not (setting.name == "tasks" and load_tasks(found).spec.name == has):
                raise UserError(changed(flag(setting.name), found, has))


def changed(setting: str, found: object, has: object) -> str:
    """What is said of a setting that a resumed run does not have."""
    return (
        f"--resume goes on with the settings of the run; found {setting} {found}, the run has {has}. Leave it out, or "
        f"train a new run (--init starts it from this one's backbone)."
    )


def follow(run: Callable[[Watch], runs.Run], path: Path) -> int:
    """Watch a training to its end; StoppedError, which says how to go on, where Ctrl-C stopped it before."""
    watch: Watch | None = None
    try:
        with watching() as watch:
            run(watch)
    except KeyboardInterrupt as stop:
        step = watch.step if watch else 0
        if not step and not (path / runs.CARD).exists():
            raise StoppedError("stopped before the first step; nothing was written") from stop
        advice = f"go on with: quickstudy train --resume {quoted(path)}"
        raise StoppedError(f"stopped at step {step}; {advice}") from stop
    except UserError as error:
        if isinstance(error.__cause__, OSError | SafetensorError) and watch is not None and watch.step:
            raise UserError(f"{error} Then go on with: quickstudy train --resume {quoted(path)}") from error
        raise
    if watch.training is not None:
        early = " (stopped early)" if watch.step < watch.training.steps else ""
        spent = output.duration(watch.training.seconds["wall_s"])
        print(f"{output.count(watch.step, 'step')}{early} in {spent}; {watch.result()}", file=sys.stderr)
    print(path)
    return 0


def quoted(path: Path) -> str:
    return shlex.quote(str(path))
