"""``quickstudy leaderboard build``: rows of results as static pages."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro

from quickstudy import runs
from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.errors import UserError

DESCRIPTION = """Turn rows of results into a leaderboard: static pages that need no server and nothing from elsewhere.
A table for each set of tasks, sorted and filtered in the page; ranks with ties; score against time and training; curves
by shots; a page for each entry with its citation, configuration, rows, commands and worst tasks; a badge; and a JSON
file beside every page. RESULTS are rows of `challenge run`, `bench run`, `evaluate --json`, `bench ladder` and `bench
folds`, or folders with them; what else lies in a folder is named and left out. Exit code 2: a row was of a newer
version, or a file that was named is no row; the pages have the others."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Which rows, and where the pages go."""

    results: tyro.conf.Positional[tuple[Path, ...]] = (Path("runs/challenge"),)
    """Rows, or folders of them."""
    out: Path = Path("leaderboard")
    """Folder for the pages; one that is there is renewed."""


def main(args: list[str]) -> int:
    """Run the verb; the last line on stdout is the first page."""
    flags = parse(Flags, args, prog="quickstudy leaderboard build", description=DESCRIPTION)
    from quickstudy.app.board_collect import MARK, collect
    from quickstudy.app.board_tables import tables

    for path in flags.results:
        if not path.exists():
            raise UserError(f"{path} is not there. Give rows of results, or a folder with them.")
    if flags.out.exists() and not flags.out.is_dir():
        raise UserError(f"--out is {flags.out}, which is a file. Choose a folder.")
    if flags.out.is_dir() and any(flags.out.iterdir()) and not (flags.out / MARK).is_file():
        raise UserError(f"{flags.out} is there, and is no leaderboard. Choose another --out.")
    refused: list[UserError] = []
    found = tables(collect(flags.results, refused.append))
    for error in refused:
        print(f"error: {error}", file=sys.stderr)
    write = Writer(flags.out)
    build(found, write)
    write.clear()
    print(flags.out / "index.html")
    return 2 if refused else 0


class Writer:
    """Writes files into a folder, and knows which of those that were there are no longer."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder, set[Path]()

    def __call__(self, name: str, text: str) -> None:
        """One file, whole or not at all."""
        path = self.folder / name
        runs.write_atomic(path, lambda temporary: runs.write_text(temporary, text))
        self.written.add(path)

    def json(self, name: str, value: Any) -> None:
        """The same of JSON."""
        self(name, json.dumps(output.finite(value), indent=1, allow_nan=False) + "\n")

    def clear(self) -> None:
        """Take away pages of entries that are gone."""
        for name in ("entries", "badges"):
            for path in (self.folder / name).glob("*"):
                if path.is_file() and path not in self.written:
                    path.unlink()


def build(found: Sequence[Any], write: Writer) -> None:
    """All pages."""
    from quickstudy.app.board_badge import badges, drawn
    from quickstudy.app.board_entry import entry
    from quickstudy.app.board_index import index, slugs_of
    from quickstudy.app.board_worst import Painter

    here = Path(__file__)
    for name in ("board.css", "board.js"):
        write(name, here.with_name(name).read_text(encoding="utf-8"))
    slugs = slugs_of(found)
    paint: Callable[[Sequence[Any]], tuple[list[Any], str]] = Painter()
    for name, slug in slugs.items():
        placed = [
            (one, row, rank) for one in found for row, rank in zip(one.rows, one.ranks, strict=True) if row.name == name
        ]
        worst, why = paint([row for _, row, _ in placed])
        write(f"entries/{slug}.html", entry(name, slug, placed, worst, why))
        rows = [told(*each) | {"row": each[1].value} for each in placed]
        write.json(f"entries/{slug}.json", {"entry": name, "rows": rows})
        for badge in (some for each in placed for some in badges(*each, slug)):
            write(f"badges/{badge.file}.svg", drawn(badge))
    write.json("index.json", {"tables": list(listed(found, slugs))})
    write("index.html", index(found, slugs))


def listed(found: Sequence[Any], slugs: dict[str, str]) -> Iterator[dict[str, Any]]:
    """All tables, as the first page has them."""
    for one in found:
        rows = [
            told(one, row, rank) | {"page": f"entries/{slugs[row.name]}.html"}
            for row, rank in zip(one.rows, one.ranks, strict=True)
        ]
        yield {"title": one.title, "about": one.about, "metric": one.metric, "ties": one.ties, "rows": rows}


def told(one: Any, row: Any, rank: tuple[int, int] | None) -> dict[str, Any]:
    """What a table says of a row."""
    from quickstudy.app import board_families

    names = ("learner", "metric", "adapt_ms", "training_s", "memory_mb", "backbone", "budget", "inductive", "device")
    cells = {name: asdict(getattr(row, name)) for name in ("score", "by_examples", "by_time")}
    return (
        {"entry": row.name, "table": one.title, "rank": rank and list(rank), "file": str(row.path)}
        | {name: getattr(row, name) for name in names}
        | cells
        | ({"families": board_families.listed(row, one.families)} if one.families else {})
        | {"why_unranked": row.why_unranked, "command": row.command}
    )
