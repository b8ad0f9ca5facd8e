"""Plots of a leaderboard as SVG, written here: a few kB each, in the page's own colours and font."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 420.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 14.0, 44.0
COLOURS = 8
"""Of lines, named --line-1 and so on; more lines than that begin anew."""
LETTER, LINE = 7.0, 15.0
"""Room that a label takes, for each letter and in height."""
LEADER, LONGEST = 18.0, 18
"""From a line's end to its name, and letters of that."""
FEW = 8
"""Points that are named along an axis; of more, round numbers are."""
DIFFERENT = 1e-12
ZERO = 0.5
"""Where no examples are on a logarithmic axis."""


class Dot(NamedTuple):
    """An entry's cost and score."""

    name: str
    slug: str
    cost: float
    score: float
    whole: bool = True
    """Whether it takes part in all that the score is of; who does not is a ring, and on no front."""


class Curve(NamedTuple):
    """Scores by the number of examples, or by time."""

    name: str
    number: int
    """Of its colour."""
    points: Sequence[tuple[float, float, float]]
    """Where, score, and half the width of its interval."""


class Axis(NamedTuple):
    """From numbers to places."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(one) if self.log else one for one in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def axis(values: Sequence[float], start: float, end: float, log: bool = False) -> Axis:
    """One with room for all ``values``."""
    low, high = min(values), max(values)
    if log:
        room = max((high / low) ** 0.06, 1.3)
        return Axis(low / room, high * room, start, end, True)
    room = max(0.07 * (high - low), 1e-3 * max(abs(low), abs(high)), DIFFERENT)
    return Axis(low - room, high + room, start, end, False)


def front(dots: Sequence[Dot], cost: str, score: str, higher: bool) -> str:
    """Score against a cost, on a logarithmic axis, with the Pareto front, whose entries are named; empty without dots.

    Args:
        dots: entries whose cost is more than 0.
        cost, score: names of the axes.
        higher: whether more is better.
    """
    if not dots:
        return ""
    x = axis([dot.cost for dot in dots], LEFT, WIDTH - RIGHT, log=True)
    y = axis([dot.score for dot in dots], HEIGHT - BOTTOM, TOP)
    best = pareto([dot for dot in dots if dot.whole], higher)
    steps = "".join(
        f"{'L' if number else 'M'}{x(dot.cost):.1f} {y(best[max(number - 1, 0)].score):.1f}V{y(dot.score):.1f}"
        for number, dot in enumerate(best)
    )
    stairs = f'<path class="front" d="{steps}H{WIDTH - RIGHT:.0f}"/>' if best else ""
    marks = "".join(
        f'<circle class="dot{kind(dot, best)}" data-entry="{dot.slug}" cx="{x(dot.cost):.1f}" '
        f'cy="{y(dot.score):.1f}" r="5"><title>{escape(dot.name)}: {dot.score:.3g} at {dot.cost:.3g}</title></circle>'
        for dot in dots
    )
    names = labels([(dot.name, x(dot.cost), y(dot.score)) for dot in best])
    told = f"{score} against {cost}. On the Pareto front: {', '.join(dot.name for dot in best)}."
    return picture(told, axes(x, y, cost, score) + stairs + marks + names)


def kind(dot: Dot, best: Sequence[Dot]) -> str:
    """How a dot is drawn."""
    return " best" if dot in best else "" if dot.whole else " part"


def pareto(dots: Sequence[Dot], higher: bool) -> list[Dot]:
    """Those than which no cheaper one is as good, from the cheapest on."""
    found: list[Dot] = []
    for dot in sorted(dots, key=lambda one: (one.cost, -one.score if higher else one.score)):
        if not found or (dot.score > found[-1].score if higher else dot.score < found[-1].score):
            found.append(dot)
    return found


def curves(lines: Sequence[Curve], what: str, score: str) -> str:
    """Scores by ``what``, on a logarithmic axis, each with its interval and its name; empty without lines."""
    lines = [line for line in lines if line.points]
    if not lines:
        return ""
    lines = [line._replace(points=[(at or ZERO, mean, ci95) for at, mean, ci95 in line.points]) for line in lines]
    at = sorted({point[0] for line in lines for point in line.points})
    x = axis(at, LEFT, WIDTH - RIGHT - LEADER - LETTER * max(len(shown(line.name)) for line in lines), log=True)
    y = axis([point[1] for line in lines for point in line.points], HEIGHT - BOTTOM, TOP)
    drawn = "".join(curve(line, x, y, bands=len(lines) < 4) for line in lines)
    told = f"{score} by {what}: " + "; ".join(
        f"{line.name} from {line.points[0][1]:.2f} to {line.points[-1][1]:.2f}" for line in lines
    )
    return picture(told, axes(x, y, what, score, at if len(at) <= FEW else ()) + drawn + ends(lines, x, y))


def ends(lines: Sequence[Curve], x: Axis, y: Axis) -> str:
    """The name of every line beside its end, in its colour; names that would lie on each other are moved apart."""
    ordered = sorted(lines, key=lambda line: y(line.points[-1][1]))
    tops: list[float] = []
    for line in ordered:
        tops.append(max(y(line.points[-1][1]), tops[-1] + LINE if tops else TOP))
    lowest = HEIGHT - BOTTOM
    for at in reversed(range(len(tops))):
        tops[at] = min(tops[at], lowest)
        lowest = tops[at] - LINE
    drawn = []
    for line, top in zip(ordered, tops, strict=True):
        left, end, colour = x(line.points[-1][0]), y(line.points[-1][1]), ink(line)
        drawn.append(
            f'<path class="leader" d="M{left + 5:.1f} {end:.1f}L{left + LEADER - 4:.1f} {top:.1f}" stroke="{colour}"/>'
            f'<text class="end" x="{left + LEADER:.1f}" y="{top + 4:.1f}" style="fill:{colour}">'
            f"{escape(shown(line.name))}</text>"
        )
    return "".join(drawn)


def shown(name: str) -> str:
    """A name, or as much of it as there is room for."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def ink(line: Curve) -> str:
    """A line's colour."""
    return f"var(--line-{line.number % COLOURS + 1})"


