"""The first page of a leaderboard: a table for each set of tasks, with its plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import quickstudy
from quickstudy.app import board_plots, output
from quickstudy.app.board_plots import Curve, Dot
from quickstudy.app.board_rows import Cell, Row
from quickstudy.app.board_tables import Table, slug
from quickstudy.app.markup import NONE, TO, figure, gallery, number

TEMPLATE = Path(__file__).with_name("board.html")
BEST = 5
"""Entries whose curves are drawn."""
FILTERS = {"backbone": "backbone", "budget": "budget", "inductive": "inductive", "device": "device"}
YES = {True: "yes", False: "no"}


def page(title: str, body: str, data: str, root: str = ".") -> str:
    """A page; ``data`` is the name of its JSON, ``root`` the way to the first page's folder."""
    facts = {"title": title, "data": data, "root": root, "version": quickstudy.__version__}
    text = Template(TEMPLATE.read_text(encoding="utf-8"))
    return text.substitute({name: escape(value) for name, value in facts.items()}, body=body)


def index(tables: Sequence[Table], slugs: Mapping[str, str]) -> str:
    """The first page; ``slugs`` has the file of each entry's page."""
    challenges = [one for one in tables if one.challenge]
    others = [one for one in tables if not one.challenge]
    rows = [row for one in tables for row in one.rows]
    parts = [
        "<header><p class='from'>quickstudy leaderboard</p><h1>Who learns a new task best, and how soon?</h1>",
        '<p class="lead">Every entry of a table was asked the same tasks, which nobody had been trained on. A row can '
        "be made again: <code>quickstudy leaderboard verify ROW</code>.</p>",
        headline(challenges or others),
        contents(challenges, others),
        "</header>",
        filters(rows),
        *(section(one, slugs) for one in challenges),
    ]
    if others:
        parts.append('<h2 id="evaluations">Evaluations</h2><p>Runs on episodes of one size, as tables fold out.</p>')
        parts += [folded(one, slugs) for one in others]
    return page("quickstudy leaderboard", "\n".join(parts), "index.json")


def headline(tables: Sequence[Table]) -> str:
    """The best of the first tables; of one alone, the best in each respect."""
    if len(tables) == 1 and tables[0].challenge:
        return f'<ul class="figures">{"".join(ahead(tables[0]))}</ul>'
    found = []
    for one in tables[:4]:
        best, place = one.rows[0], one.ranks[0]
        level = sum(rank is not None and rank[0] == 1 for rank in one.ranks) - 1
        beside = f", level with {output.count(level, 'other')}" if place and level > 0 else ""
        said = plain(one, best.score.mean)
        found.append(f"<li><b>{escape(best.name)}</b> {escape(one.title)}: {said}{beside}</li>")
    return f'<ul class="figures">{"".join(found)}</ul>'


def ahead(one: Table) -> Iterator[str]:
    """Who is ahead by score, by areas, and in time."""
    for name, words in (("score", "score"), ("by_examples", "area by examples"), ("by_time", "area by time")):
        told = [(getattr(row, name).mean, row.name) for row in one.rows if row.inductive]
        known = [(mean, entry) for mean, entry in told if mean is not None]
        if known:
            mean, entry = max(known)
            yield f"<li><b>{escape(entry)}</b> {escape(one.title)}, {words}: {mean:.3f}</li>"
    times = [(row.adapt_ms, row.name) for row in one.rows if row.adapt_ms is not None and row.inductive]
    if times:
        spent, entry = min(times)
        yield f"<li><b>{escape(entry)}</b> {escape(one.title)}, soonest: {number(spent)} ms a task</li>"


def contents(challenges: Sequence[Table], others: Sequence[Table]) -> str:
    """Links to the tables."""
    links = [(one.slug, one.title) for one in challenges] + ([("evaluations", "evaluations")] if others else [])
    items = "".join(f'<li><a href="#{place}">{escape(title)}</a></li>' for place, title in links)
    return f'<nav aria-label="Tables"><ul>{items}</ul></nav>'


def filters(rows: Sequence[Row]) -> str:
    """A form by which rows of all tables are chosen."""
    parts = ['<label>Learner<input type="search" name="learner" autocomplete="off"></label>']
    for name, label in FILTERS.items():
        values = sorted({told(row, name) for row in rows}, key=lambda text: (len(text), text))
        options = "".join(f'<option value="{escape(one)}">{escape(one)}</option>' for one in values)
        parts.append(
            f'<label>{label.capitalize()}<select name="{name}"><option value="">any</option>{options}</select></label>'
        )
    parts.append('<button type="reset">Show all</button><output aria-live="polite"></output>')
    return f'<form class="filters" aria-label="Which rows are shown">{"".join(parts)}</form>'


def told(row: Row, name: str) -> str:
    """What a row says of what can be filtered by."""
    return YES[row.inductive] if name == "inductive" else str(getattr(row, name))


def section(one: Table, slugs: Mapping[str, str]) -> str:
    """A table of a challenge."""
    return (
        f'<section aria-labelledby="{one.slug}"><h2 id="{one.slug}">{escape(one.title)}</h2>'
        f"<p>{escape(one.about)}. 0 is chance, 1 perfect or the best possible.</p>{whole(one, slugs)}</section>"
    )


def folded(one: Table, slugs: Mapping[str, str]) -> str:
    """A table of evaluations, which opens."""
    best = f"{escape(one.rows[0].name)} {plain(one, one.rows[0].score.mean)}"
    return (
        f'<details class="table"><summary><b id="{one.slug}">{escape(one.title)}</b> '
        f"{output.count(len(one.rows), 'entry', 'entries')}; {best}</summary><div>"
        f"<p>{escape(one.about)}, {escape(one.metric)}.</p>{whole(one, slugs)}</div></details>"
    )


