"""A badge: which place an entry has in a challenge, as a small SVG."""

from __future__ import annotations

from html import escape

from quickstudy.app.board_tables import Table
from quickstudy.app.markup import TO

LETTER, PAD = 6.6, 10.0
"""Room for a letter of the badge's font, and at the sides of its halves."""


def badge(one: Table, rank: tuple[int, int]) -> str:
    """The place among the ranked of a table."""
    ranked = sum(other is not None for other in one.ranks)
    what, place = one.title, f"{TO.join(map(str, dict.fromkeys(rank)))} of {ranked}"
    left, right = (len(text) * LETTER + 2 * PAD for text in (what, place))
    told, wide = escape(f"{what}: {place}"), f"{left + right:.0f}"
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
        f'<text x="{left + right / 2:.1f}" y="14">{escape(place)}</text></g></svg>\n'
    )


def markdown(slug: str, one: Table) -> str:
    """How a badge is shown in a README, beside the leaderboard's folder."""
    return f"[![{one.title}](leaderboard/badges/{slug}-{one.slug}.svg)](leaderboard/entries/{slug}.html)"
