"""``quickstudy evaluate``: runs, or learners that need no training, judged on held-out tasks."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import tyro

from quickstudy import learners, runs
from quickstudy.app import chart, output
from quickstudy.app.flags import parse
from quickstudy.errors import UserError, unknown
from quickstudy.evaluation import Difference, Evaluation, curve_names, differences, evaluate
from quickstudy.learners import LEARNERS
from quickstudy.learners.base import Learner
from quickstudy.scoring import Episodes
from quickstudy.tasks import TaskFamily
from quickstudy.tasks import load as load_tasks
from quickstudy.weights import BUNDLED

DESCRIPTION = """Judge runs on held-out tasks: the mean score with its 95 % interval, and what an adaptation costs.

RUNS are run folders (the name of one below runs/ will do), or names of learners that need no training, such as nearest;
a run folder comes before a learner of the same name. Several meet the same episodes and are compared in pairs."""


@dataclass(frozen=True, kw_only=True)
class Flags(Episodes):
    """What to judge, and on which episodes."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Run folders, or learners that need no training."""
    tasks: str | None = None
    """Task family with its options; by default that of the training."""
    inner_steps: int | None = None
    """Gradient steps of an adaptation; by default the learner's own."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    curves: str = ""
    """Also the score along any of shots, steps and ways, with commas between them."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object for one run; rows and differences for several."""
    plot: Path | None = None
    """Picture of the scores and curves to write: .png, .svg or .pdf."""


def main(args: list[str]) -> int:
    """Run the verb."""
    flags = parse(Flags, args, prog="quickstudy evaluate", description=DESCRIPTION)
    if not flags.runs:
        raise UserError("say which run to evaluate. `quickstudy list runs` shows those there are.")
    curves = curve_names(flags.curves)
    if flags.plot is not None:
        chart.check_name(flags.plot)
    rows = judge(flags, curves)
    compared = differences(rows) if len(rows) > 1 else []
    if not flags.json:
        show(rows, curves)
        show_differences(rows, compared)
    elif len(rows) == 1:
        output.print_json(rows[0].to_json())
    else:
        pairs = [difference._asdict() for difference in compared]
        output.print_json({"rows": [row.to_json() for row in rows], "differences": pairs})
    if flags.plot is not None:
        chart.draw(rows, flags.plot)
        print(flags.plot, file=sys.stderr if flags.json else sys.stdout)
    return 0


def judge(flags: Flags, curves: Sequence[str]) -> list[Evaluation]:
    """An evaluation of each run; all are found, and fit together, before the first one starts."""
    found = {name: find(name) for name in flags.runs}
    family = load_tasks(flags.tasks or common_tasks(found))
    ready = {name: untrained(name, family) if run is None else run for name, run in found.items()}
    which = {field.name: getattr(flags, field.name) for field in fields(Episodes)}
    rows = []
    for name, one in ready.items():
        print(f"evaluating {name} on {flags.episodes} episodes of {family.spec.name} ...", file=sys.stderr)
        rows.append(
            evaluate(
                one,
                family,
                **which,
                inner_steps=flags.inner_steps,
                device=flags.device,
                curves=curves,
            )
        )
    return rows


def find(name: str) -> runs.Run | None:
    """The run in a folder, or in the package, or None for a learner's name; UserError if ``name`` is none of these."""
    is_run = any((folder / runs.CARD).is_file() for folder in (Path(name), runs.RUNS / name))
    if not is_run and learners.is_named(name):
        return None
    if not (is_run or name in BUNDLED or Path(name).exists() or (runs.RUNS / name).exists()):
        known = [run.name for run in runs.RUNS.iterdir()] if runs.RUNS.is_dir() else []
        raise unknown("run or learner", name, [*known, *BUNDLED, *LEARNERS])
    return runs.load(name)


