"""``quickstudy calibrate``: what the answers of a run are worth, kept beside its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.errors import UserError
from quickstudy.tasks.base import Split

if TYPE_CHECKING:
    from quickstudy.runs import Run

DESCRIPTION = """Learn from held-out tasks how far the answers of a run can be trusted: a temperature for its
probabilities and the sets of answers that hold the right one, for every way and shot, and what supports are usual.

`fit` and FewShotClassifier use it: probabilities that can be believed, predict(..., abstain=0.9), task_typicality_."""

FEWEST = 20
"""Tasks of a way and shot."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Which run, and on which tasks."""

    run: tyro.conf.Positional[str]
    """Run folder of a classifier."""
    tasks: str = ""
    """Task family with its options; by default that of the training."""
    twin: str = ""
    """Run trained alike on fewer classes, which answers where RUN has seen the tasks."""
    split: Split = "val"
    """Which of its tasks; those of test are for judging."""
    episodes: int = 200
    """Tasks of every way (2, 5, 10, 20) and shot (1, 2, 5, 10)."""
    seed: int = 0
    """Seed of the episodes."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""


def check_twin(run: Run, twin: Run) -> None:
    """UserError unless ``twin`` can answer for ``run``."""
    if twin.path.resolve() == run.path.resolve():
        raise UserError(f"the twin of {run.path} is {run.path} itself. Give a run trained alike on fewer classes.")
    mine, others = ((one.learner_name, one.spec.kind, one.spec.shape) for one in (run, twin))
    if mine != others:
        raise UserError(
            f"{twin.path} ({others[0]}, {others[1]}, inputs {others[2]}) is no twin of {run.path} ({mine[0]}, "
            f"{mine[1]}, inputs {mine[2]}). Give a run trained alike on fewer classes."
        )


def main(args: list[str]) -> int:
    """Run the verb; the last line on stdout is the path of the file."""
    flags = parse(Flags, args, prog="quickstudy calibrate", description=DESCRIPTION)
    from quickstudy import confidence, runs, weights
    from quickstudy.devices import pick_device
    from quickstudy.tasks import load as load_tasks
    from quickstudy.tasks.places import progress

    run = runs.load(flags.run)
    if run.path.parent == Path(weights.__file__).parent:
        raise UserError(
            f"{flags.run} comes with the package, whose files are not changed. Calibrate a run of your own, or a copy: "
            f"quickstudy pack {flags.run} -o copy"
        )
    if flags.episodes < FEWEST:
        raise UserError(f"--episodes is {flags.episodes}; fewer than {FEWEST} say nothing of one answer in ten.")
    family = load_tasks(flags.tasks or run.spec.name)
    twin = runs.load(flags.twin) if flags.twin else None
    if twin:
        check_twin(run, twin)
    (twin or run).check_unseen(family.members(flags.split) if flags.split in family.splits else None, family.spec.name)
    device = pick_device(flags.device)
    parts = len(confidence.WAYS) * len(confidence.SHOTS)
    with progress(f"Calibrating {run.name} on {family.spec.name}", parts) as advance:
        found = confidence.measure(
            run.learner().to(device),
            family,
            split=flags.split,
            episodes=flags.episodes,
            seed=flags.seed,
            device=device,
            advance=lambda: advance(1),
            twin=twin.learner().to(device) if twin else None,
        )
    rows = []
    for way in found.ways:
        degrees = [f"{found.degree(way, shot):.2f}" for shot in found.shots]
        rows.append((str(way), *degrees, f"{1 - found.threshold(way, 1, 0.9):.2f}"))
    shots = [f"temperature, {shot} shot{'s' * (shot > 1)}" for shot in found.shots]
    output.print_table(("way", *shots, "in the 90 % set, 1 shot: p above"), rows)
    path = run.path / confidence.FILE
    confidence.write(found, path)
    print(path)
    return 0
