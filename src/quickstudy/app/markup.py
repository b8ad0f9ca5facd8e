"""What pages of results are made of: sections, plots, tables, learners with their colours, numbers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from quickstudy.app import plots

NONE = TO = "\N{EN DASH}"
"""Where there is nothing to say, and between two numbers."""
MINUS = "\N{MINUS SIGN}"


def label(number: int, name: str) -> str:
    """A learner by colour, marker and name."""
    symbol = plots.SYMBOLS[number % len(plots.SYMBOLS)]
    colour = f"var(--line-{number % plots.LINES + 1})"
    return f'<span class="symbol" style="color: {colour}" aria-hidden="true">{symbol}</span>{escape(name)}'


def section(name: str, heading: str, text: str, body: str) -> str:
    """A section with its heading and what it is about."""
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(heading)}</h2><p>{escape(text)}</p>{body}</section>'
    )


def gallery(figures: Sequence[str], kind: str = "") -> str:
    """Side by side as far as there is room."""
    some = [one for one in figures if one]
    return f'<div class="gallery {kind}">{"".join(some)}</div>' if some else ""


def figure(heading: str, drawn: str) -> str:
    """A plot with its title, both HTML."""
    return f"<figure><figcaption>{heading}</figcaption>{drawn}</figure>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML; the first of a row says what the row is."""
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def number(value: float | None) -> str:
    """Three figures, without exponents: 0.00123, 1.23, 12,300."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    text = f"{value:#.3g}"
    return (f"{value:.3f}" if "e" in text else text).rstrip(".")


def percent(share: float | None) -> str:
    """A share of 1."""
    return NONE if share is None else f"{100 * share:.1f} %"


def size(count: int) -> str:
    """Bytes in words; 1 kB is 1,000 of them."""
    for unit, width in (("MB", 10**6), ("kB", 10**3)):
        if count >= width:
            return f"{number(count / width)} {unit}"
    return f"{count} bytes"


def signed(text: str) -> str:
    """A number's text with its sign: a plus, or a minus as wide as one."""
    return f"{MINUS}{text[1:]}" if text.startswith("-") else f"+{text}"
