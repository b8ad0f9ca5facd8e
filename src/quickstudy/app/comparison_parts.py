"""Parts of the page of a comparison that stand on their own: curves, costs, calibration, shifts, other sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from quickstudy.app import output, plots
from quickstudy.app.markup import NONE, figure, gallery, label, number, percent, section, signed, size, table
from quickstudy.app.plots import Line, Point
from quickstudy.calibration import Calibration
from quickstudy.comparison import Comparison
from quickstudy.contender import Measured


def words(found: Comparison) -> str:
    """The metric in words."""
    return {"mse": "mean squared error"}.get(found.first.metric, found.first.metric)


def score(found: Comparison, mean: float, ci95: float | None = None) -> str:
    """A score or a difference, with its interval if there is one."""
    return output.score(found.first.metric, mean, ci95)


def by_learner(found: Comparison, columns: Sequence[str], cells: Callable[[Measured], Sequence[str]]) -> str:
    """A table with a row a learner."""
    rows = [[label(place, row.name), *cells(row)] for place, row in enumerate(found.rows)]
    return table(["learner", *columns], rows)


def by_setting(found: Comparison, corner: str, rows: Sequence[Sequence[str]]) -> str:
    """A table with a column a learner."""
    return table([corner, *(label(place, row.name) for place, row in enumerate(found.rows))], rows)


def practised(row: Measured) -> str:
    """Way and shot of the training."""
    training = row.evaluation.training
    way = f"{training['way']}-way " if training and row.evaluation.way else ""
    return f"{way}{training['shot']}-shot" if training else NONE


def curve(found: Comparison, name: str, axis: str, flat: Sequence[Line] = ()) -> str:
    """All learners' curves of one kind; nothing where none has any."""
    lines = [
        Line(place, *zip(*row.evaluation.curves[name], strict=True))
        for place, row in enumerate(found.rows)
        if row.evaluation.curves[name]
    ]
    heading = escape(f"{words(found).capitalize()} by {axis}")
    return figure(heading, plots.curve(lines, axis, found.first.metric, flat)) if lines else ""


def cost(found: Comparison) -> str:
    """What an adaptation costs, and which score it buys."""
    times = [[(one.adapt_ms, one.mean) for one in row.priced] for row in found.rows]
    sizes = [[(row.state_bytes / 1000, row.priced[0].mean)] for row in found.rows]
    drawn = [
        figure(
            escape(f"{words(found).capitalize()} against {what}"),
            plots.front(
                groups,
                pareto([one for some in groups for one in some], found.higher_is_better),
                axis,
                found.first.metric,
            ),
        )
        for what, axis, groups in (
            ("time to adapt", "milliseconds to adapt to one task", times),
            ("what is kept of a task", "kB of adapted state", sizes),
        )
    ]
    rows = by_learner(
        found,
        ["adapt, ms", "predict, ms", "MFLOP", "peak, MB", "parameters", "adapted", "adapted state"],
        lambda row: [
            f"{number(row.evaluation.adapt_ms)} <small>95 %: {number(row.evaluation.adapt_p95_ms)}</small>",
            f"{number(row.evaluation.predict_ms)} <small>95 %: {number(row.evaluation.predict_p95_ms)}</small>",
            number(row.evaluation.adapt_flops / 1e6),
            number(row.evaluation.adapt_peak_mb),
            f"{row.evaluation.parameters:,}",
            f"{row.adapted_parameters:,}",
            size(row.state_bytes),
        ],
    )
    return gallery(drawn) + rows


def pareto(points: Sequence[Point], higher: bool) -> list[Point]:
    """Those than which no cheaper one is as good, from the cheapest on."""
    front: list[Point] = []
    for price, mean in sorted(points, key=lambda one: (one[0], -one[1] if higher else one[1])):
        if not front or (mean > front[-1][1] if higher else mean < front[-1][1]):
            front.append((price, mean))
    return front