def curve(line: Curve, x: Axis, y: Axis, bands: bool) -> str:
    """One line, its points, and the band of its intervals."""
    places = [(x(at), y(mean)) for at, mean, _ in line.points]
    colour = ink(line)
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
    dots = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>' for a, b in places)
    band = ""
    if bands:
        upper = [(x(at), clamped(y(mean + ci95))) for at, mean, ci95 in line.points]
        lower = [(x(at), clamped(y(mean - ci95))) for at, mean, ci95 in reversed(line.points)]
        outline = "L".join(f"{a:.1f} {b:.1f}" for a, b in (*upper, *lower))
        band = f'<path d="M{outline}Z" fill="{colour}" opacity=".14"/>'
    return f'{band}<path d="{path}" fill="none" stroke="{colour}" stroke-width="2.2"/>{dots}'


def clamped(place: float) -> float:
    """Within the plot."""
    return min(max(place, TOP), HEIGHT - BOTTOM)


def waves(support: Sequence[tuple[float, float]], query: Sequence[tuple[float, float]], told: str) -> str:
    """A task of one input and one output: its examples as dots, what is asked as circles."""
    x = axis([one for one, _ in (*support, *query)], LEFT, WIDTH - RIGHT)
    y = axis([one for _, one in (*support, *query)], HEIGHT - BOTTOM, TOP)
    asked = "".join(f'<circle class="asked" cx="{x(a):.1f}" cy="{y(b):.1f}" r="4"/>' for a, b in query)
    given = "".join(f'<circle class="given" cx="{x(a):.1f}" cy="{y(b):.1f}" r="6"/>' for a, b in support)
    return picture(told, axes(x, y, "input", "output") + asked + given)


def labels(named: Sequence[tuple[str, float, float]]) -> str:
    """Names beside places, as far as there is room."""
    taken: list[tuple[float, float, float]] = []
    drawn = []
    for name, x, y in named:
        width = LETTER * len(name)
        left = x + 9 if x + 9 + width < WIDTH else x - 9 - width
        for top in (y + 4, y - 10, y + 18):
            if left > LEFT - 4 and TOP < top < HEIGHT - BOTTOM + 4 and not crowded(taken, left, top, width):
                taken.append((left, top, width))
                drawn.append(f'<text class="name" x="{left:.1f}" y="{top:.1f}">{escape(name)}</text>')
                break
    return "".join(drawn)


def crowded(taken: Sequence[tuple[float, float, float]], left: float, top: float, width: float) -> bool:
    """Whether a label there would lie on another."""
    return any(abs(top - b) < LINE and left < a + wide and a < left + width for a, b, wide in taken)


def axes(x: Axis, y: Axis, across: str, up: str, at: Sequence[float] = ()) -> str:
    """Grid, numbers and names of both axes."""
    drawn = []
    for value in ticks(y):
        place = y(value)
        drawn.append(f'<path class="grid" d="M{LEFT:.0f} {place:.1f}H{WIDTH - RIGHT:.0f}"/>')
        drawn.append(f'<text x="{LEFT - 7:.0f}" y="{place + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in at or ticks(x):
        place = x(value)
        drawn.append(f'<path class="grid" d="M{place:.1f} {TOP:.0f}V{HEIGHT - BOTTOM:.0f}"/>')
        said = "0" if at and value == ZERO else f"{value:g}"
        drawn.append(f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 17:.0f}" text-anchor="middle">{said}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    drawn.append(f'<text x="{middle:.0f}" y="{HEIGHT - 6:.0f}" text-anchor="middle">{escape(across)}</text>')
    height = (TOP + HEIGHT - BOTTOM) / 2
    drawn.append(f'<text transform="translate(12 {height:.0f}) rotate(-90)" text-anchor="middle">{escape(up)}</text>')
    return "".join(drawn)


def ticks(one: Axis) -> list[float]:
    """Round numbers along an axis."""
    if one.log:
        decades = range(math.floor(math.log10(one.low)), math.ceil(math.log10(one.high)) + 1)
        for digits in ((1,), (1, 3), (1, 2, 5)):
            found = [digit * 10.0**decade for decade in decades for digit in digits]
            found = [value for value in found if one.low <= value <= one.high]
            if len(found) >= 3:
                break
        return [float(f"{value:.6g}") for value in found[:: math.ceil(len(found) / 7) or 1]]
    span = one.high - one.low
    step = 10.0 ** math.floor(math.log10(span / 3))
    step *= next(times for times in (1, 2, 5, 10) if span / (step * times) <= 6)
    first = math.ceil(one.low / step)
    return [float(f"{step * number:.6g}") for number in range(first, math.floor(one.high / step) + 1)]


def picture(told: str, body: str) -> str:
    """The element, with what it shows in words."""
    return f'<svg role="img" aria-label="{escape(told)}" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}">{body}</svg>'
