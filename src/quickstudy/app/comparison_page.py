"""A comparison as a page: one HTML file that needs nothing beside it, composed from values alone."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template

from quickstudy.app import output, plots
from quickstudy.app.comparison_parts import (
    by_learner,
    by_setting,
    calibration,
    cost,
    curve,
    elsewhere,
    other,
    practised,
    score,
    shifts,
    words,
)
from quickstudy.app.markup import NONE, TO, figure, gallery, label, number, percent, signed, size, table
from quickstudy.app.plots import Line
from quickstudy.comparison import Comparison, told_apart
from quickstudy.contender import Measured

TEMPLATE = Path(__file__).with_name("comparison.html")


def compose(found: Comparison, command: str, data: str) -> str:
    """The page; ``command`` made it, and ``data`` is the name of the JSON beside it."""
    first = found.first
    facts = {
        "title": f"{output.count(len(found.rows), 'learner')} on {first.tasks}",
        "lead": lead(found),
        "metric": words(found).capitalize(),
        "corner": "up" if found.higher_is_better else "down",
        "better": "more is better" if found.higher_is_better else "less is better",
        "units": f"{first.units:,}",
        "side": f"{found.side_episodes:,}",
        "command": command,
        "data": data,
        "version": first.version,
        "torch": first.torch,
        "device": first.device,
        "seed": str(first.seed),
        "manifest": first.manifest,
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        {name: escape(value) for name, value in facts.items()},
        headline=headline(found),
        key="".join(f"<li>{label(place, row.name)}</li>" for place, row in enumerate(found.rows)),
        scores=scores(found),
        pairs=pairs(found),
        soon=soon(found),
        cost=cost(found),
        calibration=calibration(found),
        shifts=shifts(found),
        elsewhere=elsewhere(found),
        other=other(found),
    )


def lead(found: Comparison) -> str:
    """The episodes in one sentence."""
    first = found.first
    way, each = (f"{first.way}-way ", " of each class") if first.way else ("", "")
    same = ", the same for all" if len(found.rows) > 1 else ""
    return (
        f"{first.episodes:,} {way}{first.shot}-shot episodes of {first.tasks}, split {first.split}, with {first.query} "
        f"queries{each}{same}."
    )


def headline(found: Comparison) -> str:
    """The numbers to remember."""
    best = found.rows[0]
    level = [row.name for row, (first, _) in zip(found.rows, found.ranks, strict=True) if first == 1][1:]
    beside = f"; {' and '.join(level)} cannot be told from it" if 0 < len(level) < 3 else ""
    beside = f"; {len(level)} others cannot be told from it" if len(level) > 2 else beside
    quick = min(found.rows, key=lambda row: row.evaluation.adapt_ms)
    light = min(found.rows, key=lambda row: row.state_bytes)
    numbers = [
        (score(found, best.evaluation.mean), f"{words(found)}: {best.name}{beside}"),
        (f"{number(quick.evaluation.adapt_ms)} ms", f"to adapt to a task: {quick.name}"),
        (size(light.state_bytes), f"hold all that a task has taught: {light.name}"),
    ]
    known = [(row.calibration, row.name) for row in found.rows if row.calibration is not None]
    if known:
        error, name = min((one.ece if one.ece_after is None else one.ece_after, name) for one, name in known)
        numbers.append((percent(error), f"calibration error: {name}"))
    return "".join(f"<li><b>{escape(value)}</b> {escape(what)}</li>" for value, what in numbers)


def scores(found: Comparison) -> str:
    """Places and scores, as a plot and as a table beside it."""
    drawn = plots.scores(
        [(row.name, row.evaluation.mean, row.evaluation.ci95) for row in found.rows], found.first.metric
    )
    rows = [
        [
            f"{label(at, row.name)}<small>{escape(trained(row))}</small>",
            TO.join(map(str, dict.fromkeys(rank))),
            score(found, row.evaluation.mean, row.evaluation.ci95)
            + ("<small>transductive</small>" if row.evaluation.transductive else ""),
        ]
        for at, (row, rank) in enumerate(zip(found.rows, found.ranks, strict=True))
    ]
    beside = table(["learner", "place", escape(words(found))], rows)
    return gallery([figure("Mean and its 95 % interval", drawn), beside])


def trained(row: Measured) -> str:
    """The training in a few words."""
    training = row.evaluation.training
    if not training:
        return "without training"
    steps = output.count(training.get("step", training.get("steps")), "step")
    return f"trained on {training['tasks']}, {practised(row)}, {steps}"


def pairs(found: Comparison) -> str:
    """Every learner's score less every other's; nothing for one alone."""
    if not found.differences:
        return ""
    cells: dict[tuple[str, str], str] = {}
    for pair in found.differences:
        for names, mean in (((pair.first, pair.second), pair.mean), ((pair.second, pair.first), 0.0 - pair.mean)):
            kind = ("ahead" if names[0] == pair.first else "behind") if told_apart(pair) else "open"
            cells[names] = f'<span class="{kind}">{signed(score(found, mean, pair.ci95))}</span>'
    rows = [
        [label(place, row.name), *(cells.get((row.name, one.name), "") for one in found.rows)]
        for place, row in enumerate(found.rows)
    ]
    return (
        "<h3>Row less column, on the same episodes</h3>"
        + by_setting(found, "", rows)
        + '<p class="note">What makes an episode hard for all is not in these intervals. Bold: the interval leaves out '
        "zero. Pale: this many episodes do not tell the two apart. A place such as 1 to 3 is what these differences "
        "leave open. Each pair is judged at 95 % on its own: of twenty pairs of equals one should look different."
        "</p>"
    )


def soon(found: Comparison) -> str:
    """Curves by shots and steps, and where they are flat."""
    flat = [
        Line(place, (), (row.priced[0].mean,), (row.priced[0].ci95,))
        for place, row in enumerate(found.rows)
        if not row.evaluation.curves["steps"]
    ]
    examples = "examples of each class" if found.first.way else "examples of a task"
    drawn = [curve(found, "shots", examples), curve(found, "steps", "gradient steps", flat)]
    rows = by_learner(
        found,
        ["examples needed", "for nearly", "gradient steps needed", "for nearly"],
        lambda row: [
            NONE if row.shots_needed is None else str(row.shots_needed),
            last(found, row, "shots"),
            NONE if row.steps_needed is None else str(row.steps_needed),
            last(found, row, "steps"),
        ],
    )
    return gallery(drawn) + rows


def last(found: Comparison, row: Measured, name: str) -> str:
    """The score that a curve ends with."""
    points = row.evaluation.curves[name]
    return f"{score(found, points[-1].mean)} <small>at {points[-1].at}</small>" if points else NONE
