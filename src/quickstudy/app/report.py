"""The demo's report: one HTML file that needs nothing beside it, composed from values alone."""

from __future__ import annotations

import base64
import shlex
import struct
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

import quickstudy
from quickstudy.app.findings import MAML, NEAREST, PROTONET, UNTRAINED, Found, Scores
from quickstudy.app.gallery import Gallery, Picture
from quickstudy.app.lesson import BATCH, POINTS, PRACTISED, QUERIES, SHOTS, WAY
from quickstudy.intervals import Interval

TEMPLATE = Path(__file__).with_name("report.html")
CHARACTERS = {
    UNTRAINED: "chooses the example whose features are most alike; its features are random",
    NEAREST: "chooses the example whose pixels are most alike",
    PROTONET: "chooses as the untrained net does, with features that practice has shaped",
}
WAVES = {UNTRAINED: "starts from random weights", MAML: "starts from weights that practice has chosen"}
FILES = (
    ("report.html", "this page"),
    ("*.png", "its pictures; banner.png has both tasks in one"),
    ("protonet/, maml/", "both runs: settings, weights, metrics.jsonl"),
)


def compose(found: Found, gallery: Gallery, folder: Path, wall: float, cpu: float) -> str:
    """The page; ``folder`` holds the runs, and ``wall`` and ``cpu`` are the seconds that everything took."""
    facts = {
        "seconds": f"{wall:.0f}",
        "cpu": f"{cpu:.0f}",
        "seed": str(found.seed),
        "version": quickstudy.__version__,
        "episodes_count": str(found.size.episodes),
        "queries": str(QUERIES["classification"]),
        "steps": str(found.size.glyph_steps),
        "practised": str(PRACTISED),
        "practised_in_all": f"{found.size.glyph_steps * PRACTISED:,}",
        "wave_tasks": f"{found.size.wave_steps * BATCH:,}",
        "points": str(POINTS),
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        {name: escape(value) for name, value in facts.items()},
        headline=headline(found),
        episodes=pictures(gallery.episodes),
        scores=scores(found),
        learning=pictures(gallery.learning),
        waves=pictures(gallery.waves),
        adaptation="".join(map(figure, gallery.adaptation)),
        errors=errors(found),
        files="".join(f"<dt><code>{escape(name)}</code></dt><dd>{escape(what)}</dd>" for name, what in FILES),
        commands="".join(
            f"<li>{escape(why)}<pre><code>{escape(command)}</code></pre></li>" for why, command in commands(folder)
        ),
    )


def headline(found: Found) -> str:
    """The numbers to remember."""
    once, last = SHOTS[0], max(found.errors[MAML])
    numbers = (
        (
            f"{100 * found.scores[PROTONET][once].mean:.0f} %",
            f"of drawings recognised, {WAY} new characters shown once",
        ),
        (f"{100 * found.scores[UNTRAINED][once].mean:.0f} %", "by the same net before its practice"),
        (f"{found.errors[MAML][last].mean:.2f}", f"squared error on new waves, {POINTS} points and {last} steps each"),
        (f"{found.errors[UNTRAINED][last].mean:.2f}", "by the same net before its practice"),
    )
    return "".join(f"<li><b>{escape(number)}</b> {escape(what)}</li>" for number, what in numbers)


def percent(score: Interval) -> str:
    """An accuracy with its interval."""
    return f"{100 * score.mean:.1f} ± {100 * score.ci95:.1f} %"


def number(score: Interval) -> str:
    """An error with its interval."""
    return f"{score.mean:.2f} ± {score.ci95:.2f}"


def scores(found: Found) -> str:
    """Table of accuracies, with bars."""

    def cell(score: Interval) -> str:
        return f'{percent(score)}<span class="bar" style="--share:{100 * score.mean:.1f}%"></span>'

    columns = [f"{shot} example{'s' if shot > 1 else ''} of each" for shot in SHOTS]
    return table("Share of right answers on new characters", "learner", columns, found.scores, cell, CHARACTERS)


def errors(found: Found) -> str:
    """Table of squared errors by gradient steps."""
    columns = [f"{steps} step{'' if steps == 1 else 's'}" for steps in found.errors[MAML]]
    return table("Squared error on new waves, by gradient steps", "learner", columns, found.errors, number, WAVES)


def table(
    caption: str,
    corner: str,
    columns: Sequence[str],
    rows: Scores,
    cell: Callable[[Interval], str],
    explained: Mapping[str, str],
) -> str:
    """A row a learner; what is meta-trained stands out.

    On a phone the page stacks the cells, each below the name of its column; the roles keep it a table for all that.
    """
    head = "".join(f'<th scope="col" role="columnheader">{escape(column)}</th>' for column in (corner, *columns))
    body = ""
    for name, cells in rows.items():
        kind = ' class="best"' if name in (PROTONET, MAML) else ""
        body += f'<tr role="row"{kind}><th scope="row" role="rowheader">{escape(name)}'
        body += f"<small>{escape(explained[name])}</small></th>"
        for column, score in zip(columns, cells.values(), strict=True):
            body += f'<td role="cell" data-column="{escape(column)}">{cell(score)}</td>'
        body += "</tr>"
    return (
        f'<table role="table"><caption>{escape(caption)}</caption><thead role="rowgroup"><tr role="row">{head}</tr>'
        f'</thead><tbody role="rowgroup">{body}</tbody></table>'
    )


def pictures(some: Sequence[Picture]) -> str:
    """Side by side as far as there is room."""
    return f'<div class="gallery">{"".join(map(figure, some))}</div>'


def figure(picture: Picture) -> str:
    """A picture with its title."""
    width, height = struct.unpack(">II", picture.light[16:24])
    dark = f'<source media="(prefers-color-scheme: dark)" srcset="{data_uri(picture.dark)}">'
    light = f'<img src="{data_uri(picture.light)}" alt="{escape(picture.alt)}" width="{width}" height="{height}">'
    return f"<figure><figcaption>{escape(picture.title)}</figcaption><picture>{dark}{light}</picture></figure>"


def data_uri(png: bytes) -> str:
    """A PNG as part of the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def commands(folder: Path) -> tuple[tuple[str, str], ...]:
    """What to try next, and how."""
    run = shlex.quote(str(folder / "protonet"))
    return (
        ("The same net on a harder task, 20 characters at a time:", f"quickstudy evaluate {run} --way 20"),
        ("On handwriting of real people (downloads 16 MB):", f"quickstudy evaluate {run} --tasks omniglot"),
        ("A net that has practised on real handwriting:", "quickstudy train protonet --tasks omniglot"),
    )
