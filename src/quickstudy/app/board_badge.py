"""A badge: which place an entry has in a challenge, as a small SVG."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from quickstudy.app.board_families import partly, place
from quickstudy.app.board_rows import Row
from quickstudy.app.board_tables import Table, slug

LETTER, PAD = 6.6, 10.0
"""Room for a letter of the badge's font, and at the sides of its halves."""


class Badge(NamedTuple):
    """What is on it."""

    what: str
    rank: tuple[int, int]
    of: int
    """How many are ranked there."""
    file: str


def badges(one: Table, row: Row, rank: tuple[int, int] | None, name: str) -> Iterator[Badge]:
    """Those of an entry, whose page is called ``name``, in a challenge; who takes part in some families alone has one
    for each of them too."""
    if not one.challenge or rank is None:
        return
    file = f"{name}-{one.slug}"
    yield Badge(one.title, rank, sum(other is not None for other in one.ranks), file)
    for family in one.families if partly(row) else ():
        if row.name in family.ranks:
            what = f"{one.title}: {family.label}"
            yield Badge(what, family.ranks[row.name], len(family.ranks), f"{file}-{slug(family.label)}")


def drawn(badge: Badge) -> str:
    """The badge as SVG."""
    what, rank = badge.what, badge.rank
    said = f"{place(rank)} of {badge.of}"
    left, right = (len(text) * LETTER + 2 * PAD for text in (what, said))
    told, wide = escape(f"{what}: {said}"), f"{left + right:.0f}"
    colour = "#12795a" if rank[0] == 1 else "#2a5bd0"
    font = "Verdana, 'DejaVu Sans', sans-serif"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="20" role="img" aria-label="{told}">'
        f"<title>{told}</title>"
        f'<clipPath id="round"><rect width="{wide}" height="20" rx="4"/></clipPath><g clip-path="url(#round)">'
        f'<rect width="{left:.0f}" height="20" fill="#414b59"/>'
        f'<rect x="{left:.0f}" width="{right:.0f}" height="20" fill="{colour}"/></g>'
        f'<g fill="#fff" text-anchor="middle" font-family="{font}" font-size="11">'
        f'<text x="{left / 2:.1f}" y="14">{escape(what)}</text>'
        f'<text x="{left + right / 2:.1f}" y="14">{escape(said)}</text></g></svg>\n'
    )


def markdown(name: str, badge: Badge) -> str:
    """How a badge is shown in a README, beside the leaderboard's folder."""
    return f"[![{badge.what}](leaderboard/badges/{badge.file}.svg)](leaderboard/entries/{name}.html)"
