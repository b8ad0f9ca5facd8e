"""``quickstudy compare``: learners side by side on the same tasks, as a page and as JSON."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import tyro

from quickstudy import runs
from quickstudy.app import output
from quickstudy.app.comparison_page import compose
from quickstudy.app.evaluate import common_tasks, find, untrained
from quickstudy.app.flags import parse
from quickstudy.comparison import Comparison, compare, told_apart
from quickstudy.errors import UserError
from quickstudy.learners.base import Learner
from quickstudy.scoring import Episodes
from quickstudy.tasks import load as load_tasks
from quickstudy.tasks.vision.shift import Where

DESCRIPTION = """Put learners side by side on the same held-out tasks: scores with their paired differences, how many
examples and steps they need, what an adaptation costs, whether their probabilities can be believed, and what is left of
the score when inputs change, or tasks do. Writes a page and, beside it, a JSON file.

RUNS are run folders (the name of one below runs/ will do), or names of learners that need no training, such as nearest;
a run folder comes before a learner of the same name."""


@dataclass(frozen=True, kw_only=True)
class Flags(Episodes):
    """What to compare, and on which episodes."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Run folders, or learners that need no training."""
    tasks: str | None = None
    """Task family with its options; by default that of the training."""
    side_episodes: int = 200
    """How many of the episodes, the first ones, for each point of a curve and each shift."""
    shifts: str | None = None
    """Changes of the inputs, with commas between them: noise, strokes, blur, contrast, rotation; by default all."""
    shift_on: Where = "query"
    """Change the queries alone, or all inputs."""
    shift_to: str = ""
    """Further task families, with commas between them, on which the same runs are judged too: what is left of a score
    where tasks are others than those of the training."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    out: Path | None = None
    """Page to write, NAME.html; NAME.json comes beside it. By default a new one below runs/."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the JSON too."""


def main(args: list[str]) -> int:
    """Run the verb; the last line on stdout is the path of the page."""
    flags = parse(Flags, args, prog="quickstudy compare", description=DESCRIPTION)
    if not flags.runs:
        raise UserError("say which runs to compare. `quickstudy list runs` shows those there are.")
    found = {name: find(name) for name in flags.runs}
    family = load_tasks(flags.tasks or common_tasks(found))
    contenders: list[runs.Run | Learner] = [
        untrained(name, family) if run is None else run for name, run in found.items()
    ]
    page = page_path(flags.out, family.spec.name)
    which = {field.name: getattr(flags, field.name) for field in fields(Episodes)}
    comparison = compare(
        contenders,
        family,
        **which,
        side_episodes=flags.side_episodes,
        shifts=flags.shifts,
        shift_on=flags.shift_on,
        shift_to=flags.shift_to,
        device=flags.device,
        progress=Watch(),
    )
    data = comparison.to_json()
    runs.write_json(page.with_suffix(".json"), data)
    html = compose(comparison, shlex.join(["quickstudy", "compare", *args]), page.with_suffix(".json").name)
    runs.write_atomic(page, lambda temporary: runs.write_text(temporary, html))
    if flags.json:
        output.print_json(data)
    else:
        show(comparison)
    print(page, file=sys.stderr if flags.json else sys.stdout)
    return 0


def page_path(wanted: Path | None, tasks: str) -> Path:
    """The page to write; UserError, before any work, for one that cannot be."""
    if wanted is None:
        return free_path(tasks)
    if wanted.suffix.lower() != ".html":
        raise UserError(f"--out is {wanted}; its name must end in .html.")
    folder = next(one for one in (wanted.parent, *wanted.parent.parents) if one.exists())
    if wanted.is_dir() or not folder.is_dir():
        raise UserError(f"cannot write {wanted}: {wanted if wanted.is_dir() else folder} is in the way.")
    return wanted


def free_path(tasks: str) -> Path:
    """A name that is not taken: runs/comparison-glyphs-1.html."""
    path = runs.new_path("comparison", tasks)
    stem, _, number = path.name.rpartition("-")
    while path.with_name(f"{path.name}.html").exists():
        number = str(int(number) + 1)
        path = path.with_name(f"{stem}-{number}")
    return path.with_name(f"{path.name}.html")


class Watch:
    """Says on stderr what comes next and, once a learner is through, about how long the rest takes."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.name = ""

    def __call__(self, name: str, what: str, done: int, total: int) -> None:
        """``comparison.Progress``."""
        if done and name != self.name:
            left = (time.monotonic() - self.start) * (total - done) / done
            print(f"about {output.duration(left)} left", file=sys.stderr, flush=True)
        self.name = name
        print(f"{done + 1} of {total}: {name}, {what}", file=sys.stderr, flush=True)


def show(found: Comparison) -> None:
    """A table for people."""
    first = found.first
    classes = f"{first.way}-way " if first.way else ""
    print(
        f"{first.tasks}, {first.split}: {classes}{first.shot}-shot, {first.query} queries, {first.episodes} episodes "
        f"(seed {first.seed})\nmean ± 95 % interval over {first.units} units; a place is a range where paired "
        f"differences leave it open\n"
    )
    columns = ("place", "learner", first.metric, "shots needed", "steps needed", "adapt ms", "state kB")
    output.print_table(columns, list(map(list, table(found))))
    open_pairs = [f"{pair.first} and {pair.second}" for pair in found.differences if not told_apart(pair)]
    if open_pairs:
        print(f"\ncannot be told apart: {', '.join(open_pairs)}")
    for several in zip(*(row.elsewhere for row in found.rows), strict=True):
        scores = (output.score(first.metric, one.mean, one.ci95) for one in several)
        told = ", ".join(f"{row.name} {text}" for row, text in zip(found.rows, scores, strict=True))
        print(f"\non {several[0].tasks}: {told}")
    print()


def table(found: Comparison) -> Sequence[Sequence[str]]:
    """A row a learner."""
    return [
        (
            "-".join(map(str, dict.fromkeys(rank))),
            f"{row.name} (transductive)" if row.evaluation.transductive else row.name,
            output.score(found.first.metric, row.evaluation.mean, row.evaluation.ci95),
            "-" if row.shots_needed is None else str(row.shots_needed),
            "-" if row.steps_needed is None else str(row.steps_needed),
            f"{row.evaluation.adapt_ms:.2f}",
            f"{row.state_bytes / 1000:.1f}",
        )
        for row, rank in zip(found.rows, found.ranks, strict=True)
    ]
