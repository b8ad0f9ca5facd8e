"""``quickstudy bench speed``: meta-gradients here and in other libraries, on the same work."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import tyro

from quickstudy.app import output
from quickstudy.app.flags import parse
from quickstudy.bench import compare, plot, rows
from quickstudy.bench.contest import Settings
from quickstudy.bench.libraries import LIBRARIES, OURS
from quickstudy.bench.process import WorkerError
from quickstudy.bench.rows import Row
from quickstudy.bench.works import WORKS
from quickstudy.devices import cores, pick_device
from quickstudy.errors import UserError, unknown

DESCRIPTION = """Time (or memory) of a meta-gradient here and in other libraries: the same net, initial weights and
episodes, each library in a process of its own, in turn. A gradient is compared with a plain loop's before its time
counts; libraries that cannot be imported are said to be so. docs/speed.md explains it."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to measure, and how."""

    works: str = "all"
    """Works, with commas between them."""
    against: str = "all"
    """Other libraries, with commas between them."""
    threads: int = 0
    """Threads of each library; 0 for one a core."""
    rounds: int = 7
    """How often each library is measured, after warming up."""
    seed: int = 0
    """Of episodes and initial weights."""
    device: str = "auto"
    """auto, cpu or cuda."""
    out: Path = Path("runs/speed")
    """Folder for a row a work and their picture."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """One JSON object: the row of each work."""


def main(args: list[str]) -> int:
    """Run the benchmark."""
    flags = parse(Flags, args, prog="quickstudy bench speed", description=DESCRIPTION)
    works, against = chosen(flags.works, WORKS, "work"), chosen(flags.against, LIBRARIES, "library")
    settings = settings_of(threads=flags.threads, rounds=flags.rounds, seed=flags.seed, device=flags.device)
    found = {name: measured(name, against, settings, flags.out) for name in works}
    picture = plot.draw(rows.read(flags.out), flags.out)
    if flags.json:
        output.print_json(found)
    else:
        show(list(found.values()))
    print(picture, file=sys.stderr if flags.json else sys.stdout)
    return 0


def chosen(names: str, known: Collection[str], what: str) -> list[str]:
    """Those that ``names`` says, each once; UserError for one that is not ``known``."""
    found = list(known) if names == "all" else [name.strip() for name in names.split(",") if name.strip()]
    for name in found:
        if name not in known:
            raise unknown(what, name, known)
    return list(dict.fromkeys(found))


def settings_of(*, threads: int, rounds: int, seed: int, device: str) -> Settings:
    """UserError for numbers that are out of range."""
    if rounds < 1 or threads < 0:
        raise UserError(f"--rounds is {rounds} and --threads {threads}; expected 1 or more, and 0 or more.")
    picked = str(pick_device(device))
    if not picked.startswith(("cpu", "cuda")):
        raise UserError(f"times on {picked!r} cannot be taken. Use --device cpu.")
    return Settings(threads=threads or cores(), rounds=rounds, seed=seed, device=picked)


def measured(name: str, against: list[str], settings: Settings, folder: Path) -> Row:
    """The row of a work, which is also written."""
    try:
        done = compare.compare(name, against, settings, lambda line: print(line, file=sys.stderr))
    except WorkerError as lost:
        raise UserError(
            f"the plain loop cannot do {name}: {lost}. Look for too little memory, or a damaged torch."
        ) from lost
    found = rows.row(done)
    rows.write(found, folder)
    return found


def show(found: list[Row]) -> None:
    """The table, and below it what did not count."""
    columns = ("work", OURS, "best other", "", "times better", "than plain loop")
    output.print_table(columns, [line(row) for row in found])
    remarks = dict.fromkeys(remark for row in found for remark in remarks_of(row))
    if remarks:
        print("\n" + "\n".join(remarks))
    print()


def line(row: Row) -> list[str]:
    """One row's cells."""
    measure, best = row["measure"], row["best"]
    other = amount(row["libraries"][best][measure]["median"], measure) if best else "-"
    ours = row["libraries"][OURS]
    own = amount(ours[measure]["median"], measure) if measure in ours else ours["refused"]
    return [row["work"], own, best or "-", other, times(row["ratio"]), times(row["ratio_to_loop"])]


def amount(value: float, measure: str) -> str:
    """Seconds, bytes or a share, in words."""
    if measure == "share":
        return f"{100 * value:.0f} % of peak"
    return f"{value / 1e6:.0f} MB" if measure == "bytes" else f"{1e3 * value:.4g} ms"


def times(ratio: dict[str, float] | None) -> str:
    """1.52 (1.44-1.60)."""
    return f"{ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})" if ratio else "-"


def remarks_of(row: Row) -> list[str]:
    """Libraries without a value, and ways that are wrong or fail."""
    found = []
    for name, one in row["libraries"].items():
        version = row["versions"].get(name)
        if one.get("refused"):
            who = f"{name} {version}" if version else name
            found.append(
                f"{who}: {one['refused']}"
                if "not importable" in one["refused"]
                else f"{row['work']}, {who}: {one['refused']}"
            )
        else:
            found += [f"{row['work']}, {name} ({way}): {why}" for way, why in one.get("rejected", {}).items()]
    return found
