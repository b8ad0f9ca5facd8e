"""The first page of a leaderboard: a table for each set of tasks, with its plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import quickstudy
from quickstudy.app import board_families, output
from quickstudy.app.board_families import EVERY, Family
from quickstudy.app.board_figures import plots
from quickstudy.app.board_rows import Cell, Row
from quickstudy.app.board_tables import Table, slug
from quickstudy.app.markup import NONE, TO, number

TEMPLATE = Path(__file__).with_name("board.html")
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
    for one in tables[:6]:
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
    enough = (one.rows[0].score.mean or 0) / 2
    times = [
        (row.adapt_ms, row.name)
        for row in one.rows
        if row.adapt_ms is not None and row.inductive and (row.score.mean or 0) >= enough
    ]
    if times:
        spent, entry = min(times)
        said = f"{number(spent)} ms a task, the soonest that has half the best score"
        yield f"<li><b>{escape(entry)}</b> {escape(one.title)}, {said}</li>"


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
    parts.append(by_family(rows))
    parts.append('<button type="reset">Show all</button><output aria-live="polite"></output>')
    return f'<form class="filters" aria-label="Which rows are shown">{"".join(parts)}</form>'


def by_family(rows: Sequence[Row]) -> str:
    """Chooses rows of those that take part in a family; empty where there is one alone."""
    values = sorted({name for row in rows for name in board_families.found_by(row)} - {EVERY})
    if len(values) < 2:
        return ""
    options = "".join(f'<option value="{escape(one)}">{escape(one)}</option>' for one in values)
    every = f'<option value="">any</option><option value="{EVERY}">all of a table</option>'
    return f'<label>Takes part in<select name="family">{every}{options}</select></label>'


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
    ties = f"{one.ties} A rank such as 1{TO}3 is what they leave open.{board_families.legend(one.rows, one.families)}"
    reasons = [(row.name, row.why_unranked) for row in one.rows if row.why_unranked]
    unranked = "".join(f" {escape(name)} has no rank: {escape(why)}." for name, why in reasons)
    untimed: dict[str, list[str]] = {}
    for row in one.rows:
        untimed.setdefault(row.why_untimed, []).append(row.name)
    told = " ".join(alike(one)) + unranked
    told += "".join(f" No times of {escape(', '.join(some))}: {why}." for why, some in untimed.items() if why)
    said = f'<p class="note">{ties}</p>' + (f'<p class="note">{told}</p>' if told else "")
    return grid(one, slugs) + said + plots(one, slugs)


def grid(one: Table, slugs: Mapping[str, str]) -> str:
    """A row for each entry."""
    columns = [("rank", "ascending", ' aria-sort="ascending"'), ("score", best_first(one), "")]
    columns += [(family.label, "descending", board_families.heading(family)) for family in one.families]
    if one.challenge:
        columns += [("area by examples", "descending", ""), ("area by time", "descending", "")]
    columns += [(name, "ascending", "") for name in ("adapt, ms", "training, s", "memory, MB")]
    columns += [(FILTERS[name], "ascending", "") for name in differing(one)]
    head = "".join(heading(*column) for column in (("entry", "ascending", ""), *columns))
    body = "".join(line(one, row, rank, slugs) for row, rank in zip(one.rows, one.ranks, strict=True))
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="Table of {escape(one.title)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def differing(one: Table) -> list[str]:
    """What rows can be filtered by and do not all have in common: each is a column."""
    return [name for name in FILTERS if len({told(row, name) for row in one.rows}) > 1]


def alike(one: Table) -> Iterator[str]:
    """What they have in common, which is said once."""
    same = [f"{FILTERS[name]} {told(one.rows[0], name)}" for name in FILTERS if name not in differing(one)]
    if same:
        yield f"All rows: {escape(', '.join(same))}."


def best_first(one: Table) -> str:
    """The order of a score with the best on top."""
    return "descending" if one.higher else "ascending"


def heading(name: str, first: str, sort: str = "") -> str:
    """A column's; ``first`` is the order of the first press."""
    return f'<th scope="col" data-first="{first}"{sort}><button type="button">{escape(name)}</button></th>'


def line(one: Table, row: Row, rank: tuple[int, int] | None, slugs: Mapping[str, str]) -> str:
    """An entry's cells."""
    cells = [value("" if rank is None else rank[0] + rank[1] / 1000, board_families.place(rank)), score(one, row.score)]
    cells += [in_family(row, family) for family in one.families]
    if one.challenge:
        cells += [score(one, row.by_examples), score(one, row.by_time)]
    cells += [measured(row.adapt_ms), measured(row.training_s), measured(row.memory_mb)]
    cells += [value(told(row, name), escape(told(row, name))) for name in differing(one)]
    data = "".join(f' data-{name}="{escape(told(row, name))}"' for name in FILTERS)
    data += f' data-family="{escape(" ".join(board_families.found_by(row)))}"'
    link = f'<a href="entries/{slugs[row.name]}.html">{escape(row.name)}</a>'
    link += f"<small>{part}</small>" if (part := board_families.partly(row)) else ""
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
    """A score, and its interval below it."""
    if cell.mean is None:
        return value("", NONE)
    mean, _, margin = output.score(one.metric, cell.mean, cell.ci95).partition(" ± ")
    return value(cell.mean, f"{mean}<small>± {margin}</small>" if margin else mean)


def in_family(row: Row, family: Family) -> str:
    """A score there, and the place below it; nothing where a row does not take part."""
    part = row.parts[family.number]
    if not part.done or part.score.mean is None:
        return value("", NONE)
    rank = family.ranks.get(row.name)
    said = output.score("", part.score.mean, None)
    return value(part.score.mean, said + (f"<small>place {board_families.place(rank)}</small>" if rank else ""))


def plain(one: Table, mean: float | None) -> str:
    """A score without its interval."""
    return output.score(one.metric, mean, None)


def slugs_of(tables: Sequence[Table]) -> dict[str, str]:
    """A file name for each entry, no two alike."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(row.name for one in tables for row in one.rows):
        wanted, number = slug(name), 2
        while wanted in found.values():
            wanted, number = f"{slug(name)}-{number}", number + 1
        found[name] = wanted
    return found