def whole(one: Table, slugs: Mapping[str, str]) -> str:
    """The table, what is said below it, and its plots."""
    ties = f"{one.ties} A rank such as 1{TO}3 is what they leave open."
    reasons = [(row.name, row.why_unranked) for row in one.rows if row.why_unranked]
    unranked = "".join(f" {escape(name)} has no rank: {escape(why)}." for name, why in reasons)
    untimed: dict[str, list[str]] = {}
    for row in one.rows:
        untimed.setdefault(row.why_untimed, []).append(row.name)
    unranked += "".join(f" No times of {escape(', '.join(some))}: {why}." for why, some in untimed.items() if why)
    return grid(one, slugs) + f'<p class="note">{ties}{unranked}</p>' + plots(one, slugs)


def grid(one: Table, slugs: Mapping[str, str]) -> str:
    """A row for each entry."""
    columns = [("rank", "ascending"), ("score", best_first(one))]
    if one.challenge:
        columns += [("area by examples", "descending"), ("area by time", "descending")]
    columns += [("adapt, ms", "ascending"), ("training, s", "ascending"), ("memory, MB", "ascending")]
    columns += [(label, "ascending") for label in FILTERS.values()]
    head = heading("entry", "ascending") + "".join(
        heading(name, first, ' aria-sort="ascending"' if name == "rank" else "") for name, first in columns
    )
    body = "".join(line(one, row, rank, slugs) for row, rank in zip(one.rows, one.ranks, strict=True))
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="Table of {escape(one.title)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def best_first(one: Table) -> str:
    """The order of a score with the best on top."""
    return "descending" if one.higher else "ascending"


def heading(name: str, first: str, sort: str = "") -> str:
    """A column's; ``first`` is the order of the first press."""
    return f'<th scope="col" data-first="{first}"{sort}><button type="button">{escape(name)}</button></th>'


def line(one: Table, row: Row, rank: tuple[int, int] | None, slugs: Mapping[str, str]) -> str:
    """An entry's cells."""
    place = NONE if rank is None else TO.join(map(str, dict.fromkeys(rank)))
    cells = [value("" if rank is None else rank[0] + rank[1] / 1000, place), score(one, row.score)]
    if one.challenge:
        cells += [score(one, row.by_examples), score(one, row.by_time)]
    cells += [measured(row.adapt_ms), measured(row.training_s), measured(row.memory_mb)]
    cells += [value(told(row, name), escape(told(row, name))) for name in FILTERS]
    data = "".join(f' data-{name}="{escape(told(row, name))}"' for name in FILTERS)
    link = f'<a href="entries/{slugs[row.name]}.html">{escape(row.name)}</a>'
    return (
        f'<tr data-entry="{slugs[row.name]}" data-learner="{escape(row.name)} {escape(row.learner)}"{data}>'
        f'<th scope="row" data-value="{escape(row.name)}">{link}</th>{"".join(cells)}</tr>'
    )


def value(sort: Any, text: str) -> str:
    """A cell, and what it is sorted by."""
    return f'<td data-value="{escape(str(sort))}">{text}</td>'


def measured(found: float | None) -> str:
    """A cost."""
    return value("" if found is None else found, number(found))


def score(one: Table, cell: Cell) -> str:
    """A score with its interval."""
    said = output.score(one.metric, cell.mean, cell.ci95)
    return value("" if cell.mean is None else cell.mean, NONE if cell.mean is None else said)


def plain(one: Table, mean: float | None) -> str:
    """A score without its interval."""
    return output.score(one.metric, mean, None)


def plots(one: Table, slugs: Mapping[str, str]) -> str:
    """Score against costs, and curves by shots."""
    dots = {
        "milliseconds to adapt and answer": [(row, row.adapt_ms) for row in one.rows],
        "seconds of training": [(row, row.training_s) for row in one.rows],
    }
    drawn = []
    for axis, costs in dots.items():
        known = [
            Dot(row.name, slugs[row.name], cost, row.score.mean)
            for row, cost in costs
            if cost and row.score.mean is not None and row.inductive
        ]
        if len(known) > 1:
            drawn.append(figure(f"{words(one)} against {axis}", board_plots.front(known, axis, one.metric, one.higher)))
    return gallery([*drawn, *shots(one)])


def words(one: Table) -> str:
    """The metric, as a heading begins."""
    return escape(one.metric.capitalize())


def shots(one: Table) -> list[str]:
    """Curves of the best, a plot for each family."""
    families = dict.fromkeys(name for row in one.rows for name in row.curves)
    drawn = []
    for family in families:
        chosen = sorted(
            (row for row in one.rows if row.curves.get(family) and row.inductive),
            key=lambda row: row.curves[family][-1]["mean"] * (-1 if one.higher else 1),
        )[:BEST]
        lines = [Curve(row.name, one.rows.index(row), points(row.curves[family])) for row in chosen]
        title = f"{words(one)} by examples, {escape(family)}"
        title += f": the best {len(lines)}" if len(lines) > 1 else ""
        drawn.append(figure(title, board_plots.curves(lines, "examples", one.metric)))
    return drawn


def points(curve: Sequence[Mapping[str, Any]]) -> list[tuple[float, float, float]]:
    """Where, score and interval of those points that have a score."""
    return [(one["at"], one["mean"], one["ci95"] or 0.0) for one in curve if one["mean"] is not None]


def slugs_of(tables: Sequence[Table]) -> dict[str, str]:
    """A file name for each entry, no two alike."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(row.name for one in tables for row in one.rows):
        wanted, number = slug(name), 2
        while wanted in found.values():
            wanted, number = f"{slug(name)}-{number}", number + 1
        found[name] = wanted
    return found