def calibration(found: Comparison) -> str:
    """Reliability diagrams and calibration errors; nothing in regression."""
    if found.rows[0].calibration is None:
        return ""
    drawn = [
        figure(label(place, row.name), plots.reliability(row.calibration, place, row.name))
        for place, row in enumerate(found.rows)
        if row.calibration is not None
    ]
    rows = by_learner(
        found,
        ["calibration error", "log loss", "temperature", "error with it", "log loss with it"],
        lambda row: calibration_cells(row.calibration) if row.calibration else [],
    )
    return section(
        "calibration",
        "Can its probabilities be believed?",
        "Of the answers that a calibrated learner gives with 80 % confidence, 80 % are right: its bars end at the "
        "dashed line. A bar is as dark as its confidence is frequent. The points are the same answers with the logits "
        "divided by one temperature, which was learnt on validation tasks by minimising the log loss. The calibration "
        "error is the mean distance from the line over 15 bins (ECE, Guo et al. 2017).",
        gallery(drawn, "small") + rows,
    )


def calibration_cells(one: Calibration) -> list[str]:
    """Before and after the temperature."""
    before = [percent(one.ece), number(one.nll)]
    return [*before, number(one.temperature), percent(one.ece_after), number(one.nll_after)]


def shifts(found: Comparison) -> str:
    """Scores on changed inputs; nothing where none were asked for."""
    kinds = list(dict.fromkeys(one.kind for one in found.rows[0].shifts))
    if not kinds:
        return ""
    changed = "Queries alone are changed" if found.shift_on == "query" else "Support and queries are changed"
    return section(
        "shifts",
        "When the world moves",
        f"{changed}, more and more, and nobody has told the learners. Each cell has the score and, below it, the "
        "paired difference to the same episodes unchanged.",
        gallery([figure(kind.capitalize(), shift_plot(found, kind)) for kind in kinds], "small")
        + by_setting(found, "change and strength", list(shift_rows(found))),
    )


def shift_plot(found: Comparison, kind: str) -> str:
    """All learners' scores by the strength of one kind of change."""
    lines = []
    for place, row in enumerate(found.rows):
        points = [(0.0, row.priced[0].mean, row.priced[0].ci95)]
        points += [(one.strength, one.mean, one.ci95) for one in row.shifts if one.kind == kind]
        lines.append(Line(place, *zip(*points, strict=True)))
    return plots.curve(lines, f"strength of {kind}", found.first.metric, small=True)


def shift_rows(found: Comparison) -> Iterator[list[str]]:
    """A row a change, a column a learner."""
    yield ["none", *(score(found, row.priced[0].mean, row.priced[0].ci95) for row in found.rows)]
    for several in zip(*(row.shifts for row in found.rows), strict=True):
        change = [signed(score(found, one.change, one.change_ci95)) for one in several]
        cells = [f"{score(found, one.mean)} <small>{text}</small>" for one, text in zip(several, change, strict=True)]
        yield [f"{several[0].kind} {several[0].strength:g}", *cells]


def elsewhere(found: Comparison) -> str:
    """Scores on tasks of other families; nothing where none were asked for."""
    if not found.rows[0].elsewhere:
        return ""
    rows = [["here", *(score(found, row.priced[0].mean, row.priced[0].ci95) for row in found.rows)]]
    for several in zip(*(row.elsewhere for row in found.rows), strict=True):
        change = [signed(score(found, one.change, one.change_ci95)) for one in several]
        cells = [
            f"{score(found, one.mean, one.ci95)} <small>{text}</small>"
            for one, text in zip(several, change, strict=True)
        ]
        rows.append([escape(several[0].tasks), *cells])
    return section(
        "elsewhere",
        "When the tasks are others",
        f"The same learners, without further training, on {found.side_episodes:,} episodes of other families of tasks. "
        "Below each score is its difference to the score here; these are other episodes, so that its interval is that "
        "of two independent means.",
        by_setting(found, "tasks", rows),
    )


def other(found: Comparison) -> str:
    """Scores at other ways and shots than asked for and trained with."""
    first = found.first
    rows = [["in training", *map(practised, found.rows)]]
    for name in ("ways", "shots"):
        points = [{one.at: one for one in row.evaluation.curves[name]} for row in found.rows]
        for at in sorted({at for some in points for at in some}):
            way, shot = (at, first.shot) if name == "ways" else (first.way, at)
            cells = [score(found, some[at].mean, some[at].ci95) if at in some else NONE for some in points]
            rows.append([f"{way}-way {shot}-shot" if way else f"{shot}-shot", *cells])
    return gallery([curve(found, "ways", "classes in an episode")]) + by_setting(found, "episodes", rows)
