"""``quickstudy demo``: two learners learn to learn while one watches, then a table and a report. Needs no data."""

from __future__ import annotations

import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quickstudy import runs
from quickstudy.app import figures, findings, gallery, output, report
from quickstudy.app.findings import Found
from quickstudy.app.flags import check_seed, parse
from quickstudy.app.gallery import Gallery
from quickstudy.app.lesson import BATCH, FULL, POINTS, PRACTISED, QUICK, SHOTS, STEPS, WAY, Progress, Size
from quickstudy.errors import UserError


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """The demo's flags."""

    out: Path | None = None
    """Folder to make; by default runs/demo-1, or the next that is free."""
    open: bool = False
    """Show the report in a browser at the end."""
    seed: int = 0
    """Seed of weights and tasks."""
    quick: bool = False
    """Train for a few seconds only, too few for good scores."""


def main(arguments: list[str]) -> int:
    """Run the verb; the last line on stdout is the path of the report."""
    about = "Two learners are meta-trained on tasks that are made here, and judged on tasks that they have never met."
    config = parse(DemoConfig, arguments, prog="quickstudy demo", description=about)
    check_seed(config.seed)
    path = make_folder(config.out)
    size = QUICK if config.quick else FULL
    announce(size, config.quick)
    wall, cpu = time.perf_counter(), time.process_time()
    with progress() as show:
        found = findings.find(size, config.seed, path, show)
    tell_scores(found)
    drawn = draw(found, path)
    page = report.compose(found, drawn, path, time.perf_counter() - wall, time.process_time() - cpu)
    written = path / "report.html"
    runs.write_atomic(written, lambda temporary: runs.write_text(temporary, page))
    if config.open:
        webbrowser.open(written.resolve().as_uri())
    tell_files(path, drawn, written)
    return 0


def draw(found: Found, path: Path) -> Gallery:
    """The report's pictures, and the banner, also as files of their own."""
    drawn = gallery.draw(found)
    pngs = {picture.name: picture.light for picture in drawn.pictures()}
    pngs["banner"] = figures.banner(found.after[0], found.tallest[0])
    for name, png in pngs.items():
        write_png(path / f"{name}.png", png)
    return drawn


def write_png(path: Path, png: bytes) -> None:
    """Whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(png)

    runs.write_atomic(path, write)


def make_folder(wanted: Path | None) -> Path:
    """An empty folder; UserError where there can be none."""
    number = 1
    while wanted is None and (runs.RUNS / f"demo-{number}").exists():
        number += 1
    path = wanted or runs.RUNS / f"demo-{number}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        taken = any(path.iterdir())
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error}. Choose another --out.") from error
    if taken:
        raise UserError(f"{path} is not empty. Choose another --out, or leave it out.")
    return path


def announce(size: Size, quick: bool) -> None:
    """What is going to happen, and how long it takes."""
    print(
        f"Learning to learn, in {'a few seconds' if quick else 'less than a minute'}; nothing is downloaded.\n"
        f"  ProtoNet practises on {size.glyph_steps * PRACTISED:,} invented characters, each shown once, and "
        f"MAML on {size.wave_steps * BATCH:,} waves;\n"
        "  then both are judged on characters and waves that neither has met.\n",
        file=sys.stderr,
        flush=True,
    )


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars on a terminal, and elsewhere a line for each result."""
    if not sys.stderr.isatty():
        yield show_line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<32}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    console = Console(stderr=True, markup=False, highlight=False)
    with Progress(*columns, TextColumn("{task.fields[result]}", markup=False), console=console) as bars:
        rows: dict[str, TaskID] = {}

        def show_bar(title: str, done: int, total: int, result: str) -> None:
            if title not in rows:
                rows[title] = bars.add_task(title, total=total, result="")
            bars.update(rows[title], completed=done)
            if result:
                bars.update(rows[title], result=result)

        yield show_bar
    print(file=sys.stderr)


def show_line(title: str, done: int, total: int, result: str) -> None:
    """A line where there is a result."""
    if result:
        print(f"{title}: {done} of {total}, {result}", file=sys.stderr, flush=True)


def tell_scores(found: Found) -> None:
    """Both tables on stdout."""
    episodes = f"{found.size.episodes} tasks, ± 95 % interval"
    print(f"\nNew characters, {WAY} at a time: share of right answers (guessing: 20 %; {episodes})\n")
    shots = [f"{shot} example{'s' if shot > 1 else ''} of each" for shot in SHOTS]
    rows = [[name, *map(report.percent, cells.values())] for name, cells in found.scores.items()]
    output.print_table(["", *shots], rows)
    print(f"\nNew waves from {POINTS} points: squared error by gradient steps ({episodes})\n")
    rows = [[name, *map(report.number, cells.values())] for name, cells in found.errors.items()]
    output.print_table(["gradient steps", *map(str, STEPS)], rows)


def tell_files(path: Path, drawn: Gallery, written: Path) -> None:
    """What was written where; the report comes last."""
    files = (
        (path / "protonet", "run of ProtoNet: settings, weights, metrics.jsonl"),
        (path / "maml", "run of MAML"),
        (path / "banner.png", f"both tasks in one picture; {len(drawn.pictures())} more pictures beside it"),
    )
    width = max(len(str(file)) for file, _ in files)
    print("\nWritten, and last the report with all of this explained, one file that opens in any browser:")
    for file, what in files:
        print(f"{file!s:{width}}  {what}")
    print(written)
