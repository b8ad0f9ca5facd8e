"""The page of an entry: what it is, how it was set, its rows, how to make them again, its curves, its worst tasks."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from textwrap import dedent
from typing import Any

from quickstudy.app import board_badge, board_plots, output
from quickstudy.app.board_families import partly, place
from quickstudy.app.board_figures import points
from quickstudy.app.board_index import measured, page, score, value
from quickstudy.app.board_plots import Curve
from quickstudy.app.board_rows import Row
from quickstudy.app.board_tables import Table
from quickstudy.app.board_worst import Worst
from quickstudy.app.markup import NONE, figure, gallery, table
from quickstudy.challenge.rank import SEALED
from quickstudy.learners import LEARNERS

ABOUT = "<p>Examples are to the left, or filled dots; what was asked is to the right, or rings.</p>"
MOST = 160
"""Letters of why an entry ended."""
LEARNING = "<p>The mean score so long after a task was asked; until it is answered it has what chance has.</p>"
PALE = 7
"""Colour of the line to compare with."""
Placed = tuple[Table, Row, tuple[int, int] | None]
"""A row, its table, and its rank there."""


def entry(name: str, slug: str, placed: Sequence[Placed], worst: Sequence[Worst], why_none: str) -> str:
    """The page; ``why_none`` says why no task is drawn."""
    learner = placed[0][1].learner
    shots = list(curves(placed, lambda row: row.curves, "examples"))
    times = list(curves(placed, lambda row: row.times, "seconds of a standard machine"))
    parts = [
        f"<header><p class='from'><a href='../index.html'>quickstudy leaderboard</a></p><h1>{escape(name)}</h1>",
        f'<p class="lead">{lead(learner, placed[0][1])}</p></header>',
        *citation(learner),
        section("rows", "Rows", rows(placed) + badges(slug, placed)),
        section("again", "Once more", "".join(again(placed))),
        section("curves", "By examples", gallery(shots)) if shots else "",
        section("times", "By time", LEARNING + gallery(times)) if times else "",
        section("configuration", "Configuration", "".join(configuration(placed))),
    ]
    if worst or why_none:
        parts.append(section("worst", "Its worst tasks", tasks(worst, why_none)))
    return page(f"{name}: quickstudy leaderboard", "\n".join(part for part in parts if part), f"{slug}.json", "..")


def section(name: str, heading: str, body: str) -> str:
    """One of the page."""
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2>{body}</section>'


def lead(learner: str, row: Row) -> str:
    """What it is, in a line."""
    if learner in LEARNERS:
        return escape(LEARNERS[learner][1].capitalize()) + "."
    forms = {
        "metadl": "An entry in the form of the MetaDL challenge.",
        "program": "A program of its own.",
        SEALED: "A table of answers to sealed tasks.",
    }
    return forms.get(row.value.get("form", ""), "A learner of somebody's own.")


def citation(learner: str) -> Iterator[str]:
    """Where the method is from: what its file opens with."""
    if learner in LEARNERS:
        module = LEARNERS[learner][0].partition(":")[0]
        text = (importlib.import_module(module).__doc__ or "").strip()
        first, _, rest = text.partition("\n\n")
        more = f'<pre tabindex="0">{escape(dedent(rest).rstrip())}</pre>' if rest.strip() else ""
        file = module.replace(".", "/")
        body = f"<p>{escape(' '.join(first.split()))}</p>{more}<p class='note'>From <code>src/{file}.py</code>.</p>"
        yield section("method", "Method", body)


def rows(placed: Sequence[Placed]) -> str:
    """Every row of the entry."""
    lines = []
    for one, row, rank in placed:
        of = NONE if rank is None else f"{place(rank)} of {sum(other is not None for other in one.ranks)}"
        cells = [f"<td>{of}</td>", score(one, row.score), value(row.metric, escape(row.metric))]
        cells += [measured(row.adapt_ms), measured(row.training_s)]
        cells.append(f"<td>{escape(row.value.get('version', ''))}</td>")
        link = f'<a href="../index.html#{one.slug}">{escape(one.title)}</a>'
        link += f"<small>{part}</small>" if (part := partly(row)) else ""
        lines.append(f'<tr><th scope="row">{link}</th>{"".join(cells)}</tr>')
    heads = ("tasks", "rank", "score", "metric", "adapt, ms", "training, s", "version")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="All rows"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>{families(placed)}"
    )


def families(placed: Sequence[Placed]) -> str:
    """The parts of a challenge, family by family."""
    parts = []
    for one, row, _ in placed:
        places = {family.number: family.ranks.get(row.name) for family in one.families}
        for number, block in enumerate(row.value["blocks"] if row.challenge else ()):
            cells = block["score"], block["curve"]["area"], block["raw"]
            said = [output.score("", each["mean"], each["ci95"]) if row.parts[number].done else NONE for each in cells]
            answered = f"{block['answered']} of {block['episodes']}"
            note = f"<small>{escape(first(str(block['ended'])))}</small>" if block["ended"] else ""
            name = f"{escape(one.title)}: {escape(block['tasks'])}{note}"
            ranks = [place(places.get(number))] if places else []
            parts.append([name, *ranks, *said, escape(block["metric"]), answered])
    ranks = ["place"] * any(one.families for one, row, _ in placed if row.challenge)
    heads = ["family", *ranks, "score", "area by examples", "as it is", "metric", "answered"]
    parts = [part if len(part) == len(heads) else [part[0], NONE, *part[1:]] for part in parts]
    return "<h3>Family by family</h3>" + focusable(table(heads, parts), "Family by family") if parts else ""


def first(said: str) -> str:
    """The first sentence, or as much of it as there is room for."""
    sentence = said.partition(". ")[0]
    return sentence if len(sentence) <= MOST else f"{sentence[: MOST - 1]}\N{HORIZONTAL ELLIPSIS}"


def focusable(drawn: str, name: str) -> str:
    """A table that the keyboard can scroll."""
    return drawn.replace('<div class="wide">', f'<div class="wide" role="region" tabindex="0" aria-label="{name}">')


def badges(slug: str, placed: Sequence[Placed]) -> str:
    """Badges of challenges, and how to show one elsewhere."""
    found = [badge for one, row, rank in placed for badge in board_badge.badges(one, row, rank, slug)]
    return "".join(
        f'<p><img src="../badges/{badge.file}.svg" alt="Badge: {escape(badge.what)}" height="20"></p>'
        f'<pre tabindex="0">{escape(board_badge.markdown(slug, badge))}</pre>'
        for badge in found
    )


def again(placed: Sequence[Placed]) -> Iterator[str]:
    """The commands of the rows, and the one that judges them."""
    commands = dict.fromkeys(row.command for _, row, _ in placed if row.command)
    yield "".join(f'<pre tabindex="0">{escape(command)}</pre>' for command in commands)
    if any(row.challenge and row.command for _, row, _ in placed):
        yield "<p>Whether a row comes out as it was, within its interval, or not, is said by:</p>"
        files = " ".join(dict.fromkeys(str(row.path) for _, row, _ in placed if row.challenge))
        yield f'<pre tabindex="0">quickstudy leaderboard verify {escape(files)}</pre>'


def curves(placed: Sequence[Placed], of: Callable[[Row], Mapping[str, Any]], axis: str) -> Iterator[str]:
    """Those that ``of`` gives of the entry by family, each beside that of the best one there."""
    for one, row, _ in placed:
        for family, curve in of(row).items():
            best = next((other for other in one.rows if of(other).get(family) and other.name != row.name), None)
            lines = [Curve(row.name, 0, points(curve))]
            lines += [Curve(best.name, PALE, points(of(best)[family]))] if best is not None else []
            title = f"{escape(one.title)}: {escape(family)}" if one.challenge else escape(one.title)
            yield figure(title, board_plots.curves(lines, axis, one.metric))


def configuration(placed: Sequence[Placed]) -> Iterator[str]:
    """Settings by the tasks that they were for, those that are the same said once."""
    told: dict[str, list[str]] = {}
    for _, row, _ in placed:
        for family, config in row.configs.items():
            told.setdefault(settings(config), []).append(family)
    for listed, names in told.items():
        yield f"<h3>{escape(', '.join(dict.fromkeys(names)))}</h3>{listed}"
    if not told:
        yield "<p>The rows say nothing of it.</p>"
    trained = [
        f"{block['tasks']}: {about['steps']:,} steps, {about.get('parameters', 0):,} parameters"
        for _, row, _ in placed
        if row.challenge
        for block in row.value["blocks"]
        if isinstance((about := block.get("about") or {}).get("steps"), int) and about["steps"]
    ]
    if trained:
        yield f"<h3>Training</h3><ul>{''.join(f'<li>{escape(one)}</li>' for one in trained)}</ul>"


def settings(config: Mapping[str, Any]) -> str:
    """As a list."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(one))}</dd>" for name, one in config.items())
    return f"<dl>{items}</dl>" if items else "<p>Nothing to set.</p>"


def tasks(worst: Sequence[Worst], why_none: str) -> str:
    """Pictures of tasks, with what they were worth."""
    drawn = [figure(escape(one.title), one.drawn) if one.drawn else f"<p>{escape(one.title)}</p>" for one in worst]
    said = "" if not why_none else f'<p class="note">{escape(why_none)}</p>'
    return (ABOUT if any(one.drawn for one in worst) else "") + gallery(drawn) + said