def common_tasks(found: Mapping[str, runs.Run | None]) -> str:
    """The tasks that all runs were trained on; UserError where there is no such thing."""
    names = sorted({run.spec.name for run in found.values() if run is not None})
    if not names:
        raise UserError(f"{', '.join(found)} met no tasks in training. Say with --tasks on which ones to judge.")
    if len(names) > 1:
        raise UserError(f"these runs were trained on different tasks ({', '.join(names)}). Choose some with --tasks.")
    return names[0]


def untrained(name: str, family: TaskFamily) -> Learner:
    """The learner ``name`` for the tasks of ``family``, if it can do without training."""
    learner = learners.build(name, family.spec, learners.configure(name, {}), seed=0)
    if learner.learns:
        raise UserError(
            f"{name} has to be trained first: quickstudy train {name} --tasks {family.spec.name}. Then evaluate the "
            f"run folder that it leaves."
        )
    return learner


def label(row: Evaluation) -> str:
    """What a row is called: its run folder, or its learner."""
    return row.run or row.learner


def show(rows: Sequence[Evaluation], curves: Sequence[str]) -> None:
    """Tables for people."""
    first = rows[0]
    classes = f"{first.way}-way " if first.way else ""
    print(
        f"{first.tasks}, {first.split}: {classes}{first.shot}-shot, {first.query} queries, {first.episodes} episodes "
        f"(seed {first.seed})\nmean ± 95 % interval over {first.units} units; inductive where nothing else is said\n"
    )
    columns = ("run", first.metric, "adapt ms", "predict ms", "MFLOP", "MB", "params")
    table = [
        (
            f"{label(row)} (transductive)" if row.transductive else label(row),
            output.score(row.metric, row.mean, row.ci95),
            f"{row.adapt_ms:.2f}",
            f"{row.predict_ms:.2f}",
            f"{row.adapt_flops / 1e6:.1f}",
            f"{row.adapt_peak_mb:.1f}",
            f"{row.parameters:,}",
        )
        for row in rows
    ]
    output.print_table(columns, table)
    for row in rows:
        if row.failed:
            print(
                f"{label(row)}: answers to {row.failed} of {row.episodes} episodes are no finite numbers; they count "
                "as wrong, and their error is infinite"
            )
    show_others(rows)
    if first.oracle is not None:
        best = output.score(first.metric, first.oracle, first.oracle_ci95)
        print(f"\nthe best possible answer to these tasks has {first.metric} {best}")
    print("\none task at a time: median time to adapt and to predict; operations and memory of one adaptation")
    for curve in curves:
        show_curve(rows, curve)


def show_others(rows: Sequence[Evaluation]) -> None:
    """The family's further metrics, where it has any."""
    names = list(dict.fromkeys(name for row in rows for name in row.others))
    if not names:
        return
    print()
    told = [[output.score(name, *row.others[name]) if name in row.others else "-" for name in names] for row in rows]
    output.print_table(("run", *names), [(label(row), *cells) for row, cells in zip(rows, told, strict=True)])


def show_curve(rows: Sequence[Evaluation], curve: str) -> None:
    """One column a run; a run that has no such curve has dashes."""
    points = sorted({point.at for row in rows for point in row.curves[curve]})
    if not points:
        print(f"\nno curve of {curve}: these learners or tasks have none")
        return
    scores = [
        {point.at: output.score(row.metric, point.mean, point.ci95) for point in row.curves[curve]} for row in rows
    ]
    print()
    output.print_table(
        (curve, *(label(row) for row in rows)), [(str(at), *(one.get(at, "-") for one in scores)) for at in points]
    )


def show_differences(rows: Sequence[Evaluation], compared: Sequence[Difference]) -> None:
    """Each pair's difference on the same episodes."""
    if compared:
        print()
        pairs = [(pair.first, pair.second, output.score(rows[0].metric, pair.mean, pair.ci95)) for pair in compared]
        output.print_table(("first", "second", "first - second, paired"), pairs)
